//! What a decision is made on: rows loaded from the store, changed in place by `evolve`.
//!
//! A row that was looked for and is not there differs from a row that was never looked for: the
//! first is an answer, the second a [`Missing`] that makes the shell load more.

mod jobs;
mod sessions;
mod supervisors;

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::AgentName;
use crate::agent::Agent;
use crate::event::Event;
use crate::id::{JobId, MessageId, SnapshotId, ThreadId, WakeId, WebhookId};
use crate::job::{Job, JobTotals};
use crate::policy::Policy;
use crate::session::{Session, SessionKey};
use crate::snapshot::{Census, Snapshot};
use crate::text::Digest;
use crate::thread::{Answer, Finding, Message, MessageHead, Thread, Withdrawal};
use crate::time::{Hybrid, Timestamp};
use crate::wake::{Ask, AsksKey, Halt, Lease, Supervisor, Urgent, Wake};
use crate::webhook::{Progress, Webhook};

use sessions::Sessions;

/// One thing to load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The row of an idempotency key, with the events of its entry.
    Idempotency(Digest),
    /// An agent by name.
    Agent(AgentName),
    /// A thread with its participants.
    Thread(ThreadId),
    /// The unfinished wakes of a thread, without their leases.
    ThreadWakes(ThreadId),
    /// The findings of a thread.
    Findings(ThreadId),
    /// A message of a thread without its text, and whether it was taken back.
    Message(ThreadId, MessageId),
    /// A wake and its lease.
    Wake(WakeId),
    /// Messages of a stretch of a thread that asked for an agent's wake, were not taken back and end last.
    Asks(AsksKey),
    /// Unfinished wakes that are due, or leased, with their leases.
    LiveWakes,
    /// The sessions of an agent.
    Sessions(AgentName),
    /// The sessions of all agents that somebody has open.
    Terminals,
    /// Of more sessions than are remembered those that were silent for longest, a few.
    OldestSessions,
    /// All supervisors that were heard of.
    Supervisors,
    /// A job.
    Job(JobId),
    /// The job of this kind and name that is not over, where there is one.
    JobNamed(String, String),
    /// Jobs whose time has come: queued ones, those of silent workers, and completed ones to forget.
    DueJobs,
    /// What became of jobs so far.
    JobTotals,
    /// How much there is of everything, as it stands before the batch.
    Census,
    /// Whether all agents are stopped.
    Halt,
    /// All webhooks.
    Webhooks,
}

/// What to load: a set of keys.
pub type Keys = BTreeSet<Key>;

/// A row was needed that nobody loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fact was not loaded: {0:?}")]
pub struct Missing(pub Key);

/// Rows contradict an event: the batch is aborted and the workspace frozen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored rows contradict an event: {0}")]
pub struct Corrupt(pub String);

impl From<Missing> for Corrupt {
    fn from(missing: Missing) -> Self {
        Self(missing.to_string())
    }
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Digest of the parameters of the first request.
    pub fingerprint: Digest,
    /// The ledger index of its entry.
    pub index: u64,
    /// That entry's events, without free text.
    pub events: Vec<Event>,
}

/// Where an event stands in the ledger, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The entry's index.
    pub index: u64,
    /// The event's number in the entry, from 0.
    pub n: u32,
    /// The entry's time.
    pub at: Hybrid,
}

/// A row to write: what `evolve` made of the events of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// Insert or replace an agent.
    Agent(Agent),
    /// Insert or replace a thread.
    Thread(Thread),
    /// Note that an agent takes part in a thread.
    Member(AgentName, ThreadId),
    /// Note that an agent no longer takes part in a thread. Rows are applied in their order: the same batch may add it
    /// again.
    Unmember(AgentName, ThreadId),
    /// Append a message, with where it stands in the ledger.
    Message(Message, Position),
    /// Note on a message that it was taken back; once at most.
    Withdrawal(ThreadId, MessageId, Withdrawal),
    /// Note that a message answers another one or follows from it; of one agent's the first stays.
    Answer(ThreadId, MessageId, Answer),
    /// Insert or replace a wake.
    Wake(Wake),
    /// Insert or replace a finding.
    Finding(Finding),
    /// Append a row to a thread's timeline.
    Timeline(ThreadId, Position, Event),
    /// Remember an idempotency key.
    Idempotency(Digest, Digest, u64),
    /// Note that all agents are stopped, or that they are not any more.
    Halt(Option<Halt>),
    /// Operational: insert or replace a lease.
    Lease(Lease),
    /// Operational: remove a lease.
    Unlease(WakeId),
    /// Operational: insert or replace a session.
    Session(Box<Session>),
    /// Operational: remove a session.
    Unsession(SessionKey),
    /// Operational: insert or replace what was heard of a supervisor, or remove it.
    Supervisor(String, Option<Supervisor>),
    /// Operational: insert or replace a job.
    Job(Job),
    /// Operational: remove a job.
    Unjob(JobId),
    /// Operational: replace what became of jobs so far.
    JobTotals(JobTotals),
    /// Append a snapshot.
    Snapshot(Box<Snapshot>),
    /// Insert or replace a webhook.
    Webhook(Box<Webhook>),
    /// Remove a webhook.
    Unwebhook(WebhookId),
}

