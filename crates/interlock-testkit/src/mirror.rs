//! The rows that a store must hold, kept in memory from the same changes.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::Event;
use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::facts::{Position, RowChange};
use interlock_core::id::{JobId, MessageId, SnapshotId, ThreadId, WakeId, WebhookId};
use interlock_core::job::{Job, JobTotals};
use interlock_core::session::{Session, SessionKey};
use interlock_core::snapshot::Snapshot;
use interlock_core::text::Digest;
use interlock_core::thread::{Answer, Finding, Thread};
use interlock_core::wake::{Halt, Lease, Supervisor, Wake, WakeState};
use interlock_core::webhook::Webhook;
use interlock_store::{StoredMessage, TimelineRow};

/// Rows by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mirror {
    /// Agents.
    pub agents: BTreeMap<AgentName, Agent>,
    /// Threads.
    pub threads: BTreeMap<ThreadId, Thread>,
    /// Who takes part in what.
    pub members: BTreeSet<(AgentName, ThreadId)>,
    /// Messages by thread and `seq`.
    pub messages: BTreeMap<(ThreadId, u64), StoredMessage>,
    /// Who answered what first.
    pub answers: BTreeMap<(ThreadId, MessageId, AgentName), Answer>,
    /// Whether all agents are stopped.
    pub halt: Option<Halt>,
    /// Findings in the order of their reports.
    pub findings: BTreeMap<ThreadId, Vec<Finding>>,
    /// Wakes.
    pub wakes: BTreeMap<WakeId, Wake>,
    /// Leases.
    pub leases: BTreeMap<WakeId, Lease>,
    /// Sessions.
    pub sessions: BTreeMap<SessionKey, Session>,
    /// What was heard of supervisors.
    pub supervisors: BTreeMap<String, Supervisor>,
    /// Jobs.
    pub jobs: BTreeMap<JobId, Job>,
    /// What became of jobs.
    pub job_totals: JobTotals,
    /// Snapshots.
    pub snapshots: BTreeMap<SnapshotId, Snapshot>,
    /// Webhooks.
    pub webhooks: BTreeMap<WebhookId, Webhook>,
    /// Timeline rows that are no messages.
    pub timeline: Vec<(ThreadId, Position, Event)>,
    /// Idempotency keys: fingerprint and entry.
    pub used: BTreeMap<Digest, (Digest, u64)>,
    /// The kinds of changes seen so far.
    pub kinds: BTreeSet<&'static str>,
}

