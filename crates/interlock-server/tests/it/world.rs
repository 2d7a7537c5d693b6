//! A server on a temporary file and a free port, spoken to in the domain's words.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use interlock_api::client::Client;
use interlock_api::v1::message::{PostMessageParams, PostMessageResponse};
use interlock_api::{Op, Problem, operations as op};
use interlock_core::actor::{Actor, AgentName, Role};
use interlock_core::command::{ClaimJobs, Command, FinishJob, JobOutcome};
use interlock_core::denial::Attempt;
use interlock_core::id::{JobId, MessageId, SnapshotId, ThreadId, WakeId, WebhookId, WorkspaceId};
use interlock_core::job::NewJob;
use interlock_core::policy::Policy;
use interlock_core::{Reply, Timestamp};
use interlock_engine::read::Store;
use interlock_engine::{Engine, EngineConfig, Issuer, JobRunner, Request, RunnerOptions, authorize};
use interlock_ledger::LogKey;
use interlock_server::{RateLimits, Server, ServerConfig, WebhookOptions, Webhooks, router};
use interlock_store_postgres::PostgresStore;
use interlock_store_sqlite::{Options, SqliteStore};
use interlock_testkit::faults::FaultyStore;
use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long tokens of these tests hold.
const TOKEN_MS: i64 = 3_600_000;
/// What the jobs of these tests have to work with, and nobody is shown.
pub(crate) const HIDDEN: &str = "hunter2-in-a-payload";
/// The request that was denied on the stage.
pub(crate) const DENIED: &str = "denied-on-the-stage";
/// A wait that nobody here sits out: what ends it is a commit.
pub(crate) const LONG_MS: u32 = 50_000;

/// A running server over a store with faults, and two workspaces.
pub(crate) struct World {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) engine: Arc<Engine>,
    /// The same routes without a socket.
    pub(crate) router: Router,
    pub(crate) url: String,
    pub(crate) here: WorkspaceId,
    pub(crate) there: WorkspaceId,
    pub(crate) webhooks: Arc<Webhooks>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    clock_shift_ms: Arc<AtomicI64>,
    issuer_pem: String,
    limits: RateLimits,
    options: WebhookOptions,
    folder: tempfile::TempDir,
    database: Option<TestDatabase>,
}

