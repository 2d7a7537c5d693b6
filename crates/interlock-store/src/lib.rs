//! What Interlock asks of storage: one write verb and plain reads; two databases answer alike.
//!
//! Storage carries no rules. A batch loads the rows that commands declare, hands them to the work, and
//! writes exactly the rows that come back, with the ledger entries they follow from, in one transaction.
//! Deliberately absent: SQL, decisions, retries.
//!
//! To add a row kind: a variant of `RowChange` and a `Key` in core, a table in each store's migrations, an
//! arm in each store's `apply` and `load`, a case in the conformance suite.

pub mod archive;
mod error;
mod index;
mod neighbours;
mod query;
mod search;
mod work;

pub use error::StoreError;
pub use index::{IndexFill, IndexMark, IndexPage, IndexQuery, fill_index, posted_in};
pub use neighbours::{Heard, Neighbours, Order, WORD_THREADS_MAX, Word};
pub use query::{
    AgentWakes, Counts, DenialFilter, EntryRow, InboxRow, JobCounts, JobFilter, LedgerHead, Page,
    SnapshotFilter, StoredMessage, ThreadFilter, TimelineRow, WakeFilter, WriteAhead,
};
pub use search::{Found, Search, search};
pub use work::{BatchWork, Committed, Head, NewEntry, Step, Trips, WriteSet};

use async_trait::async_trait;
use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::denial::Denial;
use interlock_core::id::{DenialId, JobId, MessageId, SnapshotId, ThreadId, WakeId, WorkspaceId};
use interlock_core::job::Job;
use interlock_core::session::Session;
use interlock_core::snapshot::Snapshot;
use interlock_core::thread::{Answer, Finding, Thread};
use interlock_core::wake::{Halt, Supervisor, Wake};
use interlock_core::webhook::Webhook;
use interlock_ledger::TileAt;

/// A workspace as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub workspace_id: WorkspaceId,
    /// The origin line of its ledger's checkpoints.
    pub origin: String,
}

