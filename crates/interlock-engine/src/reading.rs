//! What those who follow a ledger read after a commit: read once, and shared between all of them.
//!
//! Whoever is woken by a commit asks for the same place. The first one reads, the others are given what it read. That
//! holds until the next commit is heard of, and for a second at most, so that what nobody tells of is found as before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, ThreadId, WorkspaceId};
use interlock_core::thread::Message;
use interlock_core::{Event, Refusal};
use interlock_store::Store;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::feed::{Next, Stretch};

/// What was read longer ago is read again, whatever was heard.
const FRESH: Duration = Duration::from_secs(1);
/// Places of one ledger for which what is read is shared; whoever reads elsewhere reads alone.
const PLACES_MAX: usize = 8;

type Members = Option<BTreeSet<AgentName>>;

/// A stretch of the ledger, and what its readers need besides: read after it, when somebody asks for the first time.
#[derive(Debug)]
pub struct Reading {
    /// The stretch.
    pub stretch: Stretch,
    workspace_id: WorkspaceId,
    threads: Mutex<BTreeMap<ThreadId, Arc<OnceCell<Members>>>>,
    messages: OnceCell<BTreeMap<MessageId, Message>>,
}

impl Reading {
    fn of(workspace_id: WorkspaceId, stretch: Stretch) -> Self {
        Self { stretch, workspace_id, threads: Mutex::default(), messages: OnceCell::new() }
    }

    /// Whether somebody takes part in a thread, not before the stretch was read.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn has_member(
        &self,
        store: &dyn Store,
        thread: ThreadId,
        name: &AgentName,
    ) -> Result<bool, Refusal> {
        let cell = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(threads.entry(thread).or_default())
        };
        let read = async || {
            let found = store.thread(self.workspace_id, thread).await;
            let found = found.map_err(|error| Engine::refusal(&error))?;
            Ok::<_, Refusal>(found.map(|thread| thread.members.into_keys().collect()))
        };
        let members = cell.get_or_try_init(read).await?;
        Ok(members.as_ref().is_some_and(|members| members.contains(name)))
    }

    /// The messages that the stretch posted: one read for each thread. Within a thread `seq` and position grow together,
    /// so that what lies between the first and the last was posted by events between theirs.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn messages(&self, store: &dyn Store) -> Result<&BTreeMap<MessageId, Message>, Refusal> {
        self.messages
            .get_or_try_init(async || read_messages(store, self.workspace_id, &self.stretch).await)
            .await
    }
}

async fn read_messages(
    store: &dyn Store,
    ws: WorkspaceId,
    stretch: &Stretch,
) -> Result<BTreeMap<MessageId, Message>, Refusal> {
    let mut ranges: BTreeMap<ThreadId, (u64, u64)> = BTreeMap::new();
    for one in &stretch.happened {
        if let Event::MessagePosted { thread_id, message, .. } = &one.event {
            let range = ranges.entry(*thread_id).or_insert((message.seq, message.seq));
            *range = (range.0.min(message.seq), range.1.max(message.seq));
        }
    }
    let mut found = BTreeMap::new();
    for (thread, (first, last)) in ranges {
        let count = u32::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(u32::MAX);
        let rows = store.messages(ws, thread, first.saturating_sub(1), count).await;
        let rows = rows.map_err(|error| Engine::refusal(&error))?;
        found.extend(rows.into_iter().map(|row| (row.message.head.message_id, row.message)));
    }
    Ok(found)
}

type Place = Arc<OnceCell<Arc<Reading>>>;

/// What was read of one ledger since the last commit that was heard of.
#[derive(Debug)]
struct Round {
    notes: u64,
    begun_at: Instant,
    places: BTreeMap<(u64, u32), Place>,
}

/// What was read of all ledgers.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<BTreeMap<WorkspaceId, Round>>);

impl Readings {
    /// Where what stands there is, or will be; nothing when too many places are shared already.
    fn place(&self, ws: WorkspaceId, next: Next, notes: u64) -> Option<Place> {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Round { notes, begun_at: Instant::now(), places: BTreeMap::new() };
        let round = rounds.entry(ws).or_insert_with(fresh);
        if round.notes != notes || round.begun_at.elapsed() > FRESH {
            *round = fresh();
        }
        let key = (next.index, next.skip);
        if round.places.len() >= PLACES_MAX && !round.places.contains_key(&key) {
            return None;
        }
        Some(Arc::clone(round.places.entry(key).or_default()))
    }

    /// What only those who are behind ask for is not kept for anybody.
    fn forget(&self, ws: WorkspaceId, next: Next) {
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(round) = rounds.get_mut(&ws) {
            round.places.remove(&(next.index, next.skip));
        }
    }
}

impl Engine {
    /// What happened from a place on, shared with whoever asks for the same between two commits. Whoever watches must
    /// have caught up before.
    ///
    /// # Errors
    /// As [`Engine::happened`].
    pub async fn reading(&self, ws: WorkspaceId, next: Next) -> Result<Arc<Reading>, Refusal> {
        let read = async || Ok::<_, Refusal>(Arc::new(Reading::of(ws, self.happened(ws, next).await?)));
        // Before reading: what is committed later begins a round of its own.
        let Some(place) = self.readings.place(ws, next, self.notifier.sent()) else { return read().await };
        let reading = Arc::clone(place.get_or_try_init(read).await?);
        if !reading.stretch.is_end {
            self.readings.forget(ws, next);
        }
        Ok(reading)
    }
}
