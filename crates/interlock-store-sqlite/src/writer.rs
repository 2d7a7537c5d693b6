//! The writer thread: all changes, one transaction for what is waiting, one sync for all of it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::SystemTime;

use interlock_core::denial::Denial;
use interlock_core::id::WorkspaceId;
use interlock_core::{Hybrid, Timestamp};
use interlock_ledger::{Hash, Tile, Tree};
use interlock_store::{BatchWork, Committed, Head, Step, StoreError, Workspace};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::copier::{Copier, Seats};
use crate::error::{corrupt, store};
use crate::load::{load, one};
use crate::log::Log;

/// Batches of different workspaces that share one sync.
const SHARED_MAX: usize = 64;

/// What comes back from a batch.
pub(crate) type Done = (Box<dyn BatchWork>, Result<Committed, StoreError>);

/// What the writer is asked.
pub(crate) enum Ask {
    /// A batch of a workspace.
    Batch(WorkspaceId, Box<dyn BatchWork>, oneshot::Sender<Done>),
    /// Make a workspace.
    Create(Workspace, oneshot::Sender<Result<(), StoreError>>),
    /// Take entries into the index of words.
    Index(WorkspaceId, interlock_store::IndexFill, oneshot::Sender<Result<(), StoreError>>),
    /// Add denials, and keep so many.
    Denials(WorkspaceId, Vec<Denial>, u32, oneshot::Sender<Result<(), StoreError>>),
    /// Whether it can write.
    Ping(oneshot::Sender<Result<(), StoreError>>),
    /// Move the write-ahead log into the file.
    Fold(oneshot::Sender<Result<(), StoreError>>),
}

/// Start the thread; it ends when the sender is dropped.
pub(crate) fn spawn(seats: &Arc<Seats>) -> std::io::Result<Sender<Ask>> {
    let (sender, receiver) = channel();
    let writer = Writer { seats: Arc::clone(seats), copier: Copier::spawn(seats)? };
    std::thread::Builder::new().name("interlock-writer".into()).spawn(move || writer.serve(&receiver))?;
    Ok(sender)
}

struct Writer {
    seats: Arc<Seats>,
    copier: Copier,
}

impl Writer {
    fn serve(mut self, receiver: &Receiver<Ask>) {
        while let Ok(first) = receiver.recv() {
            let mut batches = Vec::new();
            let mut next = Some(first);
            while let Some(ask) = next {
                match ask {
                    Ask::Batch(ws, work, reply) => batches.push((ws, work, reply)),
                    other => self.answer(other),
                }
                next = if batches.len() < SHARED_MAX { receiver.try_recv().ok() } else { None };
            }
            if !batches.is_empty() {
                self.commit(batches);
            }
        }
    }

    /// What is no batch. Whoever asked may have gone away; then nobody needs the answer.
    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Batch(ws, work, reply) => self.commit(vec![(ws, work, reply)]),
            Ask::Create(workspace, reply) => drop(reply.send(self.write(|c| create(c, &workspace)))),
            Ask::Index(ws, fill, reply) => {
                let fill = self.write(|c| alone(c, ws, |pk| crate::search::fill(c, pk, &fill)));
                drop(reply.send(fill));
            }
            Ask::Denials(ws, denials, kept, reply) => {
                let added = self.write(|c| alone(c, ws, |pk| crate::denial::add(c, pk, &denials, kept)));
                drop(reply.send(added));
            }
            Ask::Ping(reply) => drop(reply.send(self.write(ping))),
            Ask::Fold(reply) => drop(reply.send(self.seats.writer.with(|c| self.copier.fold(c)))),
        }
    }

    /// A transaction of its own, when the log has room for it.
    fn write(&mut self, write: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.seats.settle();
        let mut seat = self.seats.writer.take();
        let connection = seat.connection()?;
        self.copier.room(connection)?;
        let written = write(connection);
        self.copier.committed(connection);
        written
    }

    /// Batches that wait, under one sync.
    fn commit(&mut self, batches: Vec<Waiting>) {
        self.seats.settle();
        let mut seat = self.seats.writer.take();
        let ready = seat.connection().and_then(|connection| {
            self.copier.room(connection)?;
            Ok(connection)
        });
        match ready {
            Ok(connection) => {
                together(connection, &self.seats.log, batches);
                self.copier.committed(connection);
            }
            Err(error) => {
                for (_, work, reply) in batches {
                    drop(reply.send((work, Err(error.clone()))));
                }
            }
        }
    }
}

type Waiting = (WorkspaceId, Box<dyn BatchWork>, oneshot::Sender<Done>);

