//! The engine: the one entry for every mutation, and reads for every surface.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use interlock_core::actor::{Actor, Guarded};
use interlock_core::command::{Command, Envelope};
use interlock_core::id::{CommandId, SessionId, WorkspaceId};
use interlock_core::job::JobTotals;
use interlock_core::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use interlock_core::policy::Policy;
use interlock_core::text::{Digest, fingerprint};
use interlock_core::wake::WakeResult;
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_ledger::LogKey;
use interlock_store::{JobCounts, Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::auth::Permit;
use crate::batch::Ground;
use crate::committer::{Committer, Outcome, WAITING_MAX, Waiting, unavailable};
use crate::denials::Denials;
use crate::halt::Halts;
use crate::issuer::Issuer;
use crate::notify::{Notifier, Watch};
use crate::reading::Readings;
use crate::supervisors::Heard;
use crate::tally::Tally;
use crate::wake_tally::WakeTally;

/// Sessions whose first call has been noted; forgotten all at once when there are too many.
const NOTED_MAX: usize = 10_000;

/// What an engine is made of.
pub struct EngineConfig {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The constants of waking, guarding and jobs.
    pub policy: Policy,
    /// The names of those that somebody has set; the others have their defaults.
    pub policy_set: BTreeSet<String>,
    /// Signs checkpoints.
    pub ledger_key: LogKey,
    /// Issues and verifies tokens.
    pub issuer: Issuer,
    /// Reads this machine's wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// What the surface knows of a request besides its parameters.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The request's id.
    pub request_id: String,
    /// The W3C `traceparent`.
    pub trace: Option<String>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// The parameters as canonical bytes: what the key's fingerprint is taken of.
    pub parameters: Vec<u8>,
}

/// Who calls, authenticated.
pub type Caller = Actor;

/// The shell around the rules.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) policy: Policy,
    policy_set: BTreeSet<String>,
    pub(crate) notifier: Notifier,
    pub(crate) supervisors: Mutex<BTreeMap<(WorkspaceId, String), Heard>>,
    pub(crate) began: Instant,
    pub(crate) drops_announcements: AtomicBool,
    pub(crate) halts: Halts,
    pub(crate) readings: Readings,
    pub(crate) denials: Arc<Denials>,
    ledger_key: LogKey,
    issuer: Issuer,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    committers: RwLock<BTreeMap<WorkspaceId, mpsc::Sender<Waiting>>>,
    noted: Mutex<BTreeSet<SessionId>>,
    tally: Arc<Tally>,
    wakes: Arc<WakeTally>,
}

impl Engine {
    /// An engine over this store.
    ///
    /// # Errors
    /// `CONFIG_INVALID` when the policy makes no sense.
    pub fn new(config: EngineConfig) -> Result<Arc<Self>, Refusal> {
        if let Some(fault) = config.policy.fault() {
            return Err(Refusal::new(Reason::ConfigInvalid, fault).hint("mend [policy] in config.toml"));
        }
        Ok(Arc::new(Self {
            denials: Denials::new(Arc::clone(&config.store)),
            store: config.store,
            policy: config.policy,
            policy_set: config.policy_set,
            notifier: Notifier::new(),
            supervisors: Mutex::default(),
            began: Instant::now(),
            drops_announcements: AtomicBool::new(false),
            halts: Halts::default(),
            readings: Readings::default(),
            ledger_key: config.ledger_key,
            issuer: config.issuer,
            clock: config.clock,
            committers: RwLock::default(),
            noted: Mutex::default(),
            tally: Arc::default(),
            wakes: Arc::default(),
        }))
    }

    /// The store, for reads.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The constants of waking, guarding and jobs.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether somebody has set the constant of this name.
    pub fn is_policy_set(&self, name: &str) -> bool {
        self.policy_set.contains(name)
    }

    /// How many wakes ended in each way through this engine since it began.
    pub fn wake_tally(&self) -> Vec<(WakeResult, u64)> {
        self.wakes.now()
    }

    /// What became of jobs through this engine since it began.
    pub fn job_tally(&self) -> JobTotals {
        self.tally.now()
    }

    /// How many wakes were put off through this engine since it began, by reason.
    pub fn wakes_deferred(&self) -> Vec<(Reason, u64)> {
        self.wakes.deferred()
    }

