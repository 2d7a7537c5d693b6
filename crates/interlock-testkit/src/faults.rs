//! A store that fails when told to, can be held up, and counts what it is asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::denial::Denial;
use interlock_core::facts::Key;
use interlock_core::id::{DenialId, JobId, MessageId, SnapshotId, ThreadId, WakeId, WorkspaceId};
use interlock_core::job::Job;
use interlock_core::session::Session;
use interlock_core::snapshot::Snapshot;
use interlock_core::thread::{Answer, Finding, Thread};
use interlock_core::wake::{Halt, Supervisor, Wake};
use interlock_core::webhook::Webhook;
use interlock_ledger::TileAt;
use interlock_store::{
    AgentWakes, BatchWork, Committed, Counts, DenialFilter, EntryRow, InboxRow, IndexFill, IndexMark,
    IndexPage, IndexQuery, JobCounts, JobFilter, LedgerHead, Page, SnapshotFilter, Store, StoreError,
    StoredMessage, ThreadFilter, TimelineRow, Trips, WakeFilter, Workspace, WriteAhead,
};
use tokio::sync::{RwLock, RwLockWriteGuard, watch};

/// Where a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Before anything was done.
    Before,
    /// After it was done: the outcome is lost.
    After,
}

/// A store over another one, with faults.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    down: AtomicBool,
    calls: AtomicU64,
    fault: Mutex<Option<(u64, Fault)>>,
    refused: Mutex<Option<(Key, StoreError)>>,
    tree_sizes: Mutex<VecDeque<Option<u64>>>,
    gate: RwLock<()>,
    batches: watch::Sender<u64>,
    reads: watch::Sender<u64>,
    searches: watch::Sender<u64>,
}

impl FaultyStore {
    /// No faults yet.
    pub fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            down: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            fault: Mutex::default(),
            refused: Mutex::default(),
            tree_sizes: Mutex::default(),
            gate: RwLock::default(),
            batches: watch::Sender::new(0),
            reads: watch::Sender::new(0),
            searches: watch::Sender::new(0),
        })
    }

    /// Every call fails from now on, or none does.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// The `n`th call from now fails, counted from 1.
    pub fn fail_call(&self, n: u64, fault: Fault) {
        let at = self.calls.load(Ordering::SeqCst) + n;
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, fault));
    }

    /// Whether the failing call has not come yet.
    pub fn is_fault_ahead(&self) -> bool {
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.is_some_and(|(at, _)| at > self.calls.load(Ordering::SeqCst))
    }

    /// Every batch that asks for this key fails so.
    pub fn refuse(&self, key: Key, error: StoreError) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, error));
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.set_down(false);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Batches wait while this is held.
    pub async fn hold_batches(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// Batches begun so far, those that wait or failed included.
    pub fn batches(&self) -> u64 {
        *self.batches.borrow()
    }

    /// Reads ended so far.
    pub fn reads(&self) -> u64 {
        *self.reads.borrow()
    }

    /// Wait until so many batches have begun.
    pub async fn batches_reach(&self, count: u64) {
        reach(&self.batches, count).await;
    }

    /// Wait until so many reads have ended.
    pub async fn reads_reach(&self, count: u64) {
        reach(&self.reads, count).await;
    }

    /// Wait until so often the messages of some entries were read, as searches do.
    pub async fn searches_reach(&self, count: u64) {
        reach(&self.searches, count).await;
    }

    /// The tree sizes that the batches knew, in order.
    pub fn tree_sizes(&self) -> Vec<Option<u64>> {
        self.tree_sizes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Whether this call fails, and where.
    fn fault(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.down.load(Ordering::SeqCst) {
            return Some(Fault::Before);
        }
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.filter(|(at, _)| *at == call).map(|(_, fault)| fault)
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let result = match self.fault() {
            Some(Fault::Before) => Err(failed()),
            Some(Fault::After) => call.await.and(Err(failed())),
            None => call.await,
        };
        self.reads.send_modify(|reads| *reads += 1);
        result
    }

    async fn unless_down<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(failed()) } else { call.await }
    }

    fn refusal(&self, work: &mut dyn BatchWork) -> Option<StoreError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, error) = refused.as_ref()?;
        work.start().0.contains(key).then(|| error.clone())
    }
}