/// The rows of a batch: loaded, changed by events, and finally the changes to write.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The constants of waking, guarding and jobs.
    pub policy: Policy,
    agents: BTreeMap<AgentName, Option<Agent>>,
    threads: BTreeMap<ThreadId, Option<Thread>>,
    wakes: BTreeMap<WakeId, Option<Wake>>,
    leases: BTreeMap<WakeId, Lease>,
    /// Wakes that were looked for together with their leases.
    looked_up: BTreeSet<WakeId>,
    thread_wakes: BTreeMap<ThreadId, Vec<WakeId>>,
    live_wakes: Option<Vec<WakeId>>,
    findings: BTreeMap<ThreadId, Vec<Finding>>,
    messages: BTreeMap<(ThreadId, MessageId), Option<Known>>,
    asks: BTreeMap<AsksKey, Vec<Ask>>,
    sessions: Sessions,
    supervisors: Option<BTreeMap<String, Supervisor>>,
    /// Taken back in this batch.
    withdrawn: BTreeSet<(ThreadId, u64)>,
    jobs: BTreeMap<JobId, Option<Job>>,
    job_names: BTreeMap<(String, String), Option<JobId>>,
    due_jobs: Option<Vec<JobId>>,
    job_totals: Option<JobTotals>,
    census: Option<Census>,
    halt: Halted,
    webhooks: Option<BTreeMap<WebhookId, Webhook>>,
    used: BTreeMap<Digest, Option<Used>>,
    dirty: Dirty,
}

/// Whether all agents are stopped, as far as it is known.
#[derive(Debug, Clone, Default)]
enum Halted {
    #[default]
    NotLoaded,
    Loaded(Option<Halt>),
}

/// What rules know of an earlier message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The message without its text.
    pub head: MessageHead,
    /// Whether it was taken back.
    pub is_withdrawn: bool,
}

#[derive(Debug, Clone, Default)]
struct Dirty {
    agents: BTreeSet<AgentName>,
    threads: BTreeSet<ThreadId>,
    wakes: BTreeSet<WakeId>,
    findings: BTreeSet<(ThreadId, usize)>,
    leases: BTreeSet<WakeId>,
    sessions: BTreeSet<SessionKey>,
    jobs: BTreeSet<JobId>,
    job_totals: bool,
    webhooks: BTreeSet<WebhookId>,
    appended: Vec<RowChange>,
}

impl Facts {
    /// No rows, with these constants.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Whether this key has been looked for.
    pub fn has(&self, key: &Key) -> bool {
        match key {
            Key::Idempotency(digest) => self.used.contains_key(digest),
            Key::Agent(name) => self.agents.contains_key(name),
            Key::Thread(id) => self.threads.contains_key(id),
            Key::ThreadWakes(id) => self.thread_wakes.contains_key(id),
            Key::Findings(id) => self.findings.contains_key(id),
            Key::Message(thread, id) => self.messages.contains_key(&(*thread, *id)),
            // One that came with its thread came without its lease.
            Key::Wake(id) => self.looked_up.contains(id),
            Key::Asks(key) => self.asks.contains_key(key),
            Key::LiveWakes => self.live_wakes.is_some(),
            Key::Sessions(_) | Key::Terminals | Key::OldestSessions => self.sessions.has(key),
            Key::Supervisors => self.supervisors.is_some(),
            Key::Job(id) => self.jobs.contains_key(id),
            Key::JobNamed(kind, name) => self.job_names.contains_key(&(kind.clone(), name.clone())),
            Key::DueJobs => self.due_jobs.is_some(),
            Key::JobTotals => self.job_totals.is_some(),
            Key::Census => self.census.is_some(),
            Key::Halt => !matches!(self.halt, Halted::NotLoaded),
            Key::Webhooks => self.webhooks.is_some(),
        }
    }

