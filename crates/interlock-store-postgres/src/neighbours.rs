//! Telling the other servers of the database, and hearing them: NOTIFY and LISTEN, each on a connection of its own.
//!
//! A NOTIFY is a transaction and takes a lock that all of them share. It is therefore never part of a batch, and nobody
//! waits for its sync: what it says is durable already, and a word that is lost is made up for by looking.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use interlock_core::Timestamp;
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_store::{Heard, Neighbours, Order, StoreError, WORD_THREADS_MAX, Word};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::clock::{self, Clock};
use crate::error;
use crate::open::Way;
use crate::pool::in_time;
use crate::row::{bytes, get, number};

/// The channel. It belongs to the database, so that other databases of the server hear nothing.
const CHANNEL: &str = "interlock";
/// Words that wait to be taken; with more the connection is given up, and everything is looked at again.
const WORDS_MAX: usize = 4_096;
/// How often the ledgers are looked at, whatever was said.
const LOOK: Duration = Duration::from_secs(5);

type Sizes = BTreeMap<WorkspaceId, u64>;

/// The way to the other servers.
pub(crate) struct Circle {
    way: Way,
    clock: Clock,
    mouth: Mutex<Option<Client>>,
    ear: Mutex<Option<Ear>>,
}

impl Circle {
    pub(crate) fn new(way: Way, clock: Clock) -> Self {
        Self { way, clock, mouth: Mutex::default(), ear: Mutex::default() }
    }
}

#[async_trait]
impl Neighbours for Circle {
    async fn tell(&self, word: &Word) -> Result<(), StoreError> {
        let text = said(word)?;
        let mut mouth = self.mouth.lock().await;
        let client = match mouth.take() {
            Some(client) if !client.is_closed() => client,
            _ => in_time(speak(&self.way)).await?,
        };
        in_time(async {
            client
                .query("SELECT pg_notify($1, $2)", &[&CHANNEL, &text])
                .await
                .map_err(|error| error::store(&error))
        })
        .await?;
        // Kept only when it is sound.
        *mouth = Some(client);
        Ok(())
    }

    async fn hear(&self) -> Result<Heard, StoreError> {
        let mut ear = self.ear.lock().await;
        let Some(open) = ear.as_mut() else {
            *ear = Some(in_time(Ear::open(&self.way, self.clock.clone())).await?);
            return Ok(Heard::Anything);
        };
        let heard = open.next().await;
        if heard.is_err() {
            *ear = None;
        }
        heard
    }
}

/// A connection that says things.
async fn speak(way: &Way) -> Result<Client, StoreError> {
    let client = way.connect(None).await?;
    in_time(async {
        client.batch_execute("SET synchronous_commit = off").await.map_err(|error| error::store(&error))
    })
    .await?;
    Ok(client)
}

/// A connection that listens.
struct Ear {
    client: Client,
    clock: Clock,
    words: mpsc::Receiver<String>,
    /// How large each ledger was when it was last heard of, and when it was last looked at.
    heard: Sizes,
    seen: Sizes,
    look_at: Instant,
}

impl Ear {
    /// Listen first and look then: what happens in between is heard.
    async fn open(way: &Way, clock: Clock) -> Result<Self, StoreError> {
        let (sender, words) = mpsc::channel(WORDS_MAX);
        let client = way.connect(Some(sender)).await?;
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await.map_err(|error| error::store(&error))?;
        let look_at = Instant::now() + LOOK;
        let mut ear = Self { client, clock, words, heard: Sizes::new(), seen: Sizes::new(), look_at };
        ear.seen = ear.look().await?;
        ear.heard.clone_from(&ear.seen);
        Ok(ear)
    }