/// The store: what both databases implement.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Make a workspace; the same one again is no change.
    async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError>;

    /// A workspace by id.
    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError>;

    /// Load, decide and write in one short transaction. The work comes back with its replies inside; they may be
    /// given to callers only when the result is `Ok`.
    async fn batch(
        &self,
        ws: WorkspaceId,
        work: Box<dyn BatchWork>,
    ) -> (Box<dyn BatchWork>, Result<Committed, StoreError>);

    /// A real query: whether the store can be read and written now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The log that is written ahead of the file; nothing where the database keeps it to itself.
    fn write_ahead(&self) -> Option<WriteAhead> {
        None
    }

    /// By how many milliseconds the clock that decides is ahead of this machine's, as far as it is known now: nothing where
    /// it is this machine's own.
    fn ahead_ms(&self) -> i64 {
        0
    }

    /// Batches so far by what they cost, where that differs.
    fn trips(&self) -> Option<Trips> {
        None
    }

    /// One thread.
    async fn thread(&self, ws: WorkspaceId, id: ThreadId) -> Result<Option<Thread>, StoreError>;

    /// Threads, newest first.
    async fn threads(
        &self,
        ws: WorkspaceId,
        filter: ThreadFilter,
        page: Page<ThreadId>,
    ) -> Result<Vec<Thread>, StoreError>;

    /// The findings of a thread, in the order of their reports.
    async fn findings(&self, ws: WorkspaceId, thread: ThreadId) -> Result<Vec<Finding>, StoreError>;

    /// Messages of a thread after a `seq`, in order.
    async fn messages(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError>;

    /// One message of a thread by its id.
    async fn message(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, StoreError>;

    /// What each of these agents first posted in answer to a message, or as following from it; in the order of names.
    async fn answers(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        to: MessageId,
        by: Vec<AgentName>,
    ) -> Result<Vec<Answer>, StoreError>;

    /// Who stopped all agents; nothing while they are not stopped.
    async fn halt(&self, ws: WorkspaceId) -> Result<Option<Halt>, StoreError>;

    /// What happened in a thread after a position, messages included, in the ledger's order.
    async fn timeline(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, StoreError>;

    /// The threads an agent takes part in whose last message is beyond its cursor, newest first, at most 200.
    async fn inbox(&self, ws: WorkspaceId, agent: AgentName) -> Result<Vec<InboxRow>, StoreError>;

    /// One agent.
    async fn agent(&self, ws: WorkspaceId, name: AgentName) -> Result<Option<Agent>, StoreError>;

    /// Agents by name.
    async fn agents(&self, ws: WorkspaceId, page: Page<AgentName>) -> Result<Vec<Agent>, StoreError>;

    /// One wake.
    async fn wake(&self, ws: WorkspaceId, id: WakeId) -> Result<Option<Wake>, StoreError>;

    /// Wakes, newest first.
    async fn wakes(
        &self,
        ws: WorkspaceId,
        filter: WakeFilter,
        page: Page<WakeId>,
    ) -> Result<Vec<Wake>, StoreError>;

    /// What says what each of these agents does now, in the order they are named.
    async fn agent_wakes(
        &self,
        ws: WorkspaceId,
        agents: Vec<AgentName>,
    ) -> Result<Vec<AgentWakes>, StoreError>;

    /// When the first pending wake that is not held falls due after this time.
    async fn next_due(&self, ws: WorkspaceId, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// The sessions of these agents, as they were last heard of.
    async fn sessions(&self, ws: WorkspaceId, agents: Vec<AgentName>) -> Result<Vec<Session>, StoreError>;

    /// What was last heard of supervisors, by name.
    async fn supervisors(&self, ws: WorkspaceId) -> Result<Vec<Supervisor>, StoreError>;

    /// One job.
    async fn job(&self, ws: WorkspaceId, id: JobId) -> Result<Option<Job>, StoreError>;

    /// Jobs, newest first.
    async fn jobs(
        &self,
        ws: WorkspaceId,
        filter: JobFilter,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, StoreError>;

    /// All webhooks, oldest first; there are few.
    async fn webhooks(&self, ws: WorkspaceId) -> Result<Vec<Webhook>, StoreError>;

    /// When the next job is to be run or taken from a silent worker; in the past when that is overdue.
    async fn next_job(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, StoreError>;

    /// Jobs by state, and when the first of those that wait is due.
    async fn job_counts(&self, ws: WorkspaceId) -> Result<JobCounts, StoreError>;

    /// Add denials, each once however often it is added, and forget all but the newest so many. A transaction of its own,
    /// beside the batches.
    async fn add_denials(&self, ws: WorkspaceId, denials: Vec<Denial>, kept: u32) -> Result<(), StoreError>;

    /// Denials, newest first.
    async fn denials(
        &self,
        ws: WorkspaceId,
        filter: DenialFilter,
        page: Page<DenialId>,
    ) -> Result<Vec<Denial>, StoreError>;

    /// One snapshot.
    async fn snapshot(&self, ws: WorkspaceId, id: SnapshotId) -> Result<Option<Snapshot>, StoreError>;

    /// Snapshots, newest first.
    async fn snapshots(
        &self,
        ws: WorkspaceId,
        filter: SnapshotFilter,
        page: Page<SnapshotId>,
    ) -> Result<Vec<Snapshot>, StoreError>;

    /// Threads by status and wakes by state.
    async fn counts(&self, ws: WorkspaceId) -> Result<Counts, StoreError>;

    /// The ledger's size and newest checkpoint.
    async fn ledger_head(&self, ws: WorkspaceId) -> Result<LedgerHead, StoreError>;

    /// Ledger entries from an index on.
    async fn entries(&self, ws: WorkspaceId, first: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError>;

    /// One tile of the ledger, cut to the wanted width; `None` when it is not there.
    async fn tile(&self, ws: WorkspaceId, at: TileAt) -> Result<Option<Vec<u8>>, StoreError>;

    /// The messages that these ledger entries posted, in the ledger's order.
    async fn posted_by(&self, ws: WorkspaceId, entries: Vec<u64>) -> Result<Vec<StoredMessage>, StoreError>;

    /// How far the index of words goes. One of another version goes nowhere.
    async fn index_mark(&self, ws: WorkspaceId, version: u32) -> Result<IndexMark, StoreError>;

    /// Ledger entries below the mark that the index proposes, newest first: all that hold the terms, and maybe others.
    async fn index_page(&self, ws: WorkspaceId, query: IndexQuery) -> Result<IndexPage, StoreError>;

    /// Take further entries into the index; no change when it does not end where they begin. The first ones of another
    /// version put it in the place of one before; a later one's index stays.
    async fn fill_index(&self, ws: WorkspaceId, fill: IndexFill) -> Result<(), StoreError>;

    /// Every projected row as text lines in a fixed order: two stores that were given the same commands give
    /// the same dump. For tests and `doctor`.
    async fn dump(&self, ws: WorkspaceId) -> Result<Vec<String>, StoreError>;
}