    // What the store puts in. Rows that are there already are newer: they carry this batch's changes.

    /// Loaded: an idempotency key.
    pub fn put_used(&mut self, key: Digest, used: Option<Used>) {
        self.used.entry(key).or_insert(used);
    }

    /// Loaded: an agent.
    pub fn put_agent(&mut self, name: AgentName, agent: Option<Agent>) {
        self.agents.entry(name).or_insert(agent);
    }

    /// Loaded: a thread.
    pub fn put_thread(&mut self, id: ThreadId, thread: Option<Thread>) {
        self.threads.entry(id).or_insert(thread);
    }

    /// Loaded: a thread's unfinished wakes.
    pub fn put_thread_wakes(&mut self, id: ThreadId, wakes: Vec<Wake>) {
        if self.thread_wakes.contains_key(&id) {
            return;
        }
        self.thread_wakes.insert(id, wakes.iter().map(|wake| wake.wake_id).collect());
        for wake in wakes {
            self.wakes.entry(wake.wake_id).or_insert(Some(wake));
        }
    }

    /// Loaded: a thread's findings.
    pub fn put_findings(&mut self, id: ThreadId, findings: Vec<Finding>) {
        self.findings.entry(id).or_insert(findings);
    }

    /// Loaded: a message of a thread.
    pub fn put_message(&mut self, thread: ThreadId, id: MessageId, known: Option<Known>) {
        self.messages.entry((thread, id)).or_insert(known);
    }

    /// Loaded: what asked for an agent's wake in a stretch of a thread.
    pub fn put_asks(&mut self, key: AsksKey, asks: Vec<Ask>) {
        let is_left = |ask: &Ask| !self.withdrawn.contains(&(key.thread_id, ask.seq));
        let asks = asks.into_iter().filter(is_left).collect();
        self.asks.entry(key).or_insert(asks);
    }

    /// Loaded: a wake and its lease.
    pub fn put_wake(&mut self, id: WakeId, wake: Option<Wake>, lease: Option<Lease>) {
        self.wakes.entry(id).or_insert(wake);
        self.looked_up.insert(id);
        if let Some(lease) = lease
            && !self.dirty.leases.contains(&id)
        {
            self.leases.entry(id).or_insert(lease);
        }
    }

    /// Loaded: the due and leased wakes, oldest due first.
    pub fn put_live_wakes(&mut self, wakes: Vec<(Wake, Option<Lease>)>) {
        if self.live_wakes.is_some() {
            return;
        }
        self.live_wakes = Some(wakes.iter().map(|(wake, _)| wake.wake_id).collect());
        for (wake, lease) in wakes {
            self.put_wake(wake.wake_id, Some(wake), lease);
        }
    }

    /// Loaded: whether all agents are stopped.
    pub fn put_halt(&mut self, halt: Option<Halt>) {
        if !self.has(&Key::Halt) {
            self.halt = Halted::Loaded(halt);
        }
    }

    /// Loaded: how much there is of everything.
    pub fn put_census(&mut self, census: Census) {
        self.census.get_or_insert(census);
    }

    /// Loaded: all webhooks.
    pub fn put_webhooks(&mut self, webhooks: Vec<Webhook>) {
        let by_id = |webhook: Webhook| (webhook.webhook_id, webhook);
        self.webhooks.get_or_insert_with(|| webhooks.into_iter().map(by_id).collect());
    }

    // What rules read.

    /// What an idempotency key was used for.
    pub fn used(&self, key: &Digest) -> Result<Option<&Used>, Missing> {
        self.used.get(key).map(Option::as_ref).ok_or(Missing(Key::Idempotency(*key)))
    }

    /// An agent.
    pub fn agent(&self, name: &AgentName) -> Result<Option<&Agent>, Missing> {
        self.agents.get(name).map(Option::as_ref).ok_or_else(|| Missing(Key::Agent(name.clone())))
    }

