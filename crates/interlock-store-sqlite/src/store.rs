//! The store itself: verbs handed to the writer and the readers.

use std::sync::Arc;
use std::sync::mpsc::Sender;

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
use interlock_store::{
    AgentWakes, BatchWork, Committed, Counts, DenialFilter, EntryRow, InboxRow, IndexFill, IndexMark,
    IndexPage, IndexQuery, JobCounts, JobFilter, LedgerHead, Page, SnapshotFilter, Store, StoreError,
    StoredMessage, ThreadFilter, TimelineRow, WakeFilter, Workspace, WriteAhead,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::copier::Seats;
use crate::log::Log;
use crate::reader::Readers;
use crate::writer::Ask;
use crate::{Options, denial, job, load, open, query, search, session, snapshot, timeline, webhook, writer};

/// A store in one SQLite file. Whoever opens it for a server holds the instance's lock.
pub struct SqliteStore {
    writer: Sender<Ask>,
    readers: Readers,
    log: Arc<Log>,
}

impl SqliteStore {
    /// Open the file, made or migrated when needed.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::TooNew`], [`StoreError::Corrupt`] for files that are not ours,
    /// not yet ours, or broken; [`StoreError::Unavailable`] when the file cannot be used.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        let unavailable = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let seats = Arc::new(Seats::open(options)?);
        let log = Arc::clone(&seats.log);
        Ok(Self {
            writer: writer::spawn(&seats).map_err(unavailable)?,
            readers: Readers::spawn(&seats).map_err(unavailable)?,
            log,
        })
    }

    /// Move everything into the file itself, so that a copy of it alone is whole: for the end of a server.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when somebody still reads or the disk is full; nothing is lost then.
    pub async fn fold(&self) -> Result<(), StoreError> {
        self.ask(Ask::Fold).await?
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.writer.send(ask(sender)).map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())
    }

    async fn read<T: Send + 'static>(
        &self,
        ws: WorkspaceId,
        read: impl FnOnce(&Connection, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(move |c| open::snapshot(c, |c| read(c, query::pk(c, ws)?))).await
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the writer thread has ended".into())
}

/// Stands in for work that was lost with the writer thread.
struct Lost;

impl BatchWork for Lost {
    fn start(&mut self) -> (interlock_core::Keys, interlock_core::Facts) {
        Default::default()
    }
    fn tree_size(&self) -> Option<u64> {
        None
    }
    fn decide(&mut self, _: &mut interlock_core::Facts, _: &interlock_store::Head) -> interlock_store::Step {
        interlock_store::Step::Abort("lost".into())
    }
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError> {
        self.ask(|reply| Ask::Create(workspace, reply)).await?
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        self.readers.read(move |c| Ok(query::workspace(c, id)?.map(|(_, workspace)| workspace))).await
    }

