//! The store itself: every verb takes a connection for as long as it lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use deadpool_postgres::Pool;
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
    IndexPage, IndexQuery, JobCounts, JobFilter, LedgerHead, Neighbours, Page, SnapshotFilter, Store,
    StoreError, StoredMessage, ThreadFilter, TimelineRow, WakeFilter, Workspace,
};

use crate::clock::Clock;
use crate::neighbours::Circle;
use crate::open::Way;
use crate::pool::{Line, in_time};
use crate::row::get;
use crate::{Options, batch, denial, job, open, query, search, session, snapshot, webhook};

/// Workspaces whose number is remembered; forgotten all at once when there are more.
const KNOWN_MAX: usize = 10_000;

/// A store in one PostgreSQL database, which other servers may use at the same time.
pub struct PostgresStore {
    pool: Pool,
    way: Way,
    clock: Clock,
    known: RwLock<BTreeMap<WorkspaceId, i64>>,
}

/// Run a read on a connection of its own.
macro_rules! read {
    ($self:ident, $ws:ident, $read:path $(, $value:expr)*) => {
        in_time(async {
            let pk = $self.pk($ws).await?;
            let line = Line::take(&$self.pool).await?;
            let found = $read(&line, pk $(, $value)*).await?;
            line.give_back();
            Ok(found)
        })
        .await
    };
}

impl PostgresStore {
    /// Open the database, made or migrated when needed.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::TooNew`] for databases that are not ours, or not yet ours;
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn open(options: &Options) -> Result<Self, StoreError> {
        let way = Way::of(options)?;
        let pool = way.pool(options.connections)?;
        open::migrate(&pool).await?;
        let clock = Clock::default();
        open::compare(&pool, &clock).await?;
        Ok(Self { pool, way, clock, known: RwLock::default() })
    }

    /// The way to the other servers that use the database.
    pub fn neighbours(&self) -> Arc<dyn Neighbours> {
        Arc::new(Circle::new(self.way.clone(), self.clock.clone()))
    }

