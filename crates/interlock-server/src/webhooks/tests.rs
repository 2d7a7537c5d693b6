use interlock_api::operations as op;
use interlock_core::Timestamp;
use interlock_core::actor::{Actor, AgentName, Guarded, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::command::{Command, CreateThread, CreateWebhook, RegisterAgent, RemoveParticipant};
use interlock_core::facts::Reply;
use interlock_core::policy::Policy;
use interlock_core::thread::{ThreadKind, ThreadRole};
use interlock_core::webhook::WebhookFilter;
use interlock_engine::{EngineConfig, Issuer, Next, Request, authorize};
use interlock_ledger::LogKey;
use interlock_store::{Store as _, Workspace};
use interlock_store_sqlite::{Options, SqliteStore};

use super::*;

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

struct World {
    webhooks: Arc<Webhooks>,
    ws: WorkspaceId,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap());
        let ws = WorkspaceId::from_u128(1);
        store
            .create_workspace(Workspace { workspace_id: ws, origin: "interlock.test/1".into() })
            .await
            .unwrap();
        let engine = Engine::new(EngineConfig {
            store,
            policy: Policy::default(),
            policy_set: std::collections::BTreeSet::new(),
            ledger_key: LogKey::from_seed([7; 32]),
            issuer: Issuer::from_pem(&Issuer::generate_pem().unwrap()).unwrap(),
            clock: Arc::new(|| Timestamp::from_millis(1_767_323_045_000)),
        });
        let webhooks = Webhooks::new(engine.unwrap(), WebhookOptions::default()).unwrap();
        Self { webhooks, ws, _folder: folder }
    }

    async fn does<G: Guarded>(&self, command: Command) -> Reply {
        let role = Role::Operator;
        let actor = Actor {
            name: name("olga"),
            role,
            workspace_id: self.ws,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let permit = authorize::<G>(&actor).unwrap();
        self.webhooks.engine.execute(&permit, &Request::default(), command).await.unwrap().reply
    }

    /// The kinds of everything in the ledger that a webhook made by this caller is told of.
    async fn told(&self, by: &str, role: Role) -> Vec<String> {
        let mut webhook = self.webhooks.store().webhooks(self.ws).await.unwrap().remove(0);
        (webhook.by, webhook.role) = (name(by), role);
        let mut happened = self.webhooks.engine.happened(self.ws, Next::default()).await.unwrap().happened;
        let mut kinds = Vec::new();
        while let Some(place) = self.webhooks.first(self.ws, &webhook, happened.clone()).await.unwrap() {
            let told = happened.iter().find(|one| one.place == place).unwrap();
            kinds.push(told.value["kind"].as_str().unwrap().to_owned());
            happened.retain(|one| one.place > place);
        }
        kinds
    }
}

#[tokio::test]
async fn a_webhook_is_told_of_what_its_maker_may_see() {
    let world = World::new().await;
    for agent in ["ann", "bob"] {
        let launch = Launch::default();
        let register = RegisterAgent {
            name: name(agent),
            role: Role::Participant,
            runtime: Runtime::Unmanaged,
            launch,
            on: None,
        };
        world.does::<op::RegisterAgent>(Command::RegisterAgent(register)).await;
    }
    let participants = vec![(name("ann"), ThreadRole::Participant), (name("bob"), ThreadRole::Participant)];
    let create = CreateThread { title: "work".into(), kind: ThreadKind::Workflow, participants };
    let reply = world.does::<op::CreateThread>(Command::CreateThread(create)).await;
    let Reply::Thread(thread_id) = reply else { panic!("no thread: {reply:?}") };
    let remove = RemoveParticipant { thread_id, agent: name("bob") };
    world.does::<op::RemoveParticipant>(Command::RemoveParticipant(remove)).await;
    let create = CreateWebhook {
        url: "https://receiver.example/".into(),
        filter: WebhookFilter::default(),
        from: None,
    };
    world.does::<op::CreateWebhook>(Command::CreateWebhook(create)).await;
    let agents = ["agent.registered/1"; 2].map(str::to_owned);
    let thread = ["thread.created/1", "thread.participant_removed/1"].map(str::to_owned);
    let webhook = ["webhook.created/1".to_owned()];
    let all = [agents.as_slice(), &thread, &webhook].concat();
    assert_eq!(world.told("olga", Role::Operator).await, all);
    assert_eq!(world.told("olga", Role::Coordinator).await, all[..4], "webhooks are not for everybody");
    assert_eq!(world.told("ann", Role::Participant).await, all[..4]);
    // Whoever was removed is told no more, not even of what was before.
    assert_eq!(world.told("bob", Role::Participant).await, agents);
    assert_eq!(world.told("nobody", Role::Participant).await, agents);
}
