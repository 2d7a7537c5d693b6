//! Our own servers of Codex: one for each CODEX_HOME with an agent that wants it, which people can attach to.
//!
//! Each runs under a shim like an agent, so it dies with its supervisor. It is started with the first wake that wants it,
//! started again when it dies, and stopped in the kill order when the supervisor stops.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use interlock_core::agent::{Launch, Runtime};
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::wire::Wire;
use crate::config::SupervisorConfig;
use crate::environment::standing;
use crate::process::Shim;
use crate::protocol::{Notice, Order, Plan};
use crate::runtime;
use crate::shared::Shared;

/// How long a server may take until it listens.
pub(crate) const LISTEN_MAX: Duration = Duration::from_secs(5);
/// The pause between looks whether it does.
const LISTEN_PAUSE: Duration = Duration::from_millis(20);
/// The pause before a server that died is started again; doubles up to [`PAUSE_MAX`] as long as it dies soon.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A server that lived for this long did not die soon.
const LONG_LIFE: Duration = Duration::from_mins(1);
/// Servers of one supervisor.
pub(crate) const SERVERS_MAX: usize = 16;

/// The servers of one supervisor.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    all: Mutex<BTreeMap<PathBuf, Server>>,
    /// Of every task that keeps one.
    tasks: std::sync::Mutex<Vec<AbortHandle>>,
}

/// The servers of a supervisor end with this, at once where they were not stopped before.
#[derive(Debug)]
pub(crate) struct Ends(pub(crate) Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        // Each takes its shim's standard input with it, and so its server's life.
        for task in self.0.servers.tasks().drain(..) {
            task.abort();
        }
        self.0.watchers.end();
    }
}

#[derive(Debug)]
struct Server {
    /// What it was started with: an agent that wants something else does not get this one.
    words: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    socket: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Servers {
    /// The socket of the server for this agent, once it listens; started if there is none.
    pub(crate) async fn socket(&self, shared: &Arc<Shared>, launch: &Launch) -> Result<PathBuf, String> {
        let config = &shared.config;
        let home = runtime::home(Runtime::Codex, launch, &config.environment)
            .ok_or("neither CODEX_HOME nor HOME is set for the agent")?;
        let socket = super::socket(&config.state_dir, &home);
        let words = words(launch, &socket);
        let environment =
            standing(launch, &config.environment, &["CODEX_HOME"]).map_err(|failure| failure.detail)?;
        let mut all = self.all.lock().await;
        let count = all.len();
        match all.entry(socket.clone()) {
            Entry::Occupied(there) => {
                let there = there.get();
                if (&there.words, &there.environment) != (&words, &environment.variables) {
                    return Err(
                        "the server of its CODEX_HOME was started with other words or variables".into()
                    );
                }
            }
            Entry::Vacant(_) if count >= SERVERS_MAX => {
                return Err(format!("a supervisor runs at most {SERVERS_MAX} servers of Codex"));
            }
            Entry::Vacant(place) => {
                let (stop, stopping) = watch::channel(false);
                let plan =
                    plan(config, &socket, words.clone(), environment.variables.clone(), environment.secrets);
                let task = tokio::spawn(keep(Arc::clone(shared), plan, socket.clone(), stopping));
                self.tasks().push(task.abort_handle());
                let environment = environment.variables;
                place.insert(Server { words, environment, socket: socket.clone(), stop, task });
            }
        }
        drop(all);
        listens(&socket).await.map(|()| socket)
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stop them all, in the kill order, and wait for their ends.
    pub(crate) async fn stop(&self) {
        let all = std::mem::take(&mut *self.all.lock().await);
        for server in all.values() {
            server.stop.send_replace(true);
        }
        for server in all.into_values() {
            if server.task.await.is_err() {
                tracing::warn!(socket = %server.socket.display(), "codex_server.not_stopped");
            }
        }
    }
}

fn words(launch: &Launch, socket: &Path) -> Vec<String> {
    let mut words = runtime::program(launch, "codex");
    words.extend(["app-server".to_owned(), "--listen".to_owned(), format!("unix://{}", socket.display())]);
    words
}

fn plan(
    config: &SupervisorConfig,
    socket: &Path,
    command: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    secrets: Vec<OsString>,
) -> Plan {
    let as_ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let name = socket.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Plan {
        wake: "Codex's server".into(),
        attempt: 1,
        command,
        directory: None,
        environment,
        secrets,
        exec: config.exec.clone(),
        // No agent can have this name.
        lock: crate::agents_dir(&config.state_dir).join(format!("@{name}.lock")).into_os_string(),
        log: socket.with_extension("log").into_os_string(),
        input: None,
        runtime: Runtime::Command,
        interrupt_ms: as_ms(config.kill_order.interrupt),
        terminate_ms: as_ms(config.kill_order.terminate),
        // It is no wake's, and serves those who are attached to it.
        lease_until_ms: None,
    }
}

async fn listens(socket: &Path) -> Result<(), String> {
    let look = async {
        while Wire::connect(socket).await.is_err() {
            tokio::time::sleep(LISTEN_PAUSE).await;
        }
    };
    let listened = tokio::time::timeout(LISTEN_MAX, look).await;
    listened.map_err(|_| {
        format!("our server of Codex does not listen; see {}", socket.with_extension("log").display())
    })
}

/// Start it again and again, until told to stop.
async fn keep(shared: Arc<Shared>, plan: Plan, socket: PathBuf, mut stop: watch::Receiver<bool>) {
    let mut pause = PAUSE;
    loop {
        let start = tokio::time::Instant::now();
        if let Err(error) = run(&shared.config.shim, &plan, &socket, &mut stop).await {
            tracing::warn!(socket = %socket.display(), %error, "codex_server.not_started");
        }
        if *stop.borrow() {
            break;
        }
        pause = if start.elapsed() >= LONG_LIFE { PAUSE } else { (pause * 2).min(PAUSE_MAX) };
        tracing::warn!(socket = %socket.display(), ?pause, "codex_server.ended");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told(&mut stop) => break,
        }
    }
    // Of a server that was killed the link to its socket is left.
    if let Err(error) = std::fs::remove_file(&socket)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(socket = %socket.display(), %error, "codex_server.socket_left");
    }
}

/// Wait for the order to stop; the end of whoever gives it is one too.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|is_stop| *is_stop).await);
}

/// One life of it.
async fn run(
    shim: &[OsString],
    plan: &Plan,
    socket: &Path,
    stop: &mut watch::Receiver<bool>,
) -> std::io::Result<()> {
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut shim = Shim::start(shim, plan, Stdio::inherit()).await?;
    let mut is_stopping = false;
    loop {
        let notice = tokio::select! {
            notice = shim.next() => notice,
            () = told(stop), if !is_stopping => {
                is_stopping = true;
                shim.order(Order::Stop).await;
                continue;
            }
        };
        match notice {
            Some(Notice::Started { pid }) => {
                tracing::info!(socket = %socket.display(), pid, "codex_server.started");
                shim.group = Some(pid);
            }
            Some(Notice::Failed(failure)) => return Err(std::io::Error::other(failure.detail)),
            Some(Notice::Exited { .. } | Notice::Signalled { .. } | Notice::Busy | Notice::Cancelled) => {
                break;
            }
            Some(_) => {}
            None => {
                crate::process::clear(PathBuf::from(&plan.lock), shim.group).await;
                break;
            }
        }
    }
    Ok(())
}
