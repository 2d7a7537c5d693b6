//! What is measured: a server as a second process on a throw-away instance, with a thread and two people in it.

use std::path::Path;
use std::time::{Duration, Instant};

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations::{CreateThread, RegisterAgent};
use interlock_api::v1::agent::RegisterAgentParams;
use interlock_api::v1::thread::{CreateThreadParams, ParticipantParams};
use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::thread::{ThreadKind, ThreadRole};

use super::drive::{self, Span};
use crate::child::Child;
use crate::environment::Secret;
use crate::identity;
use crate::instance::{Instance, make_private_folder, unwritable};

/// Two callers do the work of hundreds here: their requests are counted as ever, and none is refused.
const UNLIMITED: &str = "[rate]\nrequests_per_second_max = 1000000000\nrequests_burst_max = 1000000000\n";
/// One agent is woken again and again, as soon as it sleeps: what a guard puts off is not measured.
const UNGUARDED: &str = "[policy]\nwakes_per_minute_max = 0\n";
/// Who talks.
const NAMES: [&str; 2] = ["asker", "answerer"];
/// Posts before resident memory is read.
const A_FEW: Span = Span { warm: Duration::ZERO, counted: Duration::from_millis(100) };
/// What settles after a start: the allocator, and connections that close.
const SETTLE: Duration = Duration::from_millis(300);

/// Where posts go, and with which tokens.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    pub(crate) path: String,
    /// The thread.
    pub(crate) thread: String,
    pub(crate) tokens: Vec<String>,
}

/// A throw-away instance, and its server while one runs.
pub(crate) struct Stage {
    instance: Instance,
    database: Option<Secret>,
    server: Option<Child>,
    /// More servers of the same instance.
    others: Vec<Child>,
}