    /// A thread.
    pub fn thread(&self, id: ThreadId) -> Result<Option<&Thread>, Missing> {
        self.threads.get(&id).map(Option::as_ref).ok_or(Missing(Key::Thread(id)))
    }

    /// A wake.
    pub fn wake(&self, id: WakeId) -> Result<Option<&Wake>, Missing> {
        self.wakes.get(&id).map(Option::as_ref).ok_or(Missing(Key::Wake(id)))
    }

    /// A wake's lease; `None` also while the wake was loaded without.
    pub fn lease(&self, id: WakeId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// A thread's unfinished wakes.
    pub fn thread_wakes(&self, id: ThreadId) -> Result<impl Iterator<Item = &Wake>, Missing> {
        let ids = self.thread_wakes.get(&id).ok_or(Missing(Key::ThreadWakes(id)))?;
        Ok(ids.iter().filter_map(|id| self.wakes.get(id)?.as_ref()))
    }

    /// The due and leased wakes.
    pub fn live_wakes(&self) -> Result<impl Iterator<Item = &Wake>, Missing> {
        let ids = self.live_wakes.as_ref().ok_or(Missing(Key::LiveWakes))?;
        Ok(ids.iter().filter_map(|id| self.wakes.get(id)?.as_ref()))
    }

    /// Who stopped all agents and when; nothing while they are not.
    pub fn halt(&self) -> Result<Option<&Halt>, Missing> {
        match &self.halt {
            Halted::NotLoaded => Err(Missing(Key::Halt)),
            Halted::Loaded(halt) => Ok(halt.as_ref()),
        }
    }

    /// How much there was of everything before the batch.
    pub fn census(&self) -> Result<&Census, Missing> {
        self.census.as_ref().ok_or(Missing(Key::Census))
    }

    /// All webhooks.
    pub fn webhooks(&self) -> Result<&BTreeMap<WebhookId, Webhook>, Missing> {
        self.webhooks.as_ref().ok_or(Missing(Key::Webhooks))
    }

    /// A webhook.
    pub fn webhook(&self, id: WebhookId) -> Result<Option<&Webhook>, Missing> {
        Ok(self.webhooks()?.get(&id))
    }

    /// A thread's findings.
    pub fn findings(&self, id: ThreadId) -> Result<&[Finding], Missing> {
        self.findings.get(&id).map(Vec::as_slice).ok_or(Missing(Key::Findings(id)))
    }

    /// A message of a thread.
    pub fn message(&self, thread: ThreadId, id: MessageId) -> Result<Option<&Known>, Missing> {
        self.messages.get(&(thread, id)).map(Option::as_ref).ok_or(Missing(Key::Message(thread, id)))
    }

    /// What asked for an agent's wake in a stretch of a thread, the one that ends last first.
    pub fn asks(&self, key: &AsksKey) -> Result<&[Ask], Missing> {
        self.asks.get(key).map(Vec::as_slice).ok_or_else(|| Missing(Key::Asks(key.clone())))
    }

    // What `evolve` changes.

    pub(crate) fn insert_agent(&mut self, agent: Agent) {
        self.dirty.agents.insert(agent.name.clone());
        self.agents.insert(agent.name.clone(), Some(agent));
    }

    pub(crate) fn agent_mut(&mut self, name: &AgentName) -> Result<&mut Agent, Corrupt> {
        self.dirty.agents.insert(name.clone());
        match self.agents.get_mut(name) {
            Some(Some(agent)) => Ok(agent),
            Some(None) => Err(Corrupt(format!("{name} does not exist"))),
            None => Err(Missing(Key::Agent(name.clone())).into()),
        }
    }

    pub(crate) fn insert_thread(&mut self, thread: Thread) {
        let id = thread.thread_id;
        for name in thread.members.keys() {
            self.dirty.appended.push(RowChange::Member(name.clone(), id));
        }
        self.dirty.threads.insert(id);
        self.threads.insert(id, Some(thread));
        self.thread_wakes.insert(id, Vec::new());
        self.findings.insert(id, Vec::new());
    }

    pub(crate) fn thread_mut(&mut self, id: ThreadId) -> Result<&mut Thread, Corrupt> {
        self.dirty.threads.insert(id);
        match self.threads.get_mut(&id) {
            Some(Some(thread)) => Ok(thread),
            Some(None) => Err(Corrupt(format!("{id} does not exist"))),
            None => Err(Missing(Key::Thread(id)).into()),
        }
    }

    pub(crate) fn insert_wake(&mut self, wake: Wake) {
        let id = wake.wake_id;
        if let Some(list) = self.thread_wakes.get_mut(&wake.thread_id) {
            list.push(id);
        }
        if let Some(list) = self.live_wakes.as_mut() {
            list.push(id);
        }
        self.dirty.wakes.insert(id);
        self.wakes.insert(id, Some(wake));
    }

    pub(crate) fn wake_mut(&mut self, id: WakeId) -> Result<&mut Wake, Corrupt> {
        self.dirty.wakes.insert(id);
        match self.wakes.get_mut(&id) {
            Some(Some(wake)) => Ok(wake),
            Some(None) => Err(Corrupt(format!("{id} does not exist"))),
            None => Err(Missing(Key::Wake(id)).into()),
        }
    }

    pub(crate) fn set_halt(&mut self, halt: Option<Halt>) {
        self.append(RowChange::Halt(halt.clone()));
        self.halt = Halted::Loaded(halt);
    }

    pub(crate) fn insert_webhook(&mut self, webhook: Webhook) -> Result<(), Corrupt> {
        let id = webhook.webhook_id;
        self.dirty.webhooks.insert(id);
        self.webhooks.as_mut().ok_or(Missing(Key::Webhooks))?.insert(id, webhook);
        Ok(())
    }

    pub(crate) fn webhook_mut(&mut self, id: WebhookId) -> Result<&mut Webhook, Corrupt> {
        self.dirty.webhooks.insert(id);
        let all = self.webhooks.as_mut().ok_or(Missing(Key::Webhooks))?;
        all.get_mut(&id).ok_or_else(|| Corrupt(format!("{id} does not exist")))
    }

    pub(crate) fn remove_webhook(&mut self, id: WebhookId) -> Result<(), Corrupt> {
        self.webhook_mut(id)?;
        self.webhooks.as_mut().and_then(|all| all.remove(&id));
        Ok(())
    }

    pub(crate) fn forget_live(&mut self, id: WakeId, thread: ThreadId) {
        if let Some(list) = self.thread_wakes.get_mut(&thread) {
            list.retain(|other| *other != id);
        }
        if let Some(list) = self.live_wakes.as_mut() {
            list.retain(|other| *other != id);
        }
    }

    pub(crate) fn findings_mut(&mut self, id: ThreadId) -> Result<&mut Vec<Finding>, Corrupt> {
        self.findings.get_mut(&id).ok_or_else(|| Missing(Key::Findings(id)).into())
    }

    pub(crate) fn touch_finding(&mut self, id: ThreadId, place: usize) {
        self.dirty.findings.insert((id, place));
    }

    pub(crate) fn append(&mut self, row: RowChange) {
        match &row {
            RowChange::Message(message, _) => {
                let known = Known { head: message.head.clone(), is_withdrawn: false };
                self.messages.insert((message.thread_id, message.head.message_id), Some(known));
            }
            RowChange::Withdrawal(thread, id, _) => {
                if let Some(Some(known)) = self.messages.get_mut(&(*thread, *id)) {
                    known.is_withdrawn = true;
                    let seq = known.head.seq;
                    self.withdrawn.insert((*thread, seq));
                    let of_thread = self.asks.iter_mut().filter(|(key, _)| key.thread_id == *thread);
                    of_thread.for_each(|(_, asks)| asks.retain(|ask| ask.seq != seq));
                }
            }
            _ => {}
        }
        self.dirty.appended.push(row);
    }

    /// Remember an idempotency key: called by the shell once per entry that has one.
    pub fn remember(&mut self, key: Digest, used: Used) {
        self.dirty.appended.push(RowChange::Idempotency(key, used.fingerprint, used.index));
        self.used.insert(key, Some(used));
    }

    /// Apply an operational effect.
    pub fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Lease(lease) => {
                self.dirty.leases.insert(lease.wake_id);
                self.leases.insert(lease.wake_id, lease);
            }
            Effect::Unlease(id) => {
                self.dirty.leases.insert(id);
                self.leases.remove(&id);
            }
            Effect::WebhookProgress(id, progress) => {
                if let Some(webhook) = self.webhooks.as_mut().and_then(|all| all.get_mut(&id)) {
                    webhook.progress = progress;
                    self.dirty.webhooks.insert(id);
                }
            }
            Effect::Session(session) => self.change_session(session.key(), Some(*session)),
            Effect::ForgetSession(key) => self.change_session(key, None),
            Effect::Supervisor(name, supervisor) => self.change_supervisor(name, supervisor),
            Effect::Job(job) => self.insert_job(*job),
            Effect::ForgetJob(id) => {
                self.dirty.jobs.insert(id);
                self.jobs.insert(id, None);
            }
        }
    }

    /// The rows that this batch changed, each once; leaves the facts without changes.
    pub fn take_changes(&mut self) -> Vec<RowChange> {
        let dirty = std::mem::take(&mut self.dirty);
        let mut rows = dirty.appended;
        rows.extend(dirty.agents.iter().filter_map(|k| self.agents.get(k)?.clone()).map(RowChange::Agent));
        rows.extend(dirty.threads.iter().filter_map(|k| self.threads.get(k)?.clone()).map(RowChange::Thread));
        rows.extend(dirty.wakes.iter().filter_map(|k| self.wakes.get(k)?.clone()).map(RowChange::Wake));
        rows.extend(dirty.findings.iter().filter_map(|(thread, place)| {
            self.findings.get(thread)?.get(*place).cloned().map(RowChange::Finding)
        }));
        rows.extend(dirty.leases.iter().map(|id| match self.leases.get(id) {
            Some(lease) => RowChange::Lease(lease.clone()),
            None => RowChange::Unlease(*id),
        }));
        rows.extend(self.session_rows(dirty.sessions));
        let jobs = dirty.jobs.iter().map(|id| match self.jobs.get(id) {
            Some(Some(job)) => RowChange::Job(job.clone()),
            _ => RowChange::Unjob(*id),
        });
        // What is over first: its name may have been given to another.
        let is_open = |row: &RowChange| matches!(row, RowChange::Job(job) if !job.state.is_terminal());
        let (open, over): (Vec<_>, Vec<_>) = jobs.partition(is_open);
        rows.extend(over);
        rows.extend(open);
        rows.extend(dirty.job_totals.then(|| self.job_totals.clone()).flatten().map(RowChange::JobTotals));
        rows.extend(dirty.webhooks.iter().map(
            |id| match self.webhooks.as_ref().and_then(|all| all.get(id)) {
                Some(webhook) => RowChange::Webhook(Box::new(webhook.clone())),
                None => RowChange::Unwebhook(*id),
            },
        ));
        rows
    }
}

