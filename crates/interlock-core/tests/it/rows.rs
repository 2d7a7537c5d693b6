//! The rows a store would keep, in memory: gives out exactly what keys name and nothing else, so that a command
//! whose declared keys do not suffice fails its test.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::facts::{Facts, Key, Keys, Known, Position, RowChange, Used};
use interlock_core::id::{JobId, MessageId, SnapshotId, ThreadId, WakeId, WebhookId};
use interlock_core::job::{Job, JobState, JobTotals};
use interlock_core::limits::{DUE_JOBS_MAX, JOB_KEPT_MS, SESSIONS_FORGOTTEN_MAX, SESSIONS_MAX};
use interlock_core::session::{Session, SessionKey};
use interlock_core::snapshot::{Census, Snapshot};
use interlock_core::text::Digest;
use interlock_core::thread::{Answer, Finding, Message, Thread};
use interlock_core::wake::{Asks, Halt, Lease, Supervisor, Wake, WakeState};
use interlock_core::webhook::{Progress, Webhook};
use interlock_core::{Event, Timestamp};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) agents: BTreeMap<AgentName, Agent>,
    pub(crate) threads: BTreeMap<ThreadId, Thread>,
    pub(crate) members: BTreeSet<(AgentName, ThreadId)>,
    pub(crate) messages: BTreeMap<(ThreadId, u64), (Message, Position)>,
    pub(crate) findings: BTreeMap<ThreadId, Vec<Finding>>,
    pub(crate) wakes: BTreeMap<WakeId, Wake>,
    pub(crate) timeline: Vec<(ThreadId, Position, Event)>,
    pub(crate) used: BTreeMap<Digest, (Digest, u64)>,
    pub(crate) leases: BTreeMap<WakeId, Lease>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) job_totals: JobTotals,
    pub(crate) snapshots: BTreeMap<SnapshotId, Snapshot>,
    pub(crate) answers: BTreeMap<(ThreadId, MessageId, AgentName), Answer>,
    pub(crate) halt: Option<Halt>,
    pub(crate) webhooks: BTreeMap<WebhookId, Webhook>,
    pub(crate) sessions: BTreeMap<SessionKey, Session>,
    pub(crate) supervisors: BTreeMap<String, Supervisor>,
}

