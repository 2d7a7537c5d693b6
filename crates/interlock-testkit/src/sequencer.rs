//! A small engine: decides commands in batches and writes entries, tiles and checkpoints as the real one does.

use std::any::Any;
use std::sync::Arc;

use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::facts::{Facts, Keys, Position, RowChange, Used};
use interlock_core::id::{CommandId, WorkspaceId};
use interlock_core::policy::Policy;
use interlock_core::text::fingerprint;
use interlock_core::{
    Command, Envelope, Event, Hybrid, Now, Refusal, Reply, Stop, Timestamp, decide, evolve,
    idempotency_digest, keys, more_keys,
};
use interlock_ledger::{Checkpoint, LogKey, Tree, canonical, leaf_hash};
use interlock_store::{BatchWork, Committed, Head, NewEntry, Step, Store, StoreError, Workspace, WriteSet};
use serde_json::json;

use crate::Mirror;

/// What became of a command that was not refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The answer.
    pub reply: Reply,
    /// The ledger index of its entry, or of the first one when it is a retry.
    pub index: Option<u64>,
    /// Its events.
    pub events: Vec<Event>,
}

/// What became of a command.
pub type Outcome = Result<Done, Refusal>;

/// The writer of one workspace: commands in, committed batches out.
pub struct Sequencer {
    /// Where it writes.
    pub store: Arc<dyn Store>,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The origin line of its checkpoints.
    pub origin: String,
    /// The virtual wall clock.
    pub wall: Timestamp,
    /// The rows as `evolve` made them, kept beside the store.
    pub mirror: Mirror,
    /// Forget the tree after each batch, so that the store has to load its edge.
    pub is_forgetful: bool,
    tree: Option<Tree>,
}

impl Sequencer {
    /// A writer for workspace number `number`, made when it is not there.
    pub async fn new(store: Arc<dyn Store>, number: u128) -> Self {
        let workspace_id = WorkspaceId::from_u128(number);
        let origin = format!("interlock.test/{number}");
        store.create_workspace(Workspace { workspace_id, origin: origin.clone() }).await.unwrap();
        Self {
            store,
            workspace_id,
            origin,
            wall: Timestamp::from_millis(1_767_323_045_000),
            mirror: Mirror::default(),
            is_forgetful: false,
            tree: None,
        }
    }

    /// The key that signs the checkpoints.
    pub fn key() -> LogKey {
        LogKey::from_seed([7; 32])
    }

    /// The tree as this writer knows it.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// Go on with a store opened anew; everything is loaded from there.
    #[must_use]
    pub fn reopened(self, store: Arc<dyn Store>) -> Self {
        Self { store, tree: None, ..self }
    }

    /// Go on through another server, which knows the tree like this; gives what the one so far knows.
    pub fn turn_to(&mut self, store: Arc<dyn Store>, tree: Option<Tree>) -> Option<Tree> {
        self.store = store;
        std::mem::replace(&mut self.tree, tree)
    }

    /// One command in a batch of its own.
    pub async fn give(&mut self, envelope: Envelope) -> Outcome {
        let (mut outcomes, committed) = self.run(vec![envelope]).await;
        committed.unwrap();
        outcomes.remove(0)
    }

    /// Several commands in one batch, each seeing those before it.
    pub async fn run(&mut self, envelopes: Vec<Envelope>) -> (Vec<Outcome>, Result<Committed, StoreError>) {
        let batch = Batch {
            envelopes,
            origin: self.origin.clone(),
            wall: self.wall,
            tree: self.tree.clone().filter(|_| !self.is_forgetful),
            has_asked: false,
            outcomes: Vec::new(),
            grown: None,
            rows: Vec::new(),
        };
        let (work, committed) = self.store.batch(self.workspace_id, Box::new(batch)).await;
        let Ok(batch) = work.into_any().downcast::<Batch>() else {
            return (Vec::new(), committed);
        };
        if committed.is_ok() {
            self.mirror.apply(batch.rows);
            self.tree = batch.grown;
        }
        (batch.outcomes, committed)
    }
}

/// An envelope with everything that does not matter here filled in; entropy and fingerprint follow from `number`
/// and the command.
pub fn envelope(
    workspace_id: WorkspaceId,
    number: u64,
    by: &str,
    role: Role,
    key: Option<&str>,
    command: Command,
) -> Envelope {
    let mut entropy = [0; 32];
    entropy[..8].copy_from_slice(&number.to_be_bytes());
    Envelope {
        command_id: CommandId::from_u128(u128::from(number)),
        request_id: format!("req-{number}"),
        workspace_id,
        actor: Actor {
            name: AgentName::parse(by).unwrap(),
            role,
            workspace_id,
            session_id: None,
            wake_id: None,
            fence: None,
        },
        operation: "test",
        fingerprint: fingerprint("test", &[format!("{command:?}").as_bytes()]),
        trace: None,
        idempotency_key: key.map(Into::into),
        entropy,
        command,
    }
}