    async fn batch(
        &self,
        ws: WorkspaceId,
        work: Box<dyn BatchWork>,
    ) -> (Box<dyn BatchWork>, Result<Committed, StoreError>) {
        match self.ask(|reply| Ask::Batch(ws, work, reply)).await {
            Ok(done) => done,
            Err(error) => (Box::new(Lost), Err(error)),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(Ask::Ping).await?
    }

    fn write_ahead(&self) -> Option<WriteAhead> {
        Some(self.log.counts())
    }

    async fn thread(&self, ws: WorkspaceId, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        self.read(ws, move |c, ws| load::thread(c, ws, id)).await
    }

    async fn threads(
        &self,
        ws: WorkspaceId,
        filter: ThreadFilter,
        page: Page<ThreadId>,
    ) -> Result<Vec<Thread>, StoreError> {
        self.read(ws, move |c, ws| query::threads(c, ws, &filter, &page)).await
    }

    async fn findings(&self, ws: WorkspaceId, thread: ThreadId) -> Result<Vec<Finding>, StoreError> {
        self.read(ws, move |c, ws| load::findings(c, ws, thread)).await
    }

    async fn message(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, StoreError> {
        self.read(ws, move |c, ws| query::message(c, ws, thread, id)).await
    }

    async fn messages(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        self.read(ws, move |c, ws| query::messages(c, ws, thread, after_seq, limit)).await
    }

    async fn answers(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        to: MessageId,
        by: Vec<AgentName>,
    ) -> Result<Vec<Answer>, StoreError> {
        self.read(ws, move |c, ws| query::answers(c, ws, thread, to, &by)).await
    }

    async fn halt(&self, ws: WorkspaceId) -> Result<Option<Halt>, StoreError> {
        self.read(ws, query::halt).await
    }

    async fn timeline(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, StoreError> {
        self.read(ws, move |c, ws| timeline::timeline(c, ws, thread, after, limit)).await
    }

    async fn inbox(&self, ws: WorkspaceId, agent: AgentName) -> Result<Vec<InboxRow>, StoreError> {
        self.read(ws, move |c, ws| query::inbox(c, ws, &agent)).await
    }

    async fn agent(&self, ws: WorkspaceId, name: AgentName) -> Result<Option<Agent>, StoreError> {
        self.read(ws, move |c, ws| load::agent(c, ws, name.as_str())).await
    }

    async fn agents(&self, ws: WorkspaceId, page: Page<AgentName>) -> Result<Vec<Agent>, StoreError> {
        self.read(ws, move |c, ws| query::agents(c, ws, &page)).await
    }

    async fn wake(&self, ws: WorkspaceId, id: WakeId) -> Result<Option<Wake>, StoreError> {
        self.read(ws, move |c, ws| load::wake(c, ws, id)).await
    }

    async fn wakes(
        &self,
        ws: WorkspaceId,
        filter: WakeFilter,
        page: Page<WakeId>,
    ) -> Result<Vec<Wake>, StoreError> {
        self.read(ws, move |c, ws| query::wakes(c, ws, &filter, &page)).await
    }

    async fn agent_wakes(
        &self,
        ws: WorkspaceId,
        agents: Vec<AgentName>,
    ) -> Result<Vec<AgentWakes>, StoreError> {
        self.read(ws, move |c, ws| query::agent_wakes(c, ws, &agents)).await
    }

    async fn next_due(&self, ws: WorkspaceId, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read(ws, move |c, ws| query::next_due(c, ws, after)).await
    }

    async fn sessions(&self, ws: WorkspaceId, agents: Vec<AgentName>) -> Result<Vec<Session>, StoreError> {
        self.read(ws, move |c, ws| session::of_all(c, ws, &agents)).await
    }

    async fn supervisors(&self, ws: WorkspaceId) -> Result<Vec<Supervisor>, StoreError> {
        self.read(ws, load::supervisors).await
    }

    async fn job(&self, ws: WorkspaceId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(ws, move |c, ws| job::job(c, ws, id)).await
    }

    async fn jobs(
        &self,
        ws: WorkspaceId,
        filter: JobFilter,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, StoreError> {
        self.read(ws, move |c, ws| job::jobs(c, ws, &filter, &page)).await
    }

    async fn webhooks(&self, ws: WorkspaceId) -> Result<Vec<Webhook>, StoreError> {
        self.read(ws, webhook::webhooks).await
    }

    async fn next_job(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, StoreError> {
        self.read(ws, job::next).await
    }

    async fn job_counts(&self, ws: WorkspaceId) -> Result<JobCounts, StoreError> {
        self.read(ws, job::counts).await
    }

    async fn add_denials(&self, ws: WorkspaceId, denials: Vec<Denial>, kept: u32) -> Result<(), StoreError> {
        self.ask(|reply| Ask::Denials(ws, denials, kept, reply)).await?
    }

    async fn denials(
        &self,
        ws: WorkspaceId,
        filter: DenialFilter,
        page: Page<DenialId>,
    ) -> Result<Vec<Denial>, StoreError> {
        self.read(ws, move |c, ws| denial::denials(c, ws, &filter, &page)).await
    }

    async fn snapshot(&self, ws: WorkspaceId, id: SnapshotId) -> Result<Option<Snapshot>, StoreError> {
        self.read(ws, move |c, ws| snapshot::snapshot(c, ws, id)).await
    }

    async fn snapshots(
        &self,
        ws: WorkspaceId,
        filter: SnapshotFilter,
        page: Page<SnapshotId>,
    ) -> Result<Vec<Snapshot>, StoreError> {
        self.read(ws, move |c, ws| snapshot::snapshots(c, ws, &filter, &page)).await
    }

    async fn counts(&self, ws: WorkspaceId) -> Result<Counts, StoreError> {
        self.read(ws, query::counts).await
    }

    async fn ledger_head(&self, ws: WorkspaceId) -> Result<LedgerHead, StoreError> {
        self.read(ws, query::ledger_head).await
    }

    async fn entries(&self, ws: WorkspaceId, first: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        self.read(ws, move |c, ws| query::entries(c, ws, first, limit)).await
    }

    async fn tile(&self, ws: WorkspaceId, at: TileAt) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(ws, move |c, ws| query::tile(c, ws, at)).await
    }

    async fn posted_by(&self, ws: WorkspaceId, entries: Vec<u64>) -> Result<Vec<StoredMessage>, StoreError> {
        self.read(ws, move |c, ws| search::posted_by(c, ws, &entries)).await
    }

    async fn index_mark(&self, ws: WorkspaceId, version: u32) -> Result<IndexMark, StoreError> {
        self.read(ws, move |c, ws| search::mark(c, ws, version)).await
    }

    async fn index_page(&self, ws: WorkspaceId, query: IndexQuery) -> Result<IndexPage, StoreError> {
        self.read(ws, move |c, ws| search::page(c, ws, &query)).await
    }

    async fn fill_index(&self, ws: WorkspaceId, fill: IndexFill) -> Result<(), StoreError> {
        self.ask(|reply| Ask::Index(ws, fill, reply)).await?
    }

    async fn dump(&self, ws: WorkspaceId) -> Result<Vec<String>, StoreError> {
        self.read(ws, query::dump).await
    }
}
