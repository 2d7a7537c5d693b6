//! Looking into a batch: works that load facts, or write what they are told, and nothing else.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use interlock_core::actor::AgentName;
use interlock_core::facts::{Facts, Key, Keys};
use interlock_core::id::WorkspaceId;
use interlock_core::job::{Job, JobState};
use interlock_core::limits::JOB_KEPT_MS;
use interlock_core::policy::Policy;
use interlock_core::snapshot::Census;
use interlock_core::wake::WakeResult;
use interlock_store::{BatchWork, Committed, Head, LedgerHead, Step, Store, StoreError, WriteSet};

use crate::Mirror;

type Decide = Box<dyn FnMut(&Head) -> Step + Send>;

/// Loads `keys`, keeps what it was given and answers with a step.
pub(crate) struct Probe {
    pub(crate) keys: Keys,
    pub(crate) facts: Option<Facts>,
    pub(crate) head: Option<Head>,
    step: Decide,
}

impl Probe {
    pub(crate) fn new(keys: Keys, step: impl FnMut(&Head) -> Step + Send + 'static) -> Box<Self> {
        Box::new(Self { keys, facts: None, head: None, step: Box::new(step) })
    }
}

impl BatchWork for Probe {
    fn start(&mut self) -> (Keys, Facts) {
        (self.keys.clone(), Facts::new(Policy::default()))
    }

    fn tree_size(&self) -> Option<u64> {
        None
    }

