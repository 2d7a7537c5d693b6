//! The write-ahead log's way into the file: a thread with a connection of its own copies it while the writer goes on.
//!
//! A pass is SQLite's passive checkpoint. It holds up neither the writer nor readers, and so cannot let the log begin anew:
//! that takes a moment in which all of it is in the file and synced, and nothing is added. The moment is the writer's,
//! between two commits; passes go on until so little is left that it is short.
//!
//! Pages of a pass that a commit overtook SQLite neither syncs nor copies again. They are synced here. When that fails, what
//! the kernel still has of them is anybody's guess: then every connection is closed and opened anew, so that SQLite
//! forgets how far it came, and reads from the log what is in doubt.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use interlock_store::StoreError;
use rusqlite::Connection;

use crate::error::store;
use crate::log::Log;
use crate::open;
use crate::seat::Seat;

/// Passes at a stretch after which the writer copies what is left, however much it is.
const PASSES_MAX: u32 = 8;
/// How long the writer waits for those who still read in the log, in order to let it begin anew. They are back soon, and the
/// next turn comes soon too.
const READERS_PATIENCE: Duration = Duration::from_millis(20);

/// All connections of a store. Closing any handle to a file takes along the locks that the process has on it, SQLite's too:
/// ours is closed after all of them.
pub(crate) struct Seats {
    pub(crate) readers: Vec<Seat>,
    copier: Seat,
    /// Closed last of the three, since it is the one that folds the log into the file then.
    pub(crate) writer: Seat,
    pub(crate) log: Arc<Log>,
    file: File,
}

impl Seats {
    /// Open all of them.
    pub(crate) fn open(options: &open::Options) -> Result<Self, StoreError> {
        let log = Log::new(options.log);
        let (writers, watched) = (options.clone(), Arc::clone(&log));
        let writer = Seat::open(move || {
            let mut connection = open::writer(&writers)?;
            watched.watch(&mut connection)?;
            Ok(connection)
        })?;
        let at = || options.path.clone();
        let (path, readers) = (at(), options.readers.max(1));
        let copier = Seat::open(move || open::copier(&path))?;
        let reader = |path: std::path::PathBuf| Seat::open(move || open::reader(&path));
        let readers = (0..readers).map(|_| reader(at())).collect::<Result<_, _>>()?;
        let file = handle(&options.path)?;
        Ok(Self { readers, copier, writer, log, file })
    }

    /// Copy what is committed, and sync it.
    fn pass(&self) -> Result<(), StoreError> {
        let mut seat = self.copier.take();
        self.log.trusted()?;
        let mut passes = 0;
        loop {
            let copied = checkpoint(seat.connection()?, "PASSIVE")?.copied;
            self.file.sync_data().map_err(|error| {
                self.log.set_in_doubt(true);
                StoreError::Unavailable(format!("what was copied into the file could not be synced: {error}"))
            })?;
            passes += 1;
            let pages = self.log.pages();
            if pages < self.log.limits.anew {
                return Ok(());
            }
            if pages.saturating_sub(copied) <= self.log.few() || passes == PASSES_MAX {
                self.log.set_due(true);
                return Ok(());
            }
        }
    }

    /// Copy the rest and let the log begin anew; the caller is the writer, between two commits. Whether it does: not while
    /// somebody reads in it for longer than the writer is patient.
    pub(crate) fn begin_anew(&self, writer: &Connection, mode: &str) -> Result<bool, StoreError> {
        // Only one may copy at a time: a pass that runs is waited for.
        let _alone = self.copier.take();
        self.log.set_due(false);
        self.log.trusted()?;
        Ok(!checkpoint(writer, mode)?.is_busy)
    }