    /// The workspaces served here so far.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.committers.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// The jobs of all workspaces served here.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn job_counts(&self) -> Result<JobCounts, Refusal> {
        let mut all = JobCounts::default();
        for id in self.workspaces() {
            all.add(self.store.job_counts(id).await.map_err(|error| unavailable(&error))?);
        }
        Ok(all)
    }

    /// For how long the oldest wake of all workspaces that waits, and is not held back, has been due; 0 = none is.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn oldest_due_ms(&self) -> Result<i64, Refusal> {
        let mut oldest_ms = 0;
        for id in self.workspaces() {
            let first = self.store.next_due(id, Timestamp::default()).await;
            let first = first.map_err(|error| unavailable(&error))?;
            oldest_ms = first.map_or(0, |due| self.now().ms_since(due)).max(oldest_ms);
        }
        Ok(oldest_ms)
    }

    /// The token issuer.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The wall clock by which everything is due and over: the store's, which all servers of a database share.
    pub fn now(&self) -> Timestamp {
        self.here().plus_ms(self.store.ahead_ms())
    }

    /// This machine's own wall clock, by which tokens hold.
    pub fn here(&self) -> Timestamp {
        (self.clock)()
    }

    /// Hear of every commit from now on.
    pub fn watch(&self) -> Watch {
        self.notifier.watch()
    }

    /// The key that verifies a workspace's checkpoints, in the signed-note format.
    ///
    /// # Errors
    /// `INTERNAL` when the origin is no name.
    pub fn vkey(&self, origin: &str) -> Result<String, Refusal> {
        self.ledger_key.vkey(origin).map_err(|error| Refusal::new(Reason::Defect, error.to_string()))
    }

    /// Who holds this token, in a workspace that is served here.
    ///
    /// # Errors
    /// `TOKEN_INVALID`, `TOKEN_EXPIRED`, `WORKSPACE_UNKNOWN`, `STORE_UNAVAILABLE`.
    pub async fn authenticate(self: &Arc<Self>, token: &str) -> Result<Caller, Refusal> {
        let actor = self.issuer.verify(token)?;
        self.committer(actor.workspace_id).await.inspect_err(|refusal| {
            if refusal.reason == Reason::WorkspaceUnknown {
                // Ours by its signature, and no workspace here could be told of it.
                tracing::warn!(actor = %actor.name, workspace_id = %actor.workspace_id, "auth.workspace_unknown");
            }
        })?;
        self.note_call(&actor);
        Ok(actor)
    }

    /// Change something: authorized, decided by the rules, in the ledger and durable when this returns.
    ///
    /// # Errors
    /// What a rule refuses, or what the store cannot do now.
    pub async fn execute<G: Guarded>(
        &self,
        permit: &Permit<G>,
        request: &Request,
        command: Command,
    ) -> Result<Outcome, Refusal> {
        self.submit(permit.actor().clone(), G::OPERATION, request, command).await
    }

    pub(crate) async fn submit(
        &self,
        actor: Actor,
        operation: &'static str,
        request: &Request,
        command: Command,
    ) -> Result<Outcome, Refusal> {
        let env = self.envelope(actor, operation, request, command)?;
        let committer = self.committer(env.workspace_id).await?;
        let (reply, answer) = oneshot::channel();
        committer.try_send(Waiting { env, reply }).map_err(|_| {
            Refusal::new(Reason::ServerBusy, format!("{WAITING_MAX} commands are waiting already"))
        })?;
        answer.await.map_err(|_| Refusal::new(Reason::ServerStopping, "the server is stopping"))?
    }

    fn envelope(
        &self,
        actor: Actor,
        operation: &'static str,
        request: &Request,
        command: Command,
    ) -> Result<Envelope, Refusal> {
        let key = request.idempotency_key.clone();
        if let Some(key) = &key
            && (key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS_MAX)
        {
            return Err(Refusal::new(
                Reason::ParameterInvalid,
                format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters"),
            ));
        }
        let no_randomness = |error: getrandom::Error| Refusal::new(Reason::Defect, error.to_string());
        let entropy = crate::random_bytes().map_err(no_randomness)?;
        Ok(Envelope {
            command_id: CommandId::derive(self.now(), &entropy, 0),
            request_id: request.request_id.clone(),
            workspace_id: actor.workspace_id,
            actor,
            operation,
            fingerprint: digest_of(key.as_deref(), &request.parameters),
            trace: request.trace.clone(),
            idempotency_key: key,
            entropy,
            command,
        })
    }

    async fn committer(&self, id: WorkspaceId) -> Result<mpsc::Sender<Waiting>, Refusal> {
        let known = |senders: &BTreeMap<_, mpsc::Sender<Waiting>>| senders.get(&id).cloned();
        if let Some(sender) = known(&self.committers.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(sender);
        }
        let found = self.store.workspace(id).await.map_err(|error| unavailable(&error))?;
        let workspace = found.ok_or_else(|| unavailable(&StoreError::NoWorkspace))?;
        let ground = Arc::new(Ground {
            policy: self.policy.clone(),
            key: self.ledger_key.clone(),
            origin: workspace.origin,
        });
        let mut committers = self.committers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = known(&committers) {
            // Somebody else was faster; a workspace has one committer.
            return Ok(sender);
        }
        let (sender, queue) = mpsc::channel(WAITING_MAX);
        let (notifier, tally) = (self.notifier.clone(), Arc::clone(&self.tally));
        let wakes = Arc::clone(&self.wakes);
        let committer = Committer::new(Arc::clone(&self.store), id, ground, notifier, tally, wakes);
        tokio::spawn(committer.run(queue));
        tokio::spawn(crate::search::keep_index(Arc::clone(&self.store), id, self.notifier.watch()));
        committers.insert(id, sender.clone());
        Ok(sender)
    }

    /// The first call with a wake's own token proves that its runtime has accepted; noted beside the request.
    fn note_call(self: &Arc<Self>, actor: &Actor) {
        let (Some(session_id), Some(wake_id)) = (actor.session_id, actor.wake_id) else { return };
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.len() >= NOTED_MAX {
                noted.clear();
            }
            if !noted.insert(session_id) {
                return;
            }
        }
        let (engine, actor) = (Arc::clone(self), actor.clone());
        tokio::spawn(async move {
            let request = Request { request_id: format!("call-{session_id}"), ..Request::default() };
            if let Err(refusal) =
                engine.submit(actor, "note_call", &request, Command::NoteCall { wake_id }).await
            {
                tracing::warn!(%wake_id, %refusal, "wake.call_not_noted");
                engine.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(&session_id);
            }
        });
    }

    /// Turn a store's error into what a caller hears.
    pub fn refusal(error: &StoreError) -> Refusal {
        unavailable(error)
    }
}

/// The key goes in, of which the ledger has a digest only: without it nobody confirms a guess at the parameters.
fn digest_of(key: Option<&str>, parameters: &[u8]) -> Digest {
    fingerprint("interlock request 1", &[key.unwrap_or_default().as_bytes(), parameters])
}
