//! The anchors of `interlock bench messaging`: what the same database gives those who do no more than they must.
//!
//! One is a bare group commit: one table with the columns a message cannot do without, one connection, one statement for
//! everything that waits. The other is a queue as it is commonly made of a table: send, read with SKIP LOCKED, delete. Both
//! live in a schema of their own, which goes away with them.

use deadpool_postgres::Pool;
use interlock_store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::Options;
use crate::open::Way;
use crate::pool::{Line, in_time};
use crate::row::get;

/// Rows that share one commit.
const SHARED_MAX: usize = 512;
/// Looks for a message that others may have taken meanwhile.
const LOOKS_MAX: usize = 1_000;

type Reply = oneshot::Sender<Result<u64, StoreError>>;

struct Row {
    key: String,
    body: String,
    reply: Reply,
}

/// Both anchors.
pub struct Anchors {
    pool: Pool,
    sender: mpsc::UnboundedSender<Row>,
    schema: String,
    queue: Queue,
}

/// The statements of the queue.
struct Queue {
    send: String,
    read: String,
    delete: String,
}

impl Anchors {
    /// Make their tables in a schema of this name.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached or the schema is there already.
    pub async fn open(options: &Options, schema: &str) -> Result<Self, StoreError> {
        let pool = Way::of(options)?.pool(options.connections)?;
        let line = Line::take(&pool).await?;
        in_time(line.plain(&format!(
            "CREATE SCHEMA {schema};
             CREATE TABLE {schema}.message (pk BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thread BIGINT NOT NULL,
             seq BIGINT NOT NULL, idem TEXT NOT NULL UNIQUE, body TEXT NOT NULL, UNIQUE (thread, seq));
             CREATE TABLE {schema}.queue (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             visible_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), reads BIGINT NOT NULL DEFAULT 0,
             body TEXT NOT NULL);"
        )))
        .await?;
        let (sender, queue) = mpsc::unbounded_channel();
        let insert = format!(
            "INSERT INTO {schema}.message (thread, seq, idem, body)
             SELECT 1, * FROM unnest($1::bigint[], $2::text[], $3::text[])"
        );
        tokio::spawn(serve(line, insert, queue));
        Ok(Self { pool, sender, schema: schema.to_owned(), queue: Queue::of(schema) })
    }

    /// Whether the database waits for its disk before it says that something is kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn is_synced(&self) -> Result<bool, StoreError> {
        let line = Line::take(&self.pool).await?;
        let row = line.one("SELECT current_setting('fsync') = 'on'", &[]).await?;
        line.give_back();
        row.map_or(Ok(false), |row| get(&row, 0))
    }

    /// Write a row and wait until it is committed; gives its place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be written.
    pub async fn write(&self, key: String, body: String) -> Result<u64, StoreError> {
        let ended = || StoreError::Unavailable("the anchor's writer has ended".into());
        let (reply, answer) = oneshot::channel();
        self.sender.send(Row { key, body, reply }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Send a message through the queue, read one, and delete it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn cycle(&self, body: &str) -> Result<(), StoreError> {
        let line = Line::take(&self.pool).await?;
        line.all(&self.queue.send, &[&body]).await?;
        for _ in 0..LOOKS_MAX {
            if let Some(row) = line.one(&self.queue.read, &[]).await? {
                let id: i64 = get(&row, 0)?;
                line.all(&self.queue.delete, &[&id]).await?;
                line.give_back();
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("a message that was sent is not found in the queue".into()))
    }

    /// Take the tables away.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) -> Result<(), StoreError> {
        let line = Line::take(&self.pool).await?;
        in_time(line.plain(&format!("DROP SCHEMA {} CASCADE", self.schema))).await?;
        line.give_back();
        Ok(())
    }
}

impl Queue {
    fn of(schema: &str) -> Self {
        Self {
            send: format!("INSERT INTO {schema}.queue (body) VALUES ($1)"),
            read: format!(
                "UPDATE {schema}.queue SET visible_at = clock_timestamp() + interval '30 s', reads = reads + 1
                 WHERE id = (SELECT id FROM {schema}.queue WHERE visible_at <= clock_timestamp() ORDER BY id
                 LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, body"
            ),
            delete: format!("DELETE FROM {schema}.queue WHERE id = $1"),
        }
    }
}

async fn serve(line: Line, insert: String, mut queue: mpsc::UnboundedReceiver<Row>) {
    let (mut waiting, mut written) = (Vec::with_capacity(SHARED_MAX), 0_u64);
    while queue.recv_many(&mut waiting, SHARED_MAX).await > 0 {
        let (mut seqs, mut keys, mut bodies, mut replies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (seq, Row { key, body, reply }) in (written..).zip(waiting.drain(..)) {
            seqs.push(crate::row::signed(seq));
            keys.push(key);
            bodies.push(body);
            replies.push((reply, seq));
        }
        written = written.saturating_add(u64::try_from(replies.len()).unwrap_or_default());
        let result = in_time(line.all(&insert, &[&seqs, &keys, &bodies])).await.map(|_| ());
        for (reply, seq) in replies {
            // The bench may have ended; then nobody waits.
            drop(reply.send(result.clone().map(|()| seq)));
        }
    }
}