impl Rows {
    /// Load what the keys name, as a store does; `entries` are the ledger's.
    pub(crate) fn load(&self, keys: &Keys, now: Timestamp, entries: &[Vec<Event>], facts: &mut Facts) {
        for key in keys {
            match key {
                Key::Idempotency(digest) => facts.put_used(*digest, self.used(digest, entries)),
                Key::Agent(name) => facts.put_agent(name.clone(), self.agents.get(name).cloned()),
                Key::Thread(id) => facts.put_thread(*id, self.threads.get(id).cloned()),
                Key::ThreadWakes(id) => facts.put_thread_wakes(
                    *id,
                    self.live().filter(|wake| wake.thread_id == *id).cloned().collect(),
                ),
                Key::Findings(id) => facts.put_findings(*id, self.findings_of(*id)),
                Key::Message(thread, id) => {
                    let found = self
                        .messages
                        .values()
                        .map(|(message, _)| message)
                        .find(|message| message.thread_id == *thread && message.head.message_id == *id);
                    let known = found.map(|message| Known {
                        head: message.head.clone(),
                        is_withdrawn: message.withdrawal.is_some(),
                    });
                    facts.put_message(*thread, *id, known);
                }
                Key::Wake(id) => {
                    facts.put_wake(*id, self.wakes.get(id).cloned(), self.leases.get(id).cloned());
                }
                Key::Asks(key) => {
                    let mut asks = Asks::default();
                    for (message, _) in self
                        .messages
                        .range((key.thread_id, key.from_seq)..=(key.thread_id, key.to_seq))
                        .map(|(_, row)| row)
                    {
                        asks.note(key, &message.head, message.withdrawal.is_some());
                    }
                    facts.put_asks(key.clone(), asks.into_vec());
                }
                Key::Halt => facts.put_halt(self.halt.clone()),
                Key::LiveWakes => facts.put_live_wakes(self.live_wakes(now)),
                Key::Sessions(name) => {
                    let of = self.sessions.values().filter(|session| session.agent == *name);
                    facts.put_sessions(name.clone(), of.cloned().collect());
                }
                Key::Terminals => {
                    let terminals = self.sessions.values().filter(|session| session.is_terminal());
                    facts.put_terminals(terminals.cloned().collect());
                }
                Key::Supervisors => facts.put_supervisors(self.supervisors.values().cloned().collect()),
                Key::OldestSessions => facts.put_oldest_sessions(self.oldest_sessions()),
                Key::Job(id) => facts.put_job(*id, self.jobs.get(id).cloned()),
                Key::JobNamed(kind, name) => {
                    facts.put_job_named(kind.clone(), name.clone(), self.job_named(kind, name));
                }
                Key::DueJobs => facts.put_due_jobs(self.due_jobs(now)),
                Key::JobTotals => facts.put_job_totals(self.job_totals.clone()),
                Key::Census => facts.put_census(self.census(entries)),
                Key::Webhooks => facts.put_webhooks(self.webhooks.values().cloned().collect()),
            }
        }
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Wake> {
        self.wakes.values().filter(|wake| wake.state != WakeState::Finished)
    }

    fn live_wakes(&self, now: Timestamp) -> Vec<(Wake, Option<Lease>)> {
        let is_wanted = |wake: &&Wake| {
            wake.state == WakeState::Running
                || self.leases.contains_key(&wake.wake_id)
                || (!wake.held && wake.due_at <= now)
        };
        let mut wakes: Vec<&Wake> = self.live().filter(is_wanted).collect();
        wakes.sort_by_key(|wake| (wake.due_at, wake.wake_id));
        wakes.into_iter().map(|wake| (wake.clone(), self.leases.get(&wake.wake_id).cloned())).collect()
    }

    /// Those beyond the number that leaves room for one more, as a store gives them.
    fn oldest_sessions(&self) -> Vec<Session> {
        let mut sessions: Vec<Session> = self.sessions.values().cloned().collect();
        sessions.sort_by_key(|session| std::cmp::Reverse((session.seen_at, session.key())));
        let kept = usize::try_from(SESSIONS_MAX - 1).unwrap();
        sessions.into_iter().skip(kept).take(usize::try_from(SESSIONS_FORGOTTEN_MAX).unwrap()).collect()
    }

    fn job_named(&self, kind: &str, name: &str) -> Option<JobId> {
        let is_it =
            |job: &&Job| job.kind == kind && job.name.as_deref() == Some(name) && !job.state.is_terminal();
        self.jobs.values().find(is_it).map(|job| job.job_id)
    }

    /// Of each state the first, as a store gives them.
    fn due_jobs(&self, now: Timestamp) -> Vec<Job> {
        let kept = now.plus_ms(-JOB_KEPT_MS);
        let until = [(JobState::Running, now), (JobState::Queued, now), (JobState::Completed, kept)];
        let of = |(state, until)| {
            let is_due = move |job: &&Job| job.state == state && job.due_at() <= until;
            let mut jobs: Vec<Job> = self.jobs.values().filter(is_due).cloned().collect();
            jobs.sort_by_key(|job| (job.due_at(), job.job_id));
            jobs.truncate(usize::try_from(DUE_JOBS_MAX).unwrap());
            jobs
        };
        until.into_iter().flat_map(of).collect()
    }

    fn used(&self, digest: &Digest, entries: &[Vec<Event>]) -> Option<Used> {
        let (fingerprint, index) = *self.used.get(digest)?;
        let events = entries[usize::try_from(index).unwrap()].clone();
        // The ledger holds no free text: what comes back from it has none.
        let json = serde_json::to_string(&events).unwrap();
        Some(Used { fingerprint, index, events: serde_json::from_str(&json).unwrap() })
    }

    /// What a store counts.
    pub(crate) fn census(&self, entries: &[Vec<Event>]) -> Census {
        let mut census = Census {
            ledger_size: entries.len() as u64,
            totals: self.job_totals.clone(),
            messages: self.messages.len() as u64,
            ..Census::default()
        };
        for job in self.jobs.values() {
            *census.jobs.entry(job.state).or_default() += 1;
        }
        let waiting = self.jobs.values().filter(|job| job.state == JobState::Queued);
        census.first_due_at = waiting.map(Job::due_at).min();
        for thread in self.threads.values() {
            *census.threads.entry(thread.status.as_str().into()).or_default() += 1;
        }
        for wake in self.wakes.values() {
            let name = wake.result.map_or(wake.state.as_str(), |result| result.as_str());
            *census.wakes.entry(name.into()).or_default() += 1;
        }
        census
    }

    /// In the order of their first reports.
    fn findings_of(&self, thread: ThreadId) -> Vec<Finding> {
        let mut findings = self.findings.get(&thread).cloned().unwrap_or_default();
        findings.sort_by_key(|finding| (finding.reported_seq, finding.finding_id));
        findings
    }

    /// Write what a batch changed; what is appended may be there only once.
    pub(crate) fn apply(&mut self, changes: Vec<RowChange>) {
        for change in changes {
            match change {
                RowChange::Agent(agent) => drop(self.agents.insert(agent.name.clone(), agent)),
                RowChange::Thread(thread) => drop(self.threads.insert(thread.thread_id, thread)),
                RowChange::Member(agent, thread) => {
                    self.members.insert((agent, thread));
                }
                RowChange::Unmember(agent, thread) => {
                    assert!(self.members.remove(&(agent, thread)), "only who is a member is removed");
                }
                RowChange::Message(message, position) => {
                    let id = message.head.message_id;
                    assert!(
                        !self.messages.values().any(|(other, _)| other.head.message_id == id),
                        "{id} is used for two messages"
                    );
                    let key = (message.thread_id, message.head.seq);
                    assert!(self.messages.insert(key, (message, position)).is_none(), "{key:?} twice");
                }
                RowChange::Withdrawal(thread, id, withdrawal) => {
                    let of_thread = |m: &&mut (Message, Position)| m.0.thread_id == thread;
                    let mut all = self.messages.values_mut().filter(of_thread);
                    let found = all.find(|(message, _)| message.head.message_id == id).unwrap();
                    assert_eq!(found.0.withdrawal.replace(withdrawal), None, "{id} is taken back twice");
                }
                RowChange::Answer(thread, to, answer) => {
                    assert_ne!(to, answer.message_id, "a message answers itself");
                    self.answers.entry((thread, to, answer.agent.clone())).or_insert(answer);
                }
                RowChange::Halt(halt) => {
                    assert_ne!(self.halt.is_some(), halt.is_some(), "stopped twice, or not at all");
                    self.halt = halt;
                }
                RowChange::Wake(wake) => drop(self.wakes.insert(wake.wake_id, wake)),
                RowChange::Finding(finding) => {
                    let findings = self.findings.entry(finding.thread_id).or_default();
                    findings.retain(|other| other.finding_id != finding.finding_id);
                    findings.push(finding);
                    findings.sort_by_key(|finding| (finding.reported_seq, finding.finding_id));
                }
                RowChange::Timeline(thread, position, event) => {
                    assert!(!self.timeline.iter().any(|(t, p, _)| *t == thread && *p == position));
                    self.timeline.push((thread, position, event));
                }
                RowChange::Idempotency(key, fingerprint, index) => {
                    assert!(self.used.insert(key, (fingerprint, index)).is_none(), "a key is used twice");
                }
                RowChange::Lease(lease) => drop(self.leases.insert(lease.wake_id, lease)),
                RowChange::Unlease(id) => drop(self.leases.remove(&id)),
                RowChange::Session(session) => drop(self.sessions.insert(session.key(), *session)),
                RowChange::Unsession(key) => drop(self.sessions.remove(&key)),
                RowChange::Supervisor(name, Some(one)) => drop(self.supervisors.insert(name, one)),
                RowChange::Supervisor(name, None) => drop(self.supervisors.remove(&name)),
                RowChange::Job(job) => drop(self.jobs.insert(job.job_id, job)),
                RowChange::Unjob(id) => drop(self.jobs.remove(&id)),
                RowChange::JobTotals(totals) => self.job_totals = totals,
                RowChange::Snapshot(one) => {
                    assert!(
                        self.snapshots.insert(one.snapshot_id, *one).is_none(),
                        "a snapshot is taken once"
                    );
                }
                RowChange::Webhook(one) => drop(self.webhooks.insert(one.webhook_id, *one)),
                RowChange::Unwebhook(id) => drop(self.webhooks.remove(&id)),
            }
        }
    }

    /// The rows that follow from the ledger alone.
    pub(crate) fn projected(&self) -> Self {
        let mut webhooks = self.webhooks.clone();
        for webhook in webhooks.values_mut() {
            webhook.progress = Progress::default();
        }
        let (leases, jobs, used) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (sessions, supervisors) = (BTreeMap::new(), BTreeMap::new());
        Self { used, leases, jobs, webhooks, sessions, supervisors, ..self.clone() }
    }
}
