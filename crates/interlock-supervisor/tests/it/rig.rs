//! A supervisor under test, with its scripted server and a folder for its agents.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_supervisor::{KillOrder, SupervisorConfig, run};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::{Script, Server};
use crate::shim_rig::PROGRAM;
use crate::wait::{pids, until_async};

/// What stops a supervisor, and its end.
type Running = (watch::Sender<bool>, JoinHandle<Result<(), Problem>>);

/// A server, a folder, and maybe a supervisor.
pub(crate) struct Rig {
    /// The server.
    pub(crate) server: Server,
    /// What the supervisor is started with.
    pub(crate) config: SupervisorConfig,
    folder: tempfile::TempDir,
    running: Option<Running>,
}

impl Rig {
    /// A supervisor that runs already.
    pub(crate) async fn running() -> Self {
        let mut rig = Self::idle().await;
        rig.start();
        rig
    }

    /// A supervisor that is yet to be started.
    pub(crate) async fn idle() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(&server.url, Some("supervisor-token".into())).unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut config = SupervisorConfig::new(client, path("state"), path("logs/wakes"), PROGRAM.into());
        config.environment = BTreeMap::from([
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("OWN".into(), "own".into()),
        ]);
        let step = Duration::from_millis(200);
        config.kill_order = KillOrder { interrupt: step, terminate: step };
        Self { server, config, folder, running: None }
    }

    /// Start the supervisor.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = watch::channel(false);
        self.running = Some((stop, tokio::spawn(run(self.config.clone(), stopped))));
    }

    /// Stop the supervisor and wait for its end.
    pub(crate) async fn stop(&mut self) -> Result<(), Problem> {
        let (stop, task) = self.running.take().unwrap();
        stop.send_replace(true);
        task.await.unwrap()
    }

    /// What the supervisor ends with by itself.
    pub(crate) async fn end(&mut self) -> Result<(), Problem> {
        let (_stop, task) = self.running.take().unwrap();
        task.await.unwrap()
    }

    /// Cut the supervisor off in the midst, as its death would.
    pub(crate) async fn kill(&mut self) {
        let (_stop, task) = self.running.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// A path in the agents' folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the wake has printed.
    pub(crate) fn log(&self, wake: &str) -> String {
        std::fs::read_to_string(self.config.logs_dir.join(format!("{wake}.log"))).unwrap_or_default()
    }

    /// Let the agent be woken with this shell script; gives the wake's id.
    pub(crate) fn wake(&self, agent: &str, n: u32, script: &str) -> String {
        self.wake_with(agent, n, script, &json!({}))
    }

    /// The same with some fields of the claim changed.
    pub(crate) fn wake_with(&self, agent: &str, n: u32, script: &str, change: &Value) -> String {
        let wake_id = format!("wak_{n:026}");
        let mut claimed = json!({
            "workspace_id": format!("ws_{n:026}"), "wake": wake_view(&wake_id, agent), "fence": 1,
            "lane": "trigger", "session_id": format!("ses_{n:026}"), "token": "the-token-of-this-wake",
            "deadline": "2026-01-02T03:19:05.678Z", "prompt": "the prompt",
            "launch": { "command": ["sh", "-c", script], "directory": self.folder.path() },
            "accept_timeout_ms": 60_000, "run_ms_max": 600_000, "lease_ms": 60_000,
        });
        for (name, value) in change.as_object().unwrap() {
            claimed[name] = value.clone();
        }
        self.server.script().wakes.push_back(claimed);
        wake_id
    }

    /// Wait until the script is so.
    pub(crate) async fn until(&self, what: &str, look: impl Fn(&Script) -> bool) {
        until_async(what, || look(&self.server.script()).then_some(())).await;
    }

    /// Wait until the reports are these.
    pub(crate) async fn until_reports(&self, want: &[&str]) {
        let look = || (self.server.script().reports().len() >= want.len()).then_some(());
        until_async(&format!("{want:?}"), look).await;
        assert_eq!(self.server.script().reports(), want);
    }

    /// Wait until an agent wrote so many process ids.
    pub(crate) async fn pids(&self, name: &str, count: usize) -> Vec<i32> {
        until_async(name, || pids(&self.path(name), count)).await
    }
}

/// A wake as the server shows it.
pub(crate) fn wake_view(wake_id: &str, agent: &str) -> Value {
    json!({
        "wake_id": wake_id, "agent": agent, "thread_id": format!("thr_{:026}", 1), "seq": 7, "cause": "reviewer",
        "state": "pending", "held": false, "attempts": 0,
        "requested_at": "2026-01-02T03:04:05.678Z", "due_at": "2026-01-02T03:04:05.678Z",
    })
}
