//! The anchor of `interlock bench messaging`: a bare group-commit writer, as fast as SQLite is here.
//!
//! It exists so that a figure of ours is a ratio to what the same disk gave in the same minute. One table with the
//! columns a message cannot do without, one writer thread, one sync for everything that waits, prepared statements.
//! Deliberately absent: everything a product needs, rules, ledger, identities and HTTP.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use interlock_store::StoreError;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::error::store;

/// Rows that share one sync.
const SHARED_MAX: usize = 512;

const SCHEMA: &str =
    "CREATE TABLE message (pk INTEGER PRIMARY KEY, thread INTEGER NOT NULL, seq INTEGER NOT NULL,
    idem TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX message_by_seq ON message (thread, seq);";
const INSERT: &str = "INSERT INTO message (thread, seq, idem, body) VALUES (1, ?, ?, ?)";

type Reply = oneshot::Sender<Result<u64, StoreError>>;

struct Row {
    key: String,
    body: String,
    reply: Reply,
}

/// The writer; its thread ends with it.
#[derive(Debug)]
pub struct Anchor {
    sender: Sender<Row>,
}

impl Anchor {
    /// A writer on a new file in this folder, with the durability of the product: WAL and `synchronous=FULL`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be made.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let fail = |error: rusqlite::Error| store(&error);
        let connection = Connection::open(dir.join("anchor.db")).map_err(fail)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(fail)?;
        connection.pragma_update(None, "synchronous", 2).map_err(fail)?;
        connection.execute_batch(SCHEMA).map_err(fail)?;
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("anchor-writer".into())
            .spawn(move || serve(&connection, &receiver))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { sender })
    }

    /// Write a row and wait until it is synced; gives its place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be written.
    pub async fn write(&self, key: String, body: String) -> Result<u64, StoreError> {
        let ended = || StoreError::Unavailable("the anchor's writer has ended".into());
        let (reply, answer) = oneshot::channel();
        self.sender.send(Row { key, body, reply }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn serve(connection: &Connection, receiver: &Receiver<Row>) {
    let mut seq = 0;
    let mut done: Vec<(Reply, u64)> = Vec::with_capacity(SHARED_MAX);
    while let Ok(first) = receiver.recv() {
        let rows = std::iter::once(first).chain(receiver.try_iter()).take(SHARED_MAX);
        let result = commit(connection, rows, &mut seq, &mut done);
        for (reply, place) in done.drain(..) {
            // The bench may have ended; then nobody waits.
            drop(reply.send(result.clone().map(|()| place)));
        }
        if result.is_err() {
            return;
        }
    }
}

fn commit(
    connection: &Connection,
    rows: impl Iterator<Item = Row>,
    seq: &mut u64,
    done: &mut Vec<(Reply, u64)>,
) -> Result<(), StoreError> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    run("BEGIN IMMEDIATE").map_err(|error| store(&error))?;
    for Row { key, body, reply } in rows {
        *seq += 1;
        done.push((reply, *seq));
        let insert = || connection.prepare_cached(INSERT)?.execute(params![*seq, key, body]);
        insert().map_err(|error| store(&error))?;
    }
    run("COMMIT").map(|_| ()).map_err(|error| store(&error))
}