    /// Where what was copied is in doubt, close everything and open it anew: SQLite reads the log from its beginning then, and
    /// copies all of it again. The caller has no seat.
    pub(crate) fn settle(&self) {
        if !self.log.is_in_doubt() {
            return;
        }
        let mut writer = self.writer.take();
        let mut others: Vec<_> =
            self.readers.iter().map(Seat::take).chain(std::iter::once(self.copier.take())).collect();
        if !self.log.is_in_doubt() {
            // Somebody else was faster.
            return;
        }
        for seat in others.iter_mut().chain(std::iter::once(&mut writer)) {
            if let Err(error) = seat.close() {
                tracing::error!(%error, "database.not_closed");
            }
        }
        let opened = writer.connection().and_then(|writer| checkpoint(writer, "NOOP"));
        // Another program that has the file open keeps what SQLite knows of the log; then it is tried again later.
        self.log.set_in_doubt(!matches!(opened, Ok(Checkpoint { copied: 0, .. })));
        match opened {
            Ok(_) => tracing::warn!(is_in_doubt = self.log.is_in_doubt(), "database.opened_anew"),
            Err(error) => tracing::error!(%error, "database.not_opened"),
        }
    }
}

/// The writer's way to the copier.
pub(crate) struct Copier {
    seats: Arc<Seats>,
    thread: SyncSender<()>,
    /// Pages in the log when it was last asked to copy.
    asked_at: u32,
}

impl Copier {
    /// Start the thread; it ends with this.
    pub(crate) fn spawn(seats: &Arc<Seats>) -> std::io::Result<Self> {
        let (thread, nudges) = sync_channel(1);
        let copying = Arc::clone(seats);
        std::thread::Builder::new()
            .name("interlock-copier".into())
            .spawn(move || serve(&copying, &nudges))?;
        Ok(Self { seats: Arc::clone(seats), thread, asked_at: 0 })
    }

    /// Before something is added to the log: whether it may be. At its limit the writer copies it first; only somebody who
    /// reads for long, which no server of ours does, lets it grow beyond.
    pub(crate) fn room(&self, writer: &Connection) -> Result<(), StoreError> {
        self.seats.log.trusted()?;
        if !self.seats.log.is_full() {
            return Ok(());
        }
        let copied = self.turn(writer);
        self.seats.log.note(&copied.clone().map(|_| ()));
        copied.map(|_| ())
    }

    /// After a commit: let the log begin anew when its time has come, or have it copied when there is enough to copy.
    pub(crate) fn committed(&mut self, writer: &Connection) {
        let log = &self.seats.log;
        let pages = log.pages();
        if log.is_due() && pages < log.limits.anew {
            // The last pass had the moment by itself.
            log.set_due(false);
        }
        if log.is_due() {
            let copied = self.turn(writer);
            if matches!(copied, Ok(false)) && log.is_full() {
                tracing::warn!(pages, "database.log_is_read");
            }
            log.note(&copied.map(|_| ()));
        }
        if pages < self.asked_at {
            self.asked_at = 0;
        }
        if pages - self.asked_at >= log.limits.copied {
            self.asked_at = pages;
            // One that is asked already, or has just gone, needs no second word.
            _ = self.thread.try_send(());
        }
    }

    /// The writer's turn.
    fn turn(&self, writer: &Connection) -> Result<bool, StoreError> {
        writer.busy_timeout(READERS_PATIENCE).map_err(|error| store(&error))?;
        let began = self.seats.begin_anew(writer, "RESTART");
        writer.busy_timeout(open::PATIENCE).map_err(|error| store(&error))?;
        began
    }

    /// Move all of the log into the file.
    pub(crate) fn fold(&self, writer: &Connection) -> Result<(), StoreError> {
        if self.seats.begin_anew(writer, "TRUNCATE")? {
            return Ok(());
        }
        Err(StoreError::Unavailable("the database is in use".into()))
    }
}

fn serve(seats: &Seats, nudges: &Receiver<()>) {
    while nudges.recv().is_ok() {
        if seats.log.is_due() {
            continue;
        }
        let copied = seats.pass();
        seats.log.note(&copied);
        seats.settle();
    }
}

/// What a checkpoint did.
struct Checkpoint {
    /// Somebody was in the way.
    is_busy: bool,
    /// Pages of the log that are in the file now.
    copied: u32,
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Checkpoint, StoreError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let read = |row: &rusqlite::Row<'_>| {
        let copied: i64 = row.get(2)?;
        Ok(Checkpoint { is_busy: row.get(0)?, copied: u32::try_from(copied).unwrap_or_default() })
    };
    connection.query_row(&sql, [], read).map_err(|error| store(&error))
}

fn handle(path: &Path) -> Result<File, StoreError> {
    File::open(path).map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))
}