async fn reach(counter: &watch::Sender<u64>, count: u64) {
    // The sender lives as long as the store does.
    drop(counter.subscribe().wait_for(|now| *now >= count).await);
}

fn failed() -> StoreError {
    StoreError::Unavailable("made to fail".into())
}

#[async_trait]
impl Store for FaultyStore {
    async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError> {
        self.inner.create_workspace(workspace).await
    }

    async fn batch(
        &self,
        ws: WorkspaceId,
        mut work: Box<dyn BatchWork>,
    ) -> (Box<dyn BatchWork>, Result<Committed, StoreError>) {
        let known = work.tree_size();
        self.tree_sizes.lock().unwrap_or_else(PoisonError::into_inner).push_back(known);
        self.batches.send_modify(|batches| *batches += 1);
        let _pass = self.gate.read().await;
        if let Some(error) = self.refusal(work.as_mut()) {
            return (work, Err(error));
        }
        match self.fault() {
            Some(Fault::Before) => (work, Err(failed())),
            Some(Fault::After) => {
                let (work, result) = self.inner.batch(ws, work).await;
                (work, result.and(Err(failed())))
            }
            None => self.inner.batch(ws, work).await,
        }
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        self.call(self.inner.workspace(id)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(self.inner.ping()).await
    }

    fn write_ahead(&self) -> Option<WriteAhead> {
        self.inner.write_ahead()
    }

    fn ahead_ms(&self) -> i64 {
        self.inner.ahead_ms()
    }

    fn trips(&self) -> Option<Trips> {
        self.inner.trips()
    }

    async fn thread(&self, ws: WorkspaceId, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.call(self.inner.thread(ws, id)).await
    }

    async fn threads(
        &self,
        ws: WorkspaceId,
        filter: ThreadFilter,
        page: Page<ThreadId>,
    ) -> Result<Vec<Thread>, StoreError> {
        self.call(self.inner.threads(ws, filter, page)).await
    }

    async fn findings(&self, ws: WorkspaceId, thread: ThreadId) -> Result<Vec<Finding>, StoreError> {
        self.call(self.inner.findings(ws, thread)).await
    }

    async fn message(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, StoreError> {
        self.call(self.inner.message(ws, thread, id)).await
    }

    async fn messages(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.call(self.inner.messages(ws, thread, after_seq, limit)).await
    }

    async fn answers(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        to: MessageId,
        by: Vec<AgentName>,
    ) -> Result<Vec<Answer>, StoreError> {
        self.call(self.inner.answers(ws, thread, to, by)).await
    }

    async fn halt(&self, ws: WorkspaceId) -> Result<Option<Halt>, StoreError> {
        self.call(self.inner.halt(ws)).await
    }

    async fn timeline(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, StoreError> {
        self.call(self.inner.timeline(ws, thread, after, limit)).await
    }

    async fn inbox(&self, ws: WorkspaceId, agent: AgentName) -> Result<Vec<InboxRow>, StoreError> {
        self.call(self.inner.inbox(ws, agent)).await
    }

    async fn agent(&self, ws: WorkspaceId, name: AgentName) -> Result<Option<Agent>, StoreError> {
        self.call(self.inner.agent(ws, name)).await
    }

    async fn agents(&self, ws: WorkspaceId, page: Page<AgentName>) -> Result<Vec<Agent>, StoreError> {
        self.call(self.inner.agents(ws, page)).await
    }

    async fn wake(&self, ws: WorkspaceId, id: WakeId) -> Result<Option<Wake>, StoreError> {
        self.call(self.inner.wake(ws, id)).await
    }

    async fn wakes(
        &self,
        ws: WorkspaceId,
        filter: WakeFilter,
        page: Page<WakeId>,
    ) -> Result<Vec<Wake>, StoreError> {
        self.call(self.inner.wakes(ws, filter, page)).await
    }

    async fn agent_wakes(
        &self,
        ws: WorkspaceId,
        agents: Vec<AgentName>,
    ) -> Result<Vec<AgentWakes>, StoreError> {
        self.call(self.inner.agent_wakes(ws, agents)).await
    }

    async fn next_due(&self, ws: WorkspaceId, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.call(self.inner.next_due(ws, after)).await
    }

    async fn sessions(&self, ws: WorkspaceId, agents: Vec<AgentName>) -> Result<Vec<Session>, StoreError> {
        self.call(self.inner.sessions(ws, agents)).await
    }

    async fn supervisors(&self, ws: WorkspaceId) -> Result<Vec<Supervisor>, StoreError> {
        self.call(self.inner.supervisors(ws)).await
    }

    async fn job(&self, ws: WorkspaceId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.call(self.inner.job(ws, id)).await
    }

    async fn jobs(
        &self,
        ws: WorkspaceId,
        filter: JobFilter,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, StoreError> {
        self.call(self.inner.jobs(ws, filter, page)).await
    }

    async fn webhooks(&self, ws: WorkspaceId) -> Result<Vec<Webhook>, StoreError> {
        self.call(self.inner.webhooks(ws)).await
    }

    async fn next_job(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, StoreError> {
        self.call(self.inner.next_job(ws)).await
    }

    async fn job_counts(&self, ws: WorkspaceId) -> Result<JobCounts, StoreError> {
        self.call(self.inner.job_counts(ws)).await
    }

    // Written in turns of its own, as the index of words is: neither counted nor chosen to fail.
    async fn add_denials(&self, ws: WorkspaceId, denials: Vec<Denial>, kept: u32) -> Result<(), StoreError> {
        let _pass = self.gate.read().await;
        self.unless_down(self.inner.add_denials(ws, denials, kept)).await
    }

    async fn denials(
        &self,
        ws: WorkspaceId,
        filter: DenialFilter,
        page: Page<DenialId>,
    ) -> Result<Vec<Denial>, StoreError> {
        self.call(self.inner.denials(ws, filter, page)).await
    }

    async fn snapshot(&self, ws: WorkspaceId, id: SnapshotId) -> Result<Option<Snapshot>, StoreError> {
        self.call(self.inner.snapshot(ws, id)).await
    }

    async fn snapshots(
        &self,
        ws: WorkspaceId,
        filter: SnapshotFilter,
        page: Page<SnapshotId>,
    ) -> Result<Vec<Snapshot>, StoreError> {
        self.call(self.inner.snapshots(ws, filter, page)).await
    }

    async fn counts(&self, ws: WorkspaceId) -> Result<Counts, StoreError> {
        self.call(self.inner.counts(ws)).await
    }

    async fn ledger_head(&self, ws: WorkspaceId) -> Result<LedgerHead, StoreError> {
        self.call(self.inner.ledger_head(ws)).await
    }

    async fn entries(&self, ws: WorkspaceId, first: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        self.call(self.inner.entries(ws, first, limit)).await
    }

    async fn tile(&self, ws: WorkspaceId, at: TileAt) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(self.inner.tile(ws, at)).await
    }

    // The index of words is derived, and filled in turns of its own: neither counted nor chosen to fail.
    async fn posted_by(&self, ws: WorkspaceId, entries: Vec<u64>) -> Result<Vec<StoredMessage>, StoreError> {
        let found = self.unless_down(self.inner.posted_by(ws, entries)).await;
        self.searches.send_modify(|searches| *searches += 1);
        found
    }

    async fn index_mark(&self, ws: WorkspaceId, version: u32) -> Result<IndexMark, StoreError> {
        self.unless_down(self.inner.index_mark(ws, version)).await
    }

    async fn index_page(&self, ws: WorkspaceId, query: IndexQuery) -> Result<IndexPage, StoreError> {
        self.unless_down(self.inner.index_page(ws, query)).await
    }

    async fn fill_index(&self, ws: WorkspaceId, fill: IndexFill) -> Result<(), StoreError> {
        self.unless_down(self.inner.fill_index(ws, fill)).await
    }

    async fn dump(&self, ws: WorkspaceId) -> Result<Vec<String>, StoreError> {
        self.call(self.inner.dump(ws)).await
    }
}