/// Several batches under one sync, each in its own savepoint, so that one that fails leaves the others alone. A batch
/// on its own needs none: it is the whole transaction.
fn together(connection: &Connection, log: &Log, batches: Vec<Waiting>) {
    let mut done = Vec::with_capacity(batches.len());
    let mut begun = execute(connection, "BEGIN IMMEDIATE");
    let mut wrote = false;
    let run = if batches.len() == 1 { batch } else { savepoint };
    for (ws, mut work, reply) in batches {
        let result = begun.clone().and_then(|()| run(connection, ws, work.as_mut()));
        wrote |= matches!(result, Ok((_, true)));
        if let (Ok(()), Err(error), true) = (&begun, &result, connection.is_autocommit()) {
            // A full disk may end the whole transaction: then nothing of it is there, and a savepoint of the next
            // batch would be a transaction of its own.
            begun = Err(error.clone());
        }
        done.push((work, result.map(|(committed, _)| committed), reply));
    }
    // What was read for them may have been read from pages that a failed sync has lost.
    let trusted = begun.and_then(|()| log.trusted());
    let ended = match (&trusted, wrote) {
        (Err(error), _) => Err(error.clone()),
        (Ok(()), true) => execute(connection, "COMMIT"),
        (Ok(()), false) => execute(connection, "ROLLBACK"),
    };
    if ended.is_err() && !connection.is_autocommit() {
        // The refusal below is what callers hear; the next transaction must begin clean.
        drop(execute(connection, "ROLLBACK"));
    }
    for (work, result, reply) in done {
        let result = result.and_then(|committed| ended.clone().map(|()| committed));
        drop(reply.send((work, result)));
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    statement.execute([]).map(|_| ()).map_err(|e| store(&e))
}

fn savepoint(
    connection: &Connection,
    ws: WorkspaceId,
    work: &mut dyn BatchWork,
) -> Result<(Committed, bool), StoreError> {
    execute(connection, "SAVEPOINT batch")?;
    let result = batch(connection, ws, work);
    if result.is_err() {
        if connection.is_autocommit() {
            return result;
        }
        execute(connection, "ROLLBACK TO batch")?;
    }
    execute(connection, "RELEASE batch")?;
    result
}

/// Load, decide, write. Says whether anything was written.
fn batch(
    connection: &Connection,
    ws: WorkspaceId,
    work: &mut dyn BatchWork,
) -> Result<(Committed, bool), StoreError> {
    let (pk, mut head) = head(connection, ws)?;
    let (keys, mut facts) = work.start();
    load(connection, pk, &keys, head.wall_now, &mut facts)?;
    if work.tree_size() != Some(head.size) {
        head.edge = Some(edge(connection, pk, head.size)?);
    }
    let mut step = work.decide(&mut facts, &head);
    if let Step::Load(keys) = &step {
        load(connection, pk, keys, head.wall_now, &mut facts)?;
        step = work.decide(&mut facts, &head);
    }
    match step {
        Step::Write(set) if set.is_empty() => Ok((Committed { size: head.size }, false)),
        Step::Write(set) => {
            crate::apply::apply(connection, pk, &set)?;
            let size = set.entries.last().map_or(head.size, |entry| entry.index + 1);
            Ok((Committed { size }, true))
        }
        Step::Abort(why) => Err(StoreError::Corrupt(why)),
        Step::Load(_) => Err(corrupt("-", "the work asked for facts twice")),
    }
}

fn head(connection: &Connection, ws: WorkspaceId) -> Result<(i64, Head), StoreError> {
    let sql = "SELECT pk, size, last_leaf, last_at, last_count, batch_id FROM workspace WHERE id = ?";
    let row = one(connection, sql, params![ws.to_bytes()], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            Head {
                size: row.get(1)?,
                last_leaf: Hash::from_bytes(row.get(2)?),
                last_at: Hybrid { at: Timestamp::from_millis(row.get(3)?), count: row.get(4)? },
                wall_now: wall_now(),
                batch_id: row.get(5)?,
                edge: None,
            },
        ))
    })?;
    row.ok_or(StoreError::NoWorkspace)
}

fn edge(connection: &Connection, ws: i64, size: u64) -> Result<Vec<Tile>, StoreError> {
    Tree::edge(size)
        .into_iter()
        .map(|at| {
            let hashes = crate::query::tile(connection, ws, at)?
                .ok_or_else(|| corrupt("ledger_tile", format!("tile {} is missing", at.path())))?;
            Ok(Tile { level: at.level, index: at.index, width: at.width, hashes })
        })
        .collect()
}

fn create(connection: &Connection, workspace: &Workspace) -> Result<(), StoreError> {
    let sql = "INSERT INTO workspace (id, origin) VALUES (?, ?) ON CONFLICT (id) DO NOTHING";
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    let values = params![workspace.workspace_id.to_bytes(), workspace.origin];
    statement.execute(values).map(|_| ()).map_err(|e| store(&e))
}

/// A transaction of its own: what is derived, or told beside the ledger, shall not take a batch down.
fn alone(
    connection: &Connection,
    ws: WorkspaceId,
    write: impl FnOnce(i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let written = crate::query::pk(connection, ws).and_then(write);
    let ended = written.and_then(|()| execute(connection, "COMMIT"));
    if ended.is_err() && !connection.is_autocommit() {
        // The refusal is what the caller hears; the next transaction must begin clean.
        drop(execute(connection, "ROLLBACK"));
    }
    ended
}

/// Takes the write lock and gives it back: fails when the file system refuses writes.
fn ping(connection: &Connection) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let read = one(connection, "SELECT count(*) FROM workspace", &[], |row| row.get::<_, i64>(0));
    execute(connection, "ROLLBACK")?;
    read.map(|_| ())
}

/// The wall clock, in the one place of this crate that reads it.
fn wall_now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
