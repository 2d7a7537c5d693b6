//! A batch of commands as the store runs it: decided in order, each seeing the effects of those before it.

use std::sync::Arc;

use interlock_core::actor::Role;
use interlock_core::command::Envelope;
use interlock_core::facts::{Facts, Keys, Position, Reply, Used};
use interlock_core::job::{JobState, JobStep, steps};
use interlock_core::policy::Policy;
use interlock_core::{
    Decision, Effect, Event, Hybrid, Now, Reason, Refusal, Stop, Timestamp, decide, evolve,
    idempotency_digest, keys, more_keys,
};
use interlock_ledger::{Checkpoint, Hash, LogKey, Tree, leaf_hash};
use interlock_store::{BatchWork, Head, NewEntry, Step, WriteSet};

/// What stays the same for all batches of a workspace.
pub(crate) struct Ground {
    pub(crate) policy: Policy,
    pub(crate) key: LogKey,
    pub(crate) origin: String,
}

/// What became of one command.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// Decided: the answer, the entry's index when there is one, the threads and whether supervisors are concerned.
    Done(Done),
    /// A rule said no.
    Refused(Refusal),
    /// A fact was not loaded; to be decided again with these keys.
    Missing(Keys),
}

/// See [`Verdict::Done`].
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) reply: Reply,
    pub(crate) index: Option<u64>,
    pub(crate) events: Vec<Event>,
    /// Whether it left a job for a worker.
    pub(crate) has_work: bool,
    /// What became of jobs.
    pub(crate) steps: Vec<JobStep>,
}

/// One batch.
pub(crate) struct Batch {
    ground: Arc<Ground>,
    /// What is asked, in order; taken back when the batch has run.
    pub(crate) commands: Vec<Envelope>,
    extra: Keys,
    id: [u8; 16],
    tree: Option<Tree>,
    asked_more: bool,
    /// Whether the ledger grows by it.
    pub(crate) has_entries: bool,
    /// One verdict per command, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The tree after the batch; valid once committed.
    pub(crate) grown: Option<Tree>,
}

impl Batch {
    /// A batch of these commands over a tree that is known, or not.
    pub(crate) fn new(
        ground: Arc<Ground>,
        commands: Vec<Envelope>,
        extra: Keys,
        id: [u8; 16],
        tree: Option<Tree>,
    ) -> Self {
        Self {
            ground,
            commands,
            extra,
            id,
            tree,
            asked_more: false,
            has_entries: false,
            verdicts: Vec::new(),
            grown: None,
        }
    }

    fn missing(&self, facts: &Facts, now: Timestamp) -> Keys {
        self.commands.iter().flat_map(|env| more_keys(facts, env, now)).collect()
    }

    fn run(&mut self, facts: &mut Facts, head: &Head) -> Result<WriteSet, String> {
        let mut log = Log::open(self.tree.as_ref(), head)?;
        let mut set = WriteSet { batch_id: self.id, last_at: head.last_at, ..WriteSet::default() };
        for env in &self.commands {
            let now = Now { at: set.last_at.tick(head.wall_now), wall: head.wall_now };
            let verdict = match decide(facts, env, &now) {
                Ok(decision) => record(facts, env, decision, now.at, &mut log, &mut set)?,
                Err(Stop::Refused(refusal)) => {
                    note_refusal(facts, env, &refusal, now.at, &mut log, &mut set)?;
                    Verdict::Refused(refusal)
                }
                Err(Stop::Missing(key)) => Verdict::Missing(std::iter::once(key).collect()),
            };
            self.verdicts.push(verdict);
        }
        if !set.entries.is_empty() {
            let checkpoint = Checkpoint {
                origin: self.ground.origin.clone(),
                size: log.tree.size(),
                root: log.tree.root(),
            };
            set.checkpoint =
                Some(self.ground.key.sign_checkpoint(&checkpoint).map_err(|error| error.to_string())?);
            set.tiles = log.tree.take_changed();
        }
        self.has_entries = !set.entries.is_empty();
        set.rows = facts.take_changes();
        self.grown = Some(log.tree);
        Ok(set)
    }
}