/// What stands in the workspace before a test begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    /// A thread of the coordinator, the executor and the participant.
    pub(crate) thread: ThreadId,
    /// The executor's pending wake, asked for by the coordinator's first message.
    pub(crate) wake: WakeId,
    /// The coordinator's first message.
    pub(crate) message: MessageId,
    /// A dead job.
    pub(crate) job: JobId,
    /// A webhook whose receiver is not there.
    pub(crate) webhook: WebhookId,
    /// A snapshot of everything else.
    pub(crate) snapshot: SnapshotId,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_limits(RateLimits::default()).await
    }

    pub(crate) async fn with_limits(limits: RateLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer_pem = Issuer::generate_pem().unwrap();
        Self::boot(folder, database(), issuer_pem, limits, quick(), Arc::default()).await
    }

    /// The same on a file, whatever the tests are asked to run on.
    pub(crate) async fn on_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer_pem = Issuer::generate_pem().unwrap();
        Self::boot(folder, None, issuer_pem, RateLimits::default(), quick(), Arc::default()).await
    }

    /// The same over a PostgreSQL database, or `None` after a word on why the test is skipped.
    pub(crate) async fn on_postgres(test: &str) -> Option<Self> {
        let database = TestDatabase::make(test)?;
        let folder = tempfile::tempdir().unwrap();
        let issuer_pem = Issuer::generate_pem().unwrap();
        let limits = RateLimits::default();
        Some(Self::boot(folder, Some(database), issuer_pem, limits, quick(), Arc::default()).await)
    }

    /// From now on `here` is another workspace, in which nothing has happened yet.
    pub(crate) async fn moves(&mut self, number: u128) {
        self.here = WorkspaceId::from_u128(number);
        self.serves(self.here).await;
    }

    async fn serves(&self, workspace_id: WorkspaceId) {
        let origin = format!("interlock.test/{workspace_id}");
        self.store.create_workspace(interlock_store::Workspace { workspace_id, origin }).await.unwrap();
    }

    /// One that tells its webhooks in this way.
    pub(crate) async fn with_webhooks(options: WebhookOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer_pem = Issuer::generate_pem().unwrap();
        Self::boot(folder, database(), issuer_pem, RateLimits::default(), options, Arc::default()).await
    }

    async fn boot(
        folder: tempfile::TempDir,
        database: Option<TestDatabase>,
        issuer_pem: String,
        limits: RateLimits,
        options: WebhookOptions,
        clock_shift_ms: Arc<AtomicI64>,
    ) -> Self {
        let kept: Arc<dyn Store> = match &database {
            Some(database) => {
                let options = interlock_store_postgres::Options::at(database.url());
                Arc::new(PostgresStore::open(&options).await.unwrap())
            }
            None => Arc::new(SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap()),
        };
        let store = FaultyStore::over(kept);
        let (here, there) = (WorkspaceId::from_u128(1), WorkspaceId::from_u128(2));
        for workspace_id in [here, there] {
            let origin = format!("interlock.test/{workspace_id}");
            store.create_workspace(interlock_store::Workspace { workspace_id, origin }).await.unwrap();
        }
        let engine = engine(&store, &issuer_pem, &clock_shift_ms);
        let address = "127.0.0.1:0".parse().unwrap();
        let webhooks = Webhooks::new(Arc::clone(&engine), options.clone()).unwrap();
        let config =
            ServerConfig { engine: Arc::clone(&engine), address, limits, webhooks: Arc::clone(&webhooks) };
        let server = Server::bind(config).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let router = router(Arc::clone(&engine), limits, Arc::clone(&webhooks), stopping.clone());
        let url = server.url();
        let serving = tokio::spawn(server.serve(stopping));
        Self {
            store,
            engine,
            router,
            url,
            here,
            there,
            webhooks,
            stop,
            serving,
            clock_shift_ms,
            issuer_pem,
            limits,
            options,
            folder,
            database,
        }
    }

    /// A new server on the same file, which knows only what was written.
    pub(crate) async fn restart(self) -> Self {
        self.stop.send(true).unwrap();
        self.serving.await.unwrap();
        let Self { folder, database, issuer_pem, limits, options, clock_shift_ms, .. } = self;
        Self::boot(folder, database, issuer_pem, limits, options, clock_shift_ms).await
    }

    /// The server begins to tell its webhooks.
    pub(crate) fn tells(&self) -> JoinHandle<()> {
        self.tells_with(Arc::clone(&self.webhooks))
    }

    /// Another server on the same store does so too.
    pub(crate) fn tells_too(&self) -> JoinHandle<()> {
        self.tells_with(Webhooks::new(Arc::clone(&self.engine), self.options.clone()).unwrap())
    }

    fn tells_with(&self, webhooks: Arc<Webhooks>) -> JoinHandle<()> {
        let runner = self.runner(&webhooks);
        let stop = self.stop.subscribe();
        let telling = webhooks.follow(self.here, stop.clone());
        tokio::spawn(async move {
            tokio::join!(runner.run(stop), telling);
        })
    }

    /// What its webhooks are to be told becomes jobs, on which nobody works.
    pub(crate) fn makes_deliveries(&self) -> JoinHandle<()> {
        tokio::spawn(Arc::clone(&self.webhooks).follow(self.here, self.stop.subscribe()))
    }

    /// Somebody works on these jobs.
    pub(crate) fn delivers(&self) -> JoinHandle<()> {
        tokio::spawn(self.runner(&self.webhooks).run(self.stop.subscribe()))
    }

    fn runner(&self, webhooks: &Arc<Webhooks>) -> JobRunner {
        let options = RunnerOptions { worker: "server".into(), lease_ms: 1_000, concurrency: 16 };
        let works = vec![webhooks.work(self.here)];
        JobRunner::new(Arc::clone(&self.engine), self.here, options, works).unwrap()
    }

    /// The server is told to stop.
    pub(crate) fn stops(&self) {
        self.stop.send(true).unwrap();
    }

    /// Until it has stopped.
    pub(crate) async fn stopped(self) {
        self.serving.await.unwrap();
    }

    /// The engine's clock goes on.
    pub(crate) fn advance(&self, ms: i64) {
        self.clock_shift_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// A person or agent who goes by the name of its role.
    pub(crate) fn token(&self, role: Role) -> String {
        self.token_of(role.as_str(), role, self.here)
    }

    pub(crate) fn token_of(&self, name: &str, role: Role, workspace_id: WorkspaceId) -> String {
        self.mint(name, role, workspace_id, TOKEN_MS)
    }

    pub(crate) fn expired_token(&self, role: Role) -> String {
        self.advance(-TOKEN_MS);
        let token = self.mint(role.as_str(), role, self.here, 60_000);
        self.advance(TOKEN_MS);
        token
    }

    /// A token of this role that is taken for so many seconds more, and then no longer.
    pub(crate) fn ending_token(&self, role: Role, seconds: i64) -> String {
        // Clocks may differ by this much.
        let past_ms = 30_000 - seconds * 1_000;
        self.advance(-TOKEN_MS);
        let token = self.mint(role.as_str(), role, self.here, TOKEN_MS - past_ms);
        self.advance(TOKEN_MS);
        token
    }

    fn mint(&self, name: &str, role: Role, workspace_id: WorkspaceId, ttl_ms: i64) -> String {
        let actor =
            Actor { name: agent(name), role, workspace_id, session_id: None, wake_id: None, fence: None };
        self.engine.issuer().mint(&actor, self.engine.here(), ttl_ms).unwrap()
    }

    /// The typed client of whoever goes by the name of this role, over a real socket.
    pub(crate) fn client(&self, role: Role) -> Client {
        self.client_with(self.token(role))
    }

    pub(crate) fn client_with(&self, token: String) -> Client {
        Client::new(&self.url, Some(token)).unwrap()
    }

    /// The executor can be woken, the participant cannot, and a first message wakes the executor.
    pub(crate) async fn stage(&self) -> Stage {
        let (operator, lead) = (self.client(Role::Operator), self.client(Role::Coordinator));
        let launch = json!({"command": ["true"]});
        let executor = json!({"name": "executor", "runtime": "command", "launch": launch});
        call::<op::RegisterAgent>(&operator, &executor, "stage-executor").await.unwrap();
        call::<op::RegisterAgent>(&operator, &json!({"name": "participant"}), "stage-participant")
            .await
            .unwrap();
        let people = json!([{"agent": "executor"}, {"agent": "participant"}]);
        let thread = json!({"title": "a job", "participants": people});
        let thread = call::<op::CreateThread>(&lead, &thread, "stage-thread").await.unwrap().thread_id;
        let message = says(&lead, thread, "please begin", "stage-post").await.unwrap().message_id;
        let wakes = call::<op::ListWakes>(&lead, &json!({}), "").await.unwrap().wakes;
        let webhook = json!({"url": "http://127.0.0.1:1/gone"});
        let webhook = call::<op::CreateWebhook>(&operator, &webhook, "stage-webhook").await.unwrap().webhook;
        let (job, webhook) = (self.dead_job("stage").await, webhook.webhook_id);
        self.denied();
        let snapshot = json!({"stage": "stage"});
        let snapshot =
            call::<op::TakeSnapshot>(&self.client(Role::Operator), &snapshot, "snapshot").await.unwrap();
        let snapshot = snapshot.snapshot_id;
        Stage { thread, wake: wakes[0].wake_id, message, job, webhook, snapshot }
    }

    /// What the server itself does with jobs.
    pub(crate) async fn works(&self, command: Command) -> Reply {
        let name = agent("interlock");
        let actor = Actor {
            name,
            role: Role::Admin,
            workspace_id: self.here,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let permit = authorize::<op::RequeueJob>(&actor).unwrap();
        self.engine.execute(&permit, &Request::default(), command).await.unwrap().reply
    }

    /// A job that waits, is worked on, or is over, as the test has it.
    pub(crate) async fn job(&self, kind: &str, name: &str) -> JobId {
        let new = NewJob {
            kind: kind.into(),
            name: Some(name.into()),
            payload: json!({"hidden": HIDDEN}),
            run_at: None,
            policy: Policy::default().job_retry(),
        };
        match self.works(Command::EnqueueJob(new)).await {
            Reply::Job(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Takes every due job, and ends each so.
    pub(crate) async fn ends_jobs(&self, outcome: &JobOutcome) {
        let claim = ClaimJobs { worker: "worker".into(), limit: 32, lease_ms: 60_000 };
        let Reply::Jobs(jobs) = self.works(Command::ClaimJobs(claim)).await else { panic!("no jobs") };
        for job in jobs {
            let outcome = outcome.clone();
            self.works(Command::FinishJob(FinishJob { job_id: job.job_id, fence: job.fence, outcome })).await;
        }
    }

    pub(crate) async fn dead_job(&self, name: &str) -> JobId {
        let id = self.job("errand", name).await;
        self.ends_jobs(&JobOutcome::Hopeless("nobody is there".into())).await;
        id
    }

    /// Somebody without a thread was denied one, in a request with the id [`DENIED`].
    fn denied(&self) {
        let (name, workspace_id) = (agent("outsider"), self.here);
        let actor = Actor {
            name,
            role: Role::Participant,
            workspace_id,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let attempt = Attempt { request_id: DENIED.into(), operation: "get_thread", ..Attempt::default() };
        self.engine.note_denial(&actor, &attempt, &interlock_core::thread::hidden(ThreadId::from_u128(1)));
    }

    /// Everything that is written, of both workspaces.
    pub(crate) async fn dump(&self) -> Vec<String> {
        let mut lines = self.store.dump(self.here).await.unwrap();
        lines.extend(self.store.dump(self.there).await.unwrap());
        lines
    }

    /// Every byte of the database's files.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let rows = self.store.entries(self.here, 0, 10_000).await.unwrap();
        rows.iter().map(|row| serde_json::from_slice(&row.envelope).unwrap()).collect()
    }
}

/// The database that the tests are asked to run on, where that is not a file: `cargo xtask test` runs them on both.
fn database() -> Option<TestDatabase> {
    let store = std::env::var("INTERLOCK_TEST_STORE").unwrap_or_default();
    match store.as_str() {
        "" | "sqlite" => None,
        "postgres" => Some(TestDatabase::make("a test on PostgreSQL").expect("a PostgreSQL server")),
        other => panic!("INTERLOCK_TEST_STORE is `{other}`: it is `sqlite` or `postgres`"),
    }
}

/// Receivers are on this machine, and nobody waits long for them.
pub(crate) fn quick() -> WebhookOptions {
    WebhookOptions {
        allow_networks: vec!["127.0.0.0/8".into()],
        timeout_ms: 10_000,
        retry_base_ms: 1,
        retry_cap_ms: 5,
        attempts_max: 3,
        ..WebhookOptions::default()
    }
}

fn engine(store: &Arc<FaultyStore>, issuer_pem: &str, shift_ms: &Arc<AtomicI64>) -> Arc<Engine> {
    let shift_ms = Arc::clone(shift_ms);
    let clock = move || {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        Timestamp::from_millis(i64::try_from(wall).unwrap() + shift_ms.load(Ordering::SeqCst))
    };
    Engine::new(EngineConfig {
        store: Arc::<FaultyStore>::clone(store),
        // Nothing is found by polling here: what is found was announced.
        policy: Policy { poll_interval_ms: i64::from(LONG_MS), ..Policy::default() },
        policy_set: [String::from("poll_interval_ms")].into(),
        ledger_key: LogKey::from_seed([7; 32]),
        issuer: Issuer::from_pem(issuer_pem).unwrap(),
        clock: Arc::new(clock),
    })
    .unwrap()
}

pub(crate) fn agent(name: &str) -> AgentName {
    AgentName::parse(name).unwrap()
}

/// Calls an operation with parameters as JSON; an empty key is none.
pub(crate) async fn call<O: Op>(client: &Client, params: &Value, key: &str) -> Result<O::Response, Problem> {
    let params: O::Params = serde_json::from_value(params.clone()).unwrap();
    client.call::<O>(&params, Some(key).filter(|key| !key.is_empty())).await
}

/// Posts a chat message.
pub(crate) async fn says(
    client: &Client,
    thread: ThreadId,
    body: &str,
    key: &str,
) -> Result<PostMessageResponse, Problem> {
    let params = json!({"thread_id": thread, "body": body});
    let params: PostMessageParams = serde_json::from_value(params).unwrap();
    client.call::<op::PostMessage>(&params, Some(key)).await
}

/// The bodies of a thread's messages as this reader sees them.
pub(crate) async fn bodies(client: &Client, thread: ThreadId) -> Vec<String> {
    let params = json!({"thread_id": thread, "limit": 200});
    let read = call::<op::ReadMessages>(client, &params, "").await.unwrap();
    read.messages.into_iter().map(|message| message.body).collect()
}

/// What comes soon, long before any wait of these tests is over.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it did not come by itself")
}