struct Batch {
    envelopes: Vec<Envelope>,
    origin: String,
    wall: Timestamp,
    tree: Option<Tree>,
    has_asked: bool,
    outcomes: Vec<Outcome>,
    grown: Option<Tree>,
    rows: Vec<RowChange>,
}

impl Batch {
    fn write(&mut self, facts: &mut Facts, head: &Head) -> Result<WriteSet, String> {
        let mut tree = match (&self.tree, &head.edge) {
            (Some(tree), None) => tree.clone(),
            (_, Some(edge)) => Tree::resume(head.size, edge).map_err(|error| error.to_string())?,
            (None, None) => return Err("the edge was not loaded".into()),
        };
        let mut prev = head.last_leaf;
        let mut set = WriteSet { last_at: head.last_at, ..WriteSet::default() };
        set.batch_id[..8].copy_from_slice(&head.size.to_be_bytes());
        if let Some(first) = self.envelopes.first() {
            set.batch_id[8..].copy_from_slice(&first.entropy[..8]);
        }
        for env in &self.envelopes {
            let now = Now { at: set.last_at.tick(self.wall), wall: self.wall };
            let decision = match decide(facts, env, &now) {
                Ok(decision) => decision,
                Err(Stop::Refused(refusal)) => {
                    self.outcomes.push(Err(refusal));
                    continue;
                }
                Err(Stop::Missing(key)) => return Err(format!("{key:?} was not declared")),
            };
            let index = tree.size();
            for (n, event) in (0..).zip(&decision.events) {
                evolve(facts, event, &Position { index, n, at: now.at }).map_err(|corrupt| corrupt.0)?;
            }
            for effect in decision.effects {
                facts.apply(effect);
            }
            let mut done = Done { reply: decision.reply, index: decision.replayed, events: decision.events };
            if !done.events.is_empty() {
                done.index = Some(index);
                set.last_at = now.at;
                let entry = entry(env, index, &prev.hex(), now.at, &done.events)?;
                prev = entry.leaf;
                tree.append(entry.leaf);
                set.entries.push(entry);
                if let Some(digest) = idempotency_digest(env) {
                    let events = done.events.clone();
                    facts.remember(digest, Used { fingerprint: env.fingerprint, index, events });
                }
            }
            self.outcomes.push(Ok(done));
        }
        if !set.entries.is_empty() {
            set.tiles = tree.take_changed();
            let checkpoint = Checkpoint { origin: self.origin.clone(), size: tree.size(), root: tree.root() };
            set.checkpoint = Some(Sequencer::key().sign_checkpoint(&checkpoint).unwrap());
        }
        set.rows = facts.take_changes();
        self.rows.clone_from(&set.rows);
        self.grown = Some(tree);
        Ok(set)
    }
}

fn entry(env: &Envelope, index: u64, prev: &str, at: Hybrid, events: &[Event]) -> Result<NewEntry, String> {
    let value = json!({
        "index": index, "prev": prev, "at": at.at, "count": at.count, "command_id": env.command_id,
        "actor": env.actor.name, "operation": env.operation, "events": events,
    });
    let envelope = canonical(&value).map_err(|error| error.to_string())?;
    Ok(NewEntry { index, leaf: leaf_hash(&envelope), envelope })
}

/// Without the guards that put wakes off or look at what is said: random callers say little that is new, and quickly.
fn calm() -> Policy {
    Policy {
        wakes_per_minute_max: 0,
        auto_wakes_max: 0,
        backlog_wakes_max: 0,
        identical_messages_max: 1_000_000,
        causal_hops_max: 1_000_000,
        takeover_grace_ms: 0,
        ..Policy::default()
    }
}

impl BatchWork for Batch {
    fn start(&mut self) -> (Keys, Facts) {
        self.outcomes.clear();
        self.has_asked = false;
        (self.envelopes.iter().flat_map(keys).collect(), Facts::new(calm()))
    }

    fn tree_size(&self) -> Option<u64> {
        self.tree.as_ref().map(Tree::size)
    }

    fn decide(&mut self, facts: &mut Facts, head: &Head) -> Step {
        if !std::mem::replace(&mut self.has_asked, true) {
            let more: Keys = self.envelopes.iter().flat_map(|env| more_keys(facts, env, self.wall)).collect();
            if !more.is_empty() {
                return Step::Load(more);
            }
        }
        match self.write(facts, head) {
            Ok(set) => Step::Write(set),
            Err(why) => Step::Abort(why),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