/// The append side of the ledger during a batch.
struct Log {
    tree: Tree,
    last: Hash,
}

impl Log {
    fn open(known: Option<&Tree>, head: &Head) -> Result<Self, String> {
        let tree = match (known, &head.edge) {
            (Some(tree), _) if tree.size() == head.size => tree.clone(),
            (_, Some(edge)) => Tree::resume(head.size, edge).map_err(|error| error.to_string())?,
            (_, None) => return Err(format!("the tree at size {} was not loaded", head.size)),
        };
        Ok(Self { tree, last: head.last_leaf })
    }

    fn append(&mut self, envelope: Vec<u8>) -> NewEntry {
        let leaf = leaf_hash(&envelope);
        let index = self.tree.size();
        self.tree.append(leaf);
        self.last = leaf;
        NewEntry { index, leaf, envelope }
    }
}

/// Evolve the rows by a decision's events and append its entry.
fn record(
    facts: &mut Facts,
    env: &Envelope,
    decision: Decision,
    at: Hybrid,
    log: &mut Log,
    set: &mut WriteSet,
) -> Result<Verdict, String> {
    let Decision { events, effects, reply, replayed } = decision;
    let mut index = replayed;
    if !events.is_empty() {
        let place = log.tree.size();
        let envelope = match crate::envelope::canonical(env, place, &log.last, at, &events) {
            Ok(envelope) => envelope,
            Err(error) => {
                return Ok(Verdict::Refused(Refusal::new(Reason::LimitExceeded, error.to_string())));
            }
        };
        for (n, event) in (0_u32..).zip(&events) {
            evolve(facts, event, &Position { index: place, n, at }).map_err(|corrupt| corrupt.to_string())?;
        }
        if let Some(key) = idempotency_digest(env) {
            facts.remember(key, Used { fingerprint: env.fingerprint, index: place, events: events.clone() });
        }
        set.entries.push(log.append(envelope));
        set.last_at = at;
        index = Some(place);
    }
    let has_work = effects.iter().any(is_work);
    let mut job_steps = Vec::new();
    for effect in effects {
        if let Effect::Job(job) = &effect {
            // A job that was not looked for is a new one.
            job_steps.extend(steps(facts.job(job.job_id).ok().flatten(), job));
        }
        facts.apply(effect);
    }
    Ok(Verdict::Done(Done { reply, index, events, has_work, steps: job_steps }))
}

fn is_work(effect: &Effect) -> bool {
    matches!(effect, Effect::Job(job) if job.state == JobState::Queued)
}

/// What an operator was refused is part of the history (S002-51); what agents are refused is not.
fn note_refusal(
    facts: &mut Facts,
    env: &Envelope,
    refusal: &Refusal,
    at: Hybrid,
    log: &mut Log,
    set: &mut WriteSet,
) -> Result<(), String> {
    if !matches!(env.actor.role, Role::Operator | Role::Admin) {
        return Ok(());
    }
    let event = Event::ActionRefused { operation: env.operation.to_owned(), reason: refusal.reason };
    // Without its key: the same request may succeed later.
    let env = Envelope { idempotency_key: None, ..env.clone() };
    record(facts, &env, Decision::of(vec![event]), at, log, set).map(|_| ())
}

impl BatchWork for Batch {
    fn start(&mut self) -> (Keys, Facts) {
        self.verdicts.clear();
        self.grown = None;
        self.asked_more = false;
        self.has_entries = false;
        let mut all: Keys = self.commands.iter().flat_map(keys).collect();
        all.extend(self.extra.iter().cloned());
        (all, Facts::new(self.ground.policy.clone()))
    }

    fn tree_size(&self) -> Option<u64> {
        self.tree.as_ref().map(Tree::size)
    }

    fn decide(&mut self, facts: &mut Facts, head: &Head) -> Step {
        if !self.asked_more {
            self.asked_more = true;
            let more = self.missing(facts, head.wall_now);
            if !more.is_empty() {
                return Step::Load(more);
            }
        }
        match self.run(facts, head) {
            Ok(set) => Step::Write(set),
            Err(why) => Step::Abort(why),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}