/// What a decision changes outside the ledger: operational rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A supervisor holds a wake.
    Lease(Lease),
    /// Nobody holds it any more.
    Unlease(WakeId),
    /// Something was heard of a session.
    Session(Box<Session>),
    /// A session is forgotten.
    ForgetSession(SessionKey),
    /// A supervisor was heard of, or is forgotten.
    Supervisor(String, Option<Supervisor>),
    /// A job is made or changed.
    Job(Box<Job>),
    /// A job is forgotten.
    ForgetJob(JobId),
    /// A webhook was told of something, or passed it over.
    WebhookProgress(WebhookId, Progress),
}

/// A wake that a supervisor keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The wake.
    pub wake_id: WakeId,
    /// Whether it counts as accepted.
    pub is_accepted: bool,
    /// Whether a person ended it: its process is to be stopped.
    pub is_cancelled: bool,
    /// What its turn is to be told of.
    pub urgent: Option<Urgent>,
}

/// What became of a decision: the answer to its caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Things are as asked already.
    Unchanged,
    /// An agent was registered.
    Agent(AgentName),
    /// A thread was opened or changed.
    Thread(ThreadId),
    /// A message was posted.
    Message(ThreadId, MessageId, u64, Timestamp),
    /// A cursor moved.
    Cursor(ThreadId, u64),
    /// Wakes handed to a supervisor, with their leases.
    Claimed(Vec<(Wake, Lease)>),
    /// Nothing is handed out, and processes of these wakes, which the supervisor holds, are to be stopped.
    ToStop(Vec<WakeId>),
    /// Nothing is handed out, and turns that the supervisor runs are to be told of what cannot wait.
    ToTell(Vec<Urgent>),
    /// Wakes kept; what is absent was lost.
    Renewed(Vec<Kept>),
    /// A wake was changed.
    Wake(WakeId),
    /// What was seen was noted.
    Observed {
        /// Whether the turn is a wake's.
        is_ours: bool,
        /// The threads that the session is to be told of.
        told: Vec<ThreadId>,
        /// Whether nobody may enter the session now because of a person.
        is_held: bool,
    },
    /// Jobs handed to a worker.
    Jobs(Vec<Job>),
    /// A job was made or changed, or is there already.
    Job(JobId),
    /// A snapshot was taken.
    Snapshot(SnapshotId),
    /// A webhook was made or changed.
    Webhook(WebhookId),
    /// All agents were stopped, then and already before this command or not; so many wakes were running.
    Halted(u32),
    /// Agents may run again.
    Resumed,
}