    /// A workspace's number inside the database, which never changes.
    async fn pk(&self, ws: WorkspaceId) -> Result<i64, StoreError> {
        if let Some(pk) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&ws) {
            return Ok(*pk);
        }
        let (pk, _) = self.find(ws).await?.ok_or(StoreError::NoWorkspace)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(ws, pk);
        Ok(pk)
    }

    async fn find(&self, ws: WorkspaceId) -> Result<Option<(i64, String)>, StoreError> {
        let line = Line::take(&self.pool).await?;
        let sql = "SELECT pk, origin FROM workspace WHERE id = $1";
        let found = line.one(sql, &[&ws.to_bytes().as_slice()]).await?;
        line.give_back();
        found.map(|found| Ok((get(&found, 0)?, get(&found, 1)?))).transpose()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError> {
        in_time(async {
            let line = Line::take(&self.pool).await?;
            let sql = "INSERT INTO workspace (id, origin) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
            let id = workspace.workspace_id.to_bytes();
            line.all(sql, &[&id.as_slice(), &workspace.origin]).await?;
            line.give_back();
            Ok(())
        })
        .await
    }

    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
        let found = in_time(self.find(id)).await?;
        Ok(found.map(|(_, origin)| Workspace { workspace_id: id, origin }))
    }

    async fn batch(
        &self,
        ws: WorkspaceId,
        mut work: Box<dyn BatchWork>,
    ) -> (Box<dyn BatchWork>, Result<Committed, StoreError>) {
        let result = match in_time(self.pk(ws)).await {
            Ok(pk) => batch::run((&self.pool, &self.clock), pk, ws, work.as_mut()).await,
            Err(error) => Err(error),
        };
        (work, result)
    }

    fn ahead_ms(&self) -> i64 {
        self.clock.ahead_ms()
    }

    /// Takes a row's lock, which a database that refuses writes refuses too.
    async fn ping(&self) -> Result<(), StoreError> {
        in_time(async {
            let line = Line::take(&self.pool).await?;
            line.plain("BEGIN").await?;
            line.all("SELECT pk FROM workspace ORDER BY pk LIMIT 1 FOR UPDATE SKIP LOCKED", &[]).await?;
            line.plain("ROLLBACK").await?;
            line.give_back();
            Ok(())
        })
        .await
    }

    async fn thread(&self, ws: WorkspaceId, id: ThreadId) -> Result<Option<Thread>, StoreError> {
        read!(self, ws, query::thread, id)
    }

    async fn threads(
        &self,
        ws: WorkspaceId,
        filter: ThreadFilter,
        page: Page<ThreadId>,
    ) -> Result<Vec<Thread>, StoreError> {
        read!(self, ws, query::threads, &filter, &page)
    }

    async fn findings(&self, ws: WorkspaceId, thread: ThreadId) -> Result<Vec<Finding>, StoreError> {
        read!(self, ws, query::findings, thread)
    }

    async fn message(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, StoreError> {
        read!(self, ws, query::message, thread, id)
    }

    async fn messages(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after_seq: u64,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        read!(self, ws, query::messages, thread, after_seq, limit)
    }

    async fn answers(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        to: MessageId,
        by: Vec<AgentName>,
    ) -> Result<Vec<Answer>, StoreError> {
        read!(self, ws, query::answers, thread, to, &by)
    }

    async fn halt(&self, ws: WorkspaceId) -> Result<Option<Halt>, StoreError> {
        read!(self, ws, query::halt)
    }

    async fn timeline(
        &self,
        ws: WorkspaceId,
        thread: ThreadId,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, StoreError> {
        read!(self, ws, query::timeline, thread, after, limit)
    }

    async fn inbox(&self, ws: WorkspaceId, agent: AgentName) -> Result<Vec<InboxRow>, StoreError> {
        read!(self, ws, query::inbox, &agent)
    }

    async fn agent(&self, ws: WorkspaceId, name: AgentName) -> Result<Option<Agent>, StoreError> {
        read!(self, ws, query::agent, &name)
    }

    async fn agents(&self, ws: WorkspaceId, page: Page<AgentName>) -> Result<Vec<Agent>, StoreError> {
        read!(self, ws, query::agents, &page)
    }

    async fn wake(&self, ws: WorkspaceId, id: WakeId) -> Result<Option<Wake>, StoreError> {
        read!(self, ws, query::wake, id)
    }

    async fn wakes(
        &self,
        ws: WorkspaceId,
        filter: WakeFilter,
        page: Page<WakeId>,
    ) -> Result<Vec<Wake>, StoreError> {
        read!(self, ws, query::wakes, &filter, &page)
    }

    async fn agent_wakes(
        &self,
        ws: WorkspaceId,
        agents: Vec<AgentName>,
    ) -> Result<Vec<AgentWakes>, StoreError> {
        read!(self, ws, query::agent_wakes, &agents)
    }

    async fn next_due(&self, ws: WorkspaceId, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        read!(self, ws, query::next_due, after)
    }

    async fn sessions(&self, ws: WorkspaceId, agents: Vec<AgentName>) -> Result<Vec<Session>, StoreError> {
        read!(self, ws, session::of_all, &agents)
    }

    async fn supervisors(&self, ws: WorkspaceId) -> Result<Vec<Supervisor>, StoreError> {
        read!(self, ws, query::supervisors)
    }

    async fn job(&self, ws: WorkspaceId, id: JobId) -> Result<Option<Job>, StoreError> {
        read!(self, ws, job::job, id)
    }

    async fn jobs(
        &self,
        ws: WorkspaceId,
        filter: JobFilter,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, StoreError> {
        read!(self, ws, job::jobs, &filter, &page)
    }

    async fn webhooks(&self, ws: WorkspaceId) -> Result<Vec<Webhook>, StoreError> {
        read!(self, ws, webhook::webhooks)
    }

    async fn next_job(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, StoreError> {
        read!(self, ws, job::next)
    }

    async fn job_counts(&self, ws: WorkspaceId) -> Result<JobCounts, StoreError> {
        read!(self, ws, job::counts)
    }

    async fn add_denials(&self, ws: WorkspaceId, denials: Vec<Denial>, kept: u32) -> Result<(), StoreError> {
        read!(self, ws, denial::add, &denials, kept)
    }

    async fn denials(
        &self,
        ws: WorkspaceId,
        filter: DenialFilter,
        page: Page<DenialId>,
    ) -> Result<Vec<Denial>, StoreError> {
        read!(self, ws, denial::denials, &filter, &page)
    }

    async fn snapshot(&self, ws: WorkspaceId, id: SnapshotId) -> Result<Option<Snapshot>, StoreError> {
        read!(self, ws, snapshot::snapshot, id)
    }

    async fn snapshots(
        &self,
        ws: WorkspaceId,
        filter: SnapshotFilter,
        page: Page<SnapshotId>,
    ) -> Result<Vec<Snapshot>, StoreError> {
        read!(self, ws, snapshot::snapshots, &filter, &page)
    }

    async fn counts(&self, ws: WorkspaceId) -> Result<Counts, StoreError> {
        read!(self, ws, query::counts)
    }

    async fn ledger_head(&self, ws: WorkspaceId) -> Result<LedgerHead, StoreError> {
        read!(self, ws, query::ledger_head)
    }

    async fn entries(&self, ws: WorkspaceId, first: u64, limit: u32) -> Result<Vec<EntryRow>, StoreError> {
        read!(self, ws, query::entries, first, limit)
    }

    async fn tile(&self, ws: WorkspaceId, at: TileAt) -> Result<Option<Vec<u8>>, StoreError> {
        read!(self, ws, query::tile, at)
    }

    async fn posted_by(&self, ws: WorkspaceId, entries: Vec<u64>) -> Result<Vec<StoredMessage>, StoreError> {
        read!(self, ws, search::posted_by, &entries)
    }

    async fn index_mark(&self, ws: WorkspaceId, version: u32) -> Result<IndexMark, StoreError> {
        read!(self, ws, search::mark, version)
    }

    async fn index_page(&self, ws: WorkspaceId, query: IndexQuery) -> Result<IndexPage, StoreError> {
        read!(self, ws, search::page, &query)
    }

    async fn fill_index(&self, ws: WorkspaceId, fill: IndexFill) -> Result<(), StoreError> {
        read!(self, ws, search::fill, &fill)
    }

    async fn dump(&self, ws: WorkspaceId) -> Result<Vec<String>, StoreError> {
        read!(self, ws, query::dump)
    }
}