    /// The ledgers' sizes, and what time it is: a server that only reads must know it too.
    async fn look(&self) -> Result<Sizes, StoreError> {
        let asked = clock::here();
        let rows = self.client.query(&format!("SELECT id, size, {} FROM workspace", clock::NOW), &[]).await;
        let rows = rows.map_err(|error| error::store(&error))?;
        if let Some(row) = rows.first() {
            self.clock.hear(asked, Timestamp::from_millis(get(row, 2)?));
        }
        rows.iter()
            .map(|row| Ok((WorkspaceId::from_u128(u128::from_be_bytes(bytes(row, 0)?)), number(row, 1)?)))
            .collect()
    }

    async fn next(&mut self) -> Result<Heard, StoreError> {
        loop {
            match tokio::time::timeout_at(self.look_at, self.words.recv()).await {
                Ok(Some(text)) => {
                    let heard = understood(&text);
                    if let Heard::Word(word) = &heard {
                        let size = self.heard.entry(word.workspace_id).or_default();
                        *size = word.size.max(*size);
                    }
                    return Ok(heard);
                }
                Ok(None) => {
                    return Err(StoreError::Unavailable("the connection that listens has ended".into()));
                }
                Err(_) if self.has_missed().await? => return Ok(Heard::Anything),
                Err(_) => {}
            }
        }
    }

    /// Whether a ledger had grown by the last look, and no word of it has come since: whoever committed ended before it
    /// said so.
    async fn has_missed(&mut self) -> Result<bool, StoreError> {
        self.look_at = Instant::now() + LOOK;
        let sizes = in_time(self.look()).await?;
        let missed = self.seen.iter().any(|(id, size)| self.heard.get(id).is_none_or(|heard| heard < size));
        if missed {
            self.heard.clone_from(&sizes);
        }
        self.seen = sizes;
        Ok(missed)
    }
}

/// A word as it goes through the channel.
#[expect(clippy::struct_excessive_bools, reason = "what servers of an earlier version say and understand")]
#[derive(serde::Serialize, serde::Deserialize)]
struct Wire {
    from: u64,
    workspace_id: WorkspaceId,
    size: u64,
    threads: Option<BTreeSet<ThreadId>>,
    supervisors: bool,
    /// Absent in the word of a server that knows no jobs.
    #[serde(default)]
    workers: bool,
    halt: bool,
    /// Absent in what servers of an earlier version say.
    #[serde(default)]
    resume: bool,
}

fn said(word: &Word) -> Result<String, StoreError> {
    let Word { from, workspace_id, size, threads, supervisors, workers, order } = word.clone();
    let threads = threads.filter(|threads| threads.len() <= WORD_THREADS_MAX);
    let (halt, resume) = (order == Order::Halt, order == Order::Resume);
    error::text("-", &Wire { from, workspace_id, size, threads, supervisors, workers, halt, resume })
}

/// What this build does not understand, another one said of something.
fn understood(text: &str) -> Heard {
    serde_json::from_str(text).map_or(Heard::Anything, |wire| {
        let Wire { from, workspace_id, size, threads, supervisors, workers, halt, resume } = wire;
        let order = match (halt, resume) {
            (true, _) => Order::Halt,
            (false, true) => Order::Resume,
            (false, false) => Order::None,
        };
        Heard::Word(Word { from, workspace_id, size, threads, supervisors, workers, order })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(threads: u128) -> Word {
        let threads = (0..threads).map(ThreadId::from_u128).collect();
        let workspace_id = WorkspaceId::from_u128(7);
        Word {
            from: u64::MAX,
            workspace_id,
            size: 9,
            threads: Some(threads),
            supervisors: true,
            workers: true,
            order: Order::Resume,
        }
    }

    #[test]
    fn a_word_is_understood_as_it_was_said() {
        let text = said(&word(200)).unwrap();
        assert!(text.len() < 8_000, "{} bytes", text.len());
        assert_eq!(understood(&text), Heard::Word(word(200)));
    }

    #[test]
    fn too_many_threads_are_not_named() {
        let text = said(&word(201)).unwrap();
        assert_eq!(understood(&text), Heard::Word(Word { threads: None, ..word(0) }));
        assert_eq!(understood("something else"), Heard::Anything);
    }
}