impl Stage {
    /// An instance in this folder.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn prepare(dir: &Path, database: Option<&Secret>) -> Result<Self, Problem> {
        Self::with_rate(dir, database, UNLIMITED)
    }

    /// The same whose callers may make so many requests in a second, and so many at once.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`.
    pub(crate) fn limited(
        dir: &Path,
        database: Option<&Secret>,
        [per_second, at_once]: [u32; 2],
    ) -> Result<Self, Problem> {
        let rate =
            format!("[rate]\nrequests_per_second_max = {per_second}\nrequests_burst_max = {at_once}\n");
        Self::with_rate(dir, database, &rate)
    }

    fn with_rate(dir: &Path, database: Option<&Secret>, rate: &str) -> Result<Self, Problem> {
        let dir = dir.join("instance");
        make_private_folder(&dir)?;
        let instance = Instance::create(&dir)?;
        let file = instance.config_file();
        let config = std::fs::read_to_string(&file).map_err(|error| unwritable(&file, &error))?;
        std::fs::write(&file, config.replace("[rate]\n", rate).replace("[policy]\n", UNGUARDED))
            .map_err(|error| unwritable(&file, &error))?;
        Ok(Self { instance, database: database.cloned(), server: None, others: Vec::new() })
    }

    /// Set constants of its policy, for servers that are started from now on.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`, or what is wrong with them.
    pub(crate) fn set_policy(&mut self, lines: &str) -> Result<(), Problem> {
        let file = self.instance.config_file();
        let config = std::fs::read_to_string(&file).map_err(|error| unwritable(&file, &error))?;
        let config = config.replacen("[policy]\n", &format!("[policy]\n{lines}"), 1);
        std::fs::write(&file, config).map_err(|error| unwritable(&file, &error))?;
        self.instance = Instance::open(self.instance.folder())?;
        Ok(())
    }

    /// Start the server alone, and let no commit announce its wakes.
    ///
    /// # Errors
    /// The problem it ended with.
    pub(crate) async fn start_deaf(&mut self) -> Result<(), Problem> {
        let options = ["--server-only", "--drop-announcements"];
        self.server = Some(Child::start(&self.instance, self.database.as_ref(), &options).await?);
        Ok(())
    }

    /// Where the server is, and a supervisor's token for it.
    ///
    /// # Errors
    /// When it does not run, or the keys cannot be read.
    pub(crate) fn for_supervisors(&self) -> Result<(String, String), Problem> {
        let name = identity::supervisor_name()?;
        let token = identity::local_token(&self.instance, &name, Role::Supervisor)?;
        Ok((self.running()?.url.clone(), token))
    }

    /// The database it is kept in; none for a file.
    pub(crate) const fn database(&self) -> Option<&Secret> {
        self.database.as_ref()
    }

    /// Start another server of the same instance on the same database; gives where posts go there.
    ///
    /// # Errors
    /// `PATH_UNWRITABLE`, the problem it ended with.
    pub(crate) async fn start_another(&mut self, dir: &Path, address: &Address) -> Result<Address, Problem> {
        let dir = dir.join(format!("another-{}", self.others.len()));
        make_private_folder(&dir)?;
        let twin = Instance::create(&dir)?;
        for (from, to) in [
            (self.instance.config_file(), twin.config_file()),
            (self.instance.keys().join("issuer.pem"), twin.keys().join("issuer.pem")),
            (self.instance.keys().join("ledger.pem"), twin.keys().join("ledger.pem")),
            (self.instance.ledger_vkey(), twin.ledger_vkey()),
        ] {
            std::fs::copy(from, &to).map_err(|error| unwritable(&to, &error))?;
        }
        let twin = Instance::open(twin.folder())?;
        let child = Child::start(&twin, self.database.as_ref(), &["--server-only"]).await?;
        let host = child.url.trim_start_matches("http://").to_owned();
        self.others.push(child);
        Ok(Address { host, ..address.clone() })
    }

    /// Start the server; gives the milliseconds until it was ready.
    ///
    /// # Errors
    /// The problem it ended with.
    pub(crate) async fn start(&mut self) -> Result<f64, Problem> {
        let before = Instant::now();
        self.server = Some(Child::start(&self.instance, self.database.as_ref(), &["--server-only"]).await?);
        Ok(before.elapsed().as_secs_f64() * 1_000.0)
    }

    /// Start the server with its supervisor.
    ///
    /// # Errors
    /// The problem it ended with.
    pub(crate) async fn start_with_supervisor(&mut self) -> Result<(), Problem> {
        self.server = Some(Child::start(&self.instance, self.database.as_ref(), &[]).await?);
        Ok(())
    }

    /// The running server as its operator sees it.
    ///
    /// # Errors
    /// When it does not run, or the keys cannot be read.
    pub(crate) fn operator(&self) -> Result<Client, Problem> {
        let name = AgentName::parse("operator").map_err(|error| defect(&error))?;
        let token = identity::local_token(&self.instance, &name, Role::Operator)?;
        Client::new(&self.running()?.url, Some(token))
    }

    /// Stop it, if it runs.
    ///
    /// # Errors
    /// `SERVER_RUNNING` when it does not end.
    pub(crate) async fn stop(&mut self) -> Result<(), Problem> {
        let mut stopped = Ok(());
        for server in self.others.drain(..).chain(self.server.take()) {
            stopped = stopped.and(server.stop().await);
        }
        stopped
    }

    /// Register who talks and open their thread.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn open_thread(&self) -> Result<Address, Problem> {
        let host = self.running()?.url.trim_start_matches("http://").to_owned();
        let client = self.operator()?;
        let mut tokens = Vec::new();
        for name in NAMES {
            let agent = AgentName::parse(name).map_err(|error| defect(&error))?;
            let (role, runtime) = (Role::Participant, Runtime::Unmanaged);
            let params = RegisterAgentParams {
                name: agent.clone(),
                role,
                runtime,
                launch: Launch::default(),
                on: None,
            };
            client.call::<RegisterAgent>(&params, Some(name)).await?;
            tokens.push(identity::local_token(&self.instance, &agent, role)?);
        }
        self.thread(host, tokens, "measured").await
    }

    /// One more thread of those who talk.
    ///
    /// # Errors
    /// What the server refuses.
    pub(crate) async fn another_thread(&self, like: &Address, title: &str) -> Result<Address, Problem> {
        self.thread(like.host.clone(), like.tokens.clone(), title).await
    }

    async fn thread(&self, host: String, tokens: Vec<String>, title: &str) -> Result<Address, Problem> {
        let mut participants = Vec::new();
        for name in NAMES {
            let agent = AgentName::parse(name).map_err(|error| defect(&error))?;
            participants.push(ParticipantParams { agent, role: ThreadRole::Participant });
        }
        let params = CreateThreadParams { title: title.into(), kind: ThreadKind::Workflow, participants };
        let thread = self.operator()?.call::<CreateThread>(&params, Some(title)).await?;
        let path = format!("/v1/threads/{}/messages", thread.thread_id);
        Ok(Address { host, path, thread: thread.thread_id.to_string(), tokens })
    }

    /// Resident memory in MB after a few posts.
    ///
    /// # Errors
    /// When posting fails, or the system does not say.
    pub(crate) async fn resident_mb(&self, address: &Address) -> Result<f64, Problem> {
        drive::posts(address, 1, A_FEW).await?;
        tokio::time::sleep(SETTLE).await;
        self.resident_now_mb()
    }

    /// Resident memory in MB as it is now.
    ///
    /// # Errors
    /// When the server does not run, or the system does not say.
    pub(crate) fn resident_now_mb(&self) -> Result<f64, Problem> {
        let resident = super::machine::resident_mb(self.running()?.pid);
        resident.ok_or_else(|| defect(&"the system does not say how much memory the server has"))
    }

    /// The server's process.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn pid(&self) -> Result<u32, Problem> {
        self.running().map(|server| server.pid)
    }

    fn running(&self) -> Result<&Child, Problem> {
        self.server.as_ref().ok_or_else(|| defect(&"the measured server does not run"))
    }
}

pub(crate) fn defect(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Reason::Defect, &error.to_string(), "")
}
