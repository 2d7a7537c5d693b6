//! Shapes of plain reads.

use std::collections::BTreeMap;

use interlock_core::actor::AgentName;
use interlock_core::facts::Position;
use interlock_core::id::ThreadId;
use interlock_core::job::JobState;
use interlock_core::snapshot::Stage;
use interlock_core::thread::{Message, Status, Thread};
use interlock_core::wake::{Wake, WakeResult, WakeState};
use interlock_core::{Event, Timestamp};

/// Which rows of an ordered list: those after a key, so many at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// Go on after this key, in the list's order.
    pub after: Option<K>,
    /// Rows at most.
    pub limit: u32,
}

/// Which threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadFilter {
    /// With this status.
    pub status: Option<Status>,
    /// In which this agent takes part.
    pub member: Option<AgentName>,
}

/// Which wakes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WakeFilter {
    /// Of this thread.
    pub thread: Option<ThreadId>,
    /// Of this agent.
    pub agent: Option<AgentName>,
    /// In this state.
    pub state: Option<WakeState>,
    /// Not finished.
    pub is_live: bool,
    /// Which ended so.
    pub result: Option<WakeResult>,
    /// Which wait, are not held back and were due by then.
    pub due_by: Option<Timestamp>,
}

/// The wakes that say what an agent does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentWakes {
    /// The agent.
    pub agent: AgentName,
    /// The running one, else the first that is due and not held back, else the first that is held back.
    pub live: Option<Wake>,
    /// The last one that is over, by when it was asked for.
    pub last: Option<Wake>,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this kind.
    pub kind: Option<String>,
}

/// Which denials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenialFilter {
    /// Of the request with this id.
    pub request_id: Option<String>,
    /// Of this caller.
    pub actor: Option<AgentName>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Then or later.
    pub since: Option<Timestamp>,
}

/// Which snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Of this stage.
    pub stage: Option<Stage>,
}

/// A message with where it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The message.
    pub message: Message,
    /// The entry's index.
    pub index: u64,
    /// The event's number in the entry.
    pub n: u32,
}

/// One row of a thread's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineRow {
    /// A message.
    Message(StoredMessage),
    /// Anything else that happened.
    Event(Position, Event),
}

impl TimelineRow {
    /// Where it stands in the ledger.
    pub const fn position(&self) -> (u64, u32) {
        match self {
            Self::Message(stored) => (stored.index, stored.n),
            Self::Event(position, _) => (position.index, position.n),
        }
    }
}

/// A thread with something unread for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// The thread.
    pub thread: Thread,
    /// That participant's cursor.
    pub cursor: u64,
}

/// Rows by kind and state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Threads by status.
    pub threads: BTreeMap<String, u64>,
    /// Wakes by state, finished ones by result.
    pub wakes: BTreeMap<String, u64>,
}

/// The log that a store writes ahead of its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteAhead {
    /// Bytes in it after the last commit.
    pub bytes: u64,
    /// How often it was copied into the file.
    pub copies: u64,
    /// How often that failed.
    pub failures: u64,
}

/// How many jobs wait, are worked on and need a person, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Jobs by state; those that are done are not counted.
    pub states: BTreeMap<JobState, u64>,
    /// When the first of the queued jobs was due, or will be.
    pub first_due_at: Option<Timestamp>,
}

impl JobCounts {
    /// So many more.
    pub fn add(&mut self, other: Self) {
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
        self.first_due_at = [self.first_due_at, other.first_due_at].into_iter().flatten().min();
    }
}

/// The ledger as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerHead {
    /// Entries.
    pub size: u64,
    /// The newest signed checkpoint; `None` while the ledger is empty.
    pub checkpoint: Option<String>,
    /// The time of the last entry.
    pub last_at: Timestamp,
}

/// A ledger entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its index.
    pub index: u64,
    /// The canonical envelope.
    pub envelope: Vec<u8>,
}