impl Mirror {
    /// Take over what a batch changed.
    pub fn apply(&mut self, changes: Vec<RowChange>) {
        for change in changes {
            self.kinds.insert(kind(&change));
            match change {
                RowChange::Agent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
                RowChange::Thread(thread) => drop(self.threads.insert(thread.thread_id, thread)),
                RowChange::Member(agent, thread) => drop(self.members.insert((agent, thread))),
                RowChange::Unmember(agent, thread) => drop(self.members.remove(&(agent, thread))),
                RowChange::Message(message, position) => {
                    let key = (message.thread_id, message.head.seq);
                    let stored = StoredMessage { message, index: position.index, n: position.n };
                    self.messages.insert(key, stored);
                }
                RowChange::Withdrawal(thread, id, withdrawal) => {
                    let mut of_thread = self.messages.range_mut((thread, 0)..=(thread, u64::MAX));
                    let found = of_thread.find(|(_, stored)| stored.message.head.message_id == id);
                    found.unwrap().1.message.withdrawal = Some(withdrawal);
                }
                RowChange::Answer(thread, to, answer) => {
                    self.answers.entry((thread, to, answer.agent.clone())).or_insert(answer);
                }
                RowChange::Halt(halt) => self.halt = halt,
                RowChange::Finding(finding) => {
                    let findings = self.findings.entry(finding.thread_id).or_default();
                    findings.retain(|other| other.finding_id != finding.finding_id);
                    findings.push(finding);
                    findings.sort_by_key(|finding| (finding.reported_seq, finding.finding_id));
                }
                RowChange::Wake(wake) => drop(self.wakes.insert(wake.wake_id, wake)),
                RowChange::Lease(lease) => drop(self.leases.insert(lease.wake_id, lease)),
                RowChange::Unlease(id) => drop(self.leases.remove(&id)),
                RowChange::Session(session) => drop(self.sessions.insert(session.key(), *session)),
                RowChange::Unsession(key) => drop(self.sessions.remove(&key)),
                RowChange::Supervisor(name, Some(one)) => drop(self.supervisors.insert(name, one)),
                RowChange::Supervisor(name, None) => drop(self.supervisors.remove(&name)),
                RowChange::Job(job) => drop(self.jobs.insert(job.job_id, job)),
                RowChange::Unjob(id) => drop(self.jobs.remove(&id)),
                RowChange::JobTotals(totals) => self.job_totals = totals,
                RowChange::Snapshot(one) => drop(self.snapshots.insert(one.snapshot_id, *one)),
                RowChange::Webhook(one) => drop(self.webhooks.insert(one.webhook_id, *one)),
                RowChange::Unwebhook(id) => drop(self.webhooks.remove(&id)),
                RowChange::Timeline(thread, position, event) => {
                    self.timeline.push((thread, position, event));
                }
                RowChange::Idempotency(key, fingerprint, index) => {
                    self.used.insert(key, (fingerprint, index));
                }
            }
        }
    }

    /// Everything on a thread's timeline, in the ledger's order. Free text of events does not come back.
    pub fn timeline_of(&self, thread: ThreadId) -> Vec<TimelineRow> {
        let messages = self.messages.range((thread, 0)..=(thread, u64::MAX));
        let messages = messages.map(|(_, stored)| TimelineRow::Message(stored.clone()));
        let events = self.timeline.iter().filter(|(id, _, _)| *id == thread);
        let events = events.map(|(_, position, event)| TimelineRow::Event(*position, as_written(event)));
        let mut rows: Vec<_> = messages.chain(events).collect();
        rows.sort_by_key(TimelineRow::position);
        rows
    }

    /// A thread's unfinished wakes.
    pub fn live_of(&self, thread: ThreadId) -> Vec<&Wake> {
        let is_live = |wake: &&Wake| wake.thread_id == thread && wake.state != WakeState::Finished;
        self.wakes.values().filter(is_live).collect()
    }
}

/// An event without what the ledger does not hold.
pub(crate) fn as_written(event: &Event) -> Event {
    serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
}

/// Every kind of change. A new one does not compile without a name here, and fails the suite until a story makes it.
const fn kind(change: &RowChange) -> &'static str {
    match change {
        RowChange::Agent(_) => "agent",
        RowChange::Thread(_) => "thread",
        RowChange::Member(..) => "member",
        RowChange::Unmember(..) => "unmember",
        RowChange::Withdrawal(..) => "withdrawal",
        RowChange::Message(..) => "message",
        RowChange::Answer(..) => "answer",
        RowChange::Halt(_) => "halt",
        RowChange::Wake(_) => "wake",
        RowChange::Finding(_) => "finding",
        RowChange::Timeline(..) => "timeline",
        RowChange::Idempotency(..) => "idempotency",
        RowChange::Lease(_) => "lease",
        RowChange::Unlease(_) => "unlease",
        RowChange::Session(_) => "session",
        RowChange::Unsession(_) => "unsession",
        RowChange::Supervisor(..) => "supervisor",
        RowChange::Job(_) => "job",
        RowChange::Unjob(_) => "unjob",
        RowChange::JobTotals(_) => "job_totals",
        RowChange::Snapshot(_) => "snapshot",
        RowChange::Webhook(_) => "webhook",
        RowChange::Unwebhook(_) => "unwebhook",
    }
}

/// How many kinds of changes there are.
pub(crate) const KINDS: usize = 23;