/// One command's outcome: no events = no ledger entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Operational changes.
    pub effects: Vec<Effect>,
    /// The answer.
    pub reply: Reply,
    /// Set when the answer comes from an earlier entry with the same idempotency key.
    pub replayed: Option<u64>,
}

impl Decision {
    /// These events, with the answer that follows from them.
    pub fn of(events: Vec<Event>) -> Self {
        let reply = Reply::of(&events);
        Self { events, effects: Vec::new(), reply, replayed: None }
    }

    /// Nothing changes.
    pub const fn unchanged() -> Self {
        Self { events: Vec::new(), effects: Vec::new(), reply: Reply::Unchanged, replayed: None }
    }
}

impl Reply {
    /// The answer that an entry's events give: the first one that answers something.
    pub fn of(events: &[Event]) -> Self {
        events
            .iter()
            .find_map(|event| match event {
                Event::AgentRegistered { name, .. } => Some(Self::Agent(name.clone())),
                Event::ThreadCreated { thread_id, .. }
                | Event::StatusChanged { thread_id, .. }
                | Event::OwnerAssigned { thread_id, .. }
                | Event::OwnerReminded { thread_id, .. }
                | Event::ParticipantRemoved { thread_id, .. }
                | Event::MessageWithdrawn { thread_id, .. } => Some(Self::Thread(*thread_id)),
                Event::MessagePosted { thread_id, message, .. } => {
                    Some(Self::Message(*thread_id, message.message_id, message.seq, message.posted_at))
                }
                Event::CursorMoved { thread_id, seq, .. } => Some(Self::Cursor(*thread_id, *seq)),
                Event::WakeRequested { wake_id, .. }
                | Event::WakeRetryRequested { wake_id, .. }
                | Event::WakeCancelRequested { wake_id, .. }
                | Event::WakeOverridden { wake_id, .. }
                | Event::WakeDispatched { wake_id, .. }
                | Event::WakeAccepted { wake_id, .. }
                | Event::WakeAttemptFailed { wake_id, .. }
                | Event::WakeReleased { wake_id, .. }
                | Event::WakeDeclined { wake_id, .. }
                | Event::WakeFinished { wake_id, .. } => Some(Self::Wake(*wake_id)),
                Event::JobRequeued { job_id, .. } => Some(Self::Job(*job_id)),
                Event::SnapshotTaken { snapshot_id, .. } => Some(Self::Snapshot(*snapshot_id)),
                Event::ServersHalted { running, .. } | Event::WorkspaceHalted { running, .. } => {
                    Some(Self::Halted(*running))
                }
                Event::WorkspaceResumed { .. } => Some(Self::Resumed),
                Event::WebhookCreated { webhook_id, .. }
                | Event::WebhookUpdated { webhook_id, .. }
                | Event::WebhookPaused { webhook_id, .. }
                | Event::WebhookResumed { webhook_id, .. }
                | Event::WebhookSecretRotated { webhook_id, .. }
                | Event::WebhookDeleted { webhook_id, .. } => Some(Self::Webhook(*webhook_id)),
                _ => None,
            })
            .or_else(|| Self::of_lesser(events))
            .unwrap_or(Self::Unchanged)
    }

    /// The answer of events that answer something only where nothing else happened: mostly they come with others.
    fn of_lesser(events: &[Event]) -> Option<Self> {
        events.iter().find_map(|event| match event {
            Event::ParticipantAdded { thread_id, .. } => Some(Self::Thread(*thread_id)),
            Event::WakeJoined { wake_id, .. } => Some(Self::Wake(*wake_id)),
            _ => None,
        })
    }
}