    fn decide(&mut self, facts: &mut Facts, head: &Head) -> Step {
        self.facts = Some(facts.clone());
        self.head = Some(head.clone());
        (self.step)(head)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// Run a probe.
pub(crate) async fn probe(
    store: &Arc<dyn Store>,
    ws: WorkspaceId,
    probe: Box<Probe>,
) -> (Box<Probe>, Result<Committed, StoreError>) {
    let (work, result) = store.batch(ws, probe).await;
    (work.into_any().downcast::<Probe>().unwrap(), result)
}

/// The facts behind these keys, and the head.
pub(crate) async fn load(store: &Arc<dyn Store>, ws: WorkspaceId, keys: Keys) -> (Facts, Head) {
    let look = Probe::new(keys, |_| Step::Write(WriteSet::default()));
    let (look, result) = probe(store, ws, look).await;
    result.unwrap();
    (look.facts.unwrap(), look.head.unwrap())
}

/// Everything there is to compare two moments of a workspace by.
pub(crate) async fn everything(store: &Arc<dyn Store>, ws: WorkspaceId) -> (Vec<String>, LedgerHead, String) {
    let (_, head) = load(store, ws, Keys::new()).await;
    let edge = format!("{:?} {:?} {:?} {:?}", head.last_leaf, head.last_at, head.batch_id, head.edge);
    (store.dump(ws).await.unwrap(), store.ledger_head(ws).await.unwrap(), edge)
}

/// What the store loads is what the changes made.
pub(crate) async fn check_facts(store: &Arc<dyn Store>, ws: WorkspaceId, mirror: &Mirror) {
    let mut keys: Keys = mirror.agents.keys().cloned().map(Key::Agent).collect();
    keys.extend(mirror.used.keys().copied().map(Key::Idempotency));
    keys.extend(mirror.wakes.keys().copied().map(Key::Wake));
    keys.extend(mirror.jobs.keys().copied().map(Key::Job));
    keys.extend([Key::DueJobs, Key::JobTotals, Key::Census, Key::Webhooks, Key::Terminals, Key::Supervisors]);
    keys.extend(mirror.sessions.keys().map(|(agent, _)| Key::Sessions(agent.clone())));
    for thread in mirror.threads.keys() {
        keys.extend([Key::Thread(*thread), Key::ThreadWakes(*thread), Key::Findings(*thread)]);
    }
    keys.extend(
        mirror.messages.values().map(|m| Key::Message(m.message.thread_id, m.message.head.message_id)),
    );
    keys.insert(Key::Halt);
    let (facts, head) = load(store, ws, keys.clone()).await;
    for (id, job) in &mirror.jobs {
        assert_eq!(facts.job(*id).unwrap(), Some(job));
    }
    for (key, session) in &mirror.sessions {
        assert_eq!(facts.session(key).unwrap(), Some(session));
    }
    let open = mirror.sessions.values().filter(|session| session.is_terminal()).collect::<Vec<_>>();
    assert_eq!(facts.terminals().unwrap().collect::<Vec<_>>(), open);
    let supervisors = mirror.supervisors.values().collect::<Vec<_>>();
    assert_eq!(facts.supervisors().unwrap().collect::<Vec<_>>(), supervisors);
    assert_eq!(facts.webhooks().unwrap(), &mirror.webhooks);
    let stored = store.webhooks(ws).await.unwrap();
    assert_eq!(stored, mirror.webhooks.values().cloned().collect::<Vec<_>>());
    let due: BTreeSet<_> = facts.due_jobs().unwrap().map(|job| job.job_id).collect();
    let is_due = |job: &&Job| match job.state {
        JobState::Queued | JobState::Running => job.due_at() <= head.wall_now,
        JobState::Completed => job.due_at().plus_ms(JOB_KEPT_MS) <= head.wall_now,
        JobState::Dead => false,
    };
    assert_eq!(due, mirror.jobs.values().filter(is_due).map(|job| job.job_id).collect());
    assert!(keys.iter().all(|key| facts.has(key)), "a key was not looked for");
    for (name, agent) in &mirror.agents {
        assert_eq!(facts.agent(name).unwrap(), Some(agent));
    }
    for (id, thread) in &mirror.threads {
        assert_eq!(facts.thread(*id).unwrap(), Some(thread));
        assert_eq!(facts.thread_wakes(*id).unwrap().collect::<Vec<_>>(), mirror.live_of(*id));
        let findings = mirror.findings.get(id).map_or(&[][..], Vec::as_slice);
        assert_eq!(facts.findings(*id).unwrap(), findings);
    }
    for (id, wake) in &mirror.wakes {
        assert_eq!(facts.wake(*id).unwrap(), Some(wake));
        assert_eq!(facts.lease(*id), mirror.leases.get(id));
    }
    for stored in mirror.messages.values() {
        let message = &stored.message;
        let known = facts.message(message.thread_id, message.head.message_id).unwrap().unwrap();
        assert_eq!((&known.head, known.is_withdrawn), (&message.head, message.withdrawal.is_some()));
        let read = store.message(ws, message.thread_id, message.head.message_id).await.unwrap();
        assert_eq!(read.as_ref(), Some(stored));
    }
    assert_eq!(facts.halt().unwrap(), mirror.halt.as_ref());
    assert_eq!(store.halt(ws).await.unwrap(), mirror.halt);
    check_answers(store, ws, mirror).await;
    check_counts(store, ws, mirror, &facts).await;
    let entries = store.entries(ws, 0, u32::MAX).await.unwrap();
    for (key, (fingerprint, index)) in &mirror.used {
        let used = facts.used(key).unwrap().unwrap();
        assert_eq!((used.fingerprint, used.index), (*fingerprint, *index));
        let envelope: serde_json::Value =
            serde_json::from_slice(&entries[usize::try_from(*index).unwrap()].envelope).unwrap();
        assert_eq!(serde_json::to_value(&used.events).unwrap(), envelope["events"]);
    }
}

/// Of every message what each agent answered first, and of nobody else.
async fn check_answers(store: &Arc<dyn Store>, ws: WorkspaceId, mirror: &Mirror) {
    let names: Vec<AgentName> = mirror.agents.keys().cloned().collect();
    for stored in mirror.messages.values() {
        let (thread, id) = (stored.message.thread_id, stored.message.head.message_id);
        let all = store.answers(ws, thread, id, names.clone()).await.unwrap();
        let made =
            mirror.answers.iter().filter(|((t, to, by), _)| (*t, *to) == (thread, id) && names.contains(by));
        assert_eq!(all, made.map(|(_, answer)| answer.clone()).collect::<Vec<_>>());
        for name in &names {
            let of_one = store.answers(ws, thread, id, vec![name.clone()]).await.unwrap();
            assert_eq!(
                of_one,
                all.iter().filter(|answer| answer.agent == *name).cloned().collect::<Vec<_>>()
            );
        }
    }
}

/// What is counted is what is there, and every snapshot comes back whole.
async fn check_counts(store: &Arc<dyn Store>, ws: WorkspaceId, mirror: &Mirror, facts: &Facts) {
    assert_eq!(facts.job_totals().unwrap(), &mirror.job_totals);
    let mut census = Census {
        ledger_size: store.ledger_head(ws).await.unwrap().size,
        totals: mirror.job_totals.clone(),
        messages: mirror.messages.len() as u64,
        ..Census::default()
    };
    for job in mirror.jobs.values().filter(|job| job.state != JobState::Completed) {
        *census.jobs.entry(job.state).or_default() += 1;
    }
    let waiting = mirror.jobs.values().filter(|job| job.state == JobState::Queued);
    census.first_due_at = waiting.map(Job::due_at).min();
    for thread in mirror.threads.values() {
        *census.threads.entry(thread.status.to_string()).or_default() += 1;
    }
    for wake in mirror.wakes.values() {
        let name = wake.result.map_or(wake.state.as_str(), WakeResult::as_str);
        *census.wakes.entry(name.into()).or_default() += 1;
    }
    assert_eq!(facts.census().unwrap(), &census);
    for (id, taken) in &mirror.snapshots {
        assert_eq!(store.snapshot(ws, *id).await.unwrap().as_ref(), Some(taken));
    }
}
