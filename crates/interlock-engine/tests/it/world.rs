//! An engine on a temporary file, spoken to in the domain's words.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use interlock_core::actor::{Actor, AgentName, Guarded, Permission, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::command::{
    AckRead, ChangeStatus, Command, CreateThread, PostMessage, RegisterAgent, Terms,
};
use interlock_core::facts::Reply;
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::policy::Policy;
use interlock_core::thread::{MessageKind, Status, ThreadKind, ThreadRole};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::read::Store as _;
use interlock_engine::{Engine, EngineConfig, Issuer, Outcome, Request, authorize};
use interlock_ledger::LogKey;
use interlock_store_sqlite::{Options, SqliteStore};
use interlock_testkit::faults::FaultyStore;
use serde_json::Value;

/// What callers get.
pub(crate) type Answer = Result<Outcome, Refusal>;

/// Stands for every operation: the engine's own rules do not depend on which.
#[derive(Debug)]
pub(crate) struct AnyWrite;

impl Guarded for AnyWrite {
    const OPERATION: &'static str = "any_write";
    const PERMISSION: Permission = Permission::MessageWrite;
}

/// An engine over a store with faults.
pub(crate) struct World {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) here: WorkspaceId,
    folder: tempfile::TempDir,
    issuer_pem: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Policy::default()).await
    }

    pub(crate) async fn with(policy: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = FaultyStore::over(Arc::new(open(&folder)));
        let here = WorkspaceId::from_u128(1);
        let issuer_pem = Issuer::generate_pem().unwrap();
        let engine = engine(Arc::<FaultyStore>::clone(&store), &issuer_pem, policy);
        let world = Self { store, engine, here, folder, issuer_pem };
        world.serves(here).await;
        world
    }

    /// Another workspace in the same file.
    pub(crate) async fn serves(&self, workspace_id: WorkspaceId) {
        let origin = format!("interlock.test/{workspace_id}");
        self.store.create_workspace(interlock_store::Workspace { workspace_id, origin }).await.unwrap();
    }

    /// A new engine on the same file, which knows only what was written.
    pub(crate) fn restart(self) -> Self {
        let store = FaultyStore::over(Arc::new(open(&self.folder)));
        let policy = self.engine.policy().clone();
        let engine = engine(Arc::<FaultyStore>::clone(&store), &self.issuer_pem, policy);
        Self { store, engine, ..self }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("interlock.db")
    }

    pub(crate) fn actor(&self, name: &str, role: Role) -> Actor {
        Actor {
            name: agent(name),
            role,
            workspace_id: self.here,
            session_id: None,
            wake_id: None,
            fence: None,
        }
    }

    /// The one who leads the threads of these tests.
    pub(crate) fn lead(&self) -> Actor {
        self.actor("lead", Role::Coordinator)
    }

    pub(crate) async fn does(&self, who: &Actor, key: &str, command: Command) -> Answer {
        let permit = authorize::<AnyWrite>(who).unwrap();
        let request = Request {
            request_id: format!("req-{key}"),
            idempotency_key: Some(key.to_owned()),
            parameters: format!("{command:?}").into_bytes(),
            trace: None,
        };
        self.engine.execute(&permit, &request, command).await
    }

    /// A thread of the lead and nobody else.
    pub(crate) async fn thread(&self) -> ThreadId {
        match self.does(&self.lead(), "open", opens(&[])).await.unwrap().reply {
            Reply::Thread(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let rows = self.store.entries(self.here, 0, 10_000).await.unwrap();
        rows.iter().map(|row| serde_json::from_slice(&row.envelope).unwrap()).collect()
    }

    pub(crate) async fn bodies(&self, thread: ThreadId) -> Vec<String> {
        let rows = self.store.messages(self.here, thread, 0, 10_000).await.unwrap();
        rows.into_iter().map(|row| row.message.text.body).collect()
    }

    /// The exported ledger verifies; gives its size.
    pub(crate) async fn ledger_verifies(&self) -> u64 {
        let signed = self.engine.signed(self.here).await.unwrap();
        let (engine, here, runtime) =
            (Arc::clone(&self.engine), self.here, tokio::runtime::Handle::current());
        let (vkey, bytes) = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            engine.export(runtime, here, &signed, &mut bytes).unwrap();
            (signed.vkey, bytes)
        })
        .await
        .unwrap();
        interlock_ledger::verify_export(bytes.as_slice(), Some(&vkey)).unwrap().size
    }
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap()
}

/// An engine over any store, whose tokens nobody asks for.
pub(crate) fn engine_over(store: Arc<dyn interlock_store::Store>, policy: Policy) -> Arc<Engine> {
    engine(store, &Issuer::generate_pem().unwrap(), policy)
}

fn engine(store: Arc<dyn interlock_store::Store>, issuer_pem: &str, policy: Policy) -> Arc<Engine> {
    let wall = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Engine::new(EngineConfig {
        store,
        policy,
        policy_set: BTreeSet::new(),
        ledger_key: LogKey::from_seed([7; 32]),
        issuer: Issuer::from_pem(issuer_pem).unwrap(),
        clock: Arc::new(move || Timestamp::from_millis(i64::try_from(wall()).unwrap())),
    })
    .unwrap()
}

pub(crate) fn agent(name: &str) -> AgentName {
    AgentName::parse(name).unwrap()
}

pub(crate) fn registers(name: &str) -> Command {
    Command::RegisterAgent(RegisterAgent {
        name: agent(name),
        role: Role::Participant,
        runtime: Runtime::Command,
        launch: Launch { command: vec!["true".into()], ..Launch::default() },
        on: None,
    })
}

pub(crate) fn opens(participants: &[&str]) -> Command {
    let participants = participants.iter().map(|name| (agent(name), ThreadRole::Participant)).collect();
    Command::CreateThread(CreateThread { title: "a job".into(), kind: ThreadKind::Workflow, participants })
}

pub(crate) fn posts(thread_id: ThreadId, body: &str) -> Command {
    Command::PostMessage(PostMessage {
        thread_id,
        kind: MessageKind::Chat,
        event_type: None,
        event_version: 1,
        schema_version: 1,
        body: body.into(),
        data: None,
        extra: serde_json::Map::new(),
        to: Vec::new(),
        to_role: None,
        in_reply_to: None,
        terms: Terms::default(),
    })
}

pub(crate) fn acks(thread_id: ThreadId, seq: u64) -> Command {
    Command::AckRead(AckRead { thread_id, seq })
}

pub(crate) fn becomes(thread_id: ThreadId, status: Status) -> Command {
    let text = String::new();
    Command::ChangeStatus(ChangeStatus { thread_id, status, reason: Reason::ByRequest, text, owner: None })
}
