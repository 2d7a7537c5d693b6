//! What a supervisor is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interlock_api::client::Client;
use interlock_core::agent::Label;
use tokio::sync::watch;

use crate::credential::Credential;

/// Agents that one supervisor runs at once when nothing else is said.
const CONCURRENCY_DEFAULT: usize = 8;
/// Agents that one supervisor may run at once: what one renewal can name.
pub const CONCURRENCY_MAX: usize = 64;

/// How an agent is asked to end before it is made to: SIGINT, SIGTERM, SIGKILL, to its whole process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillOrder {
    /// Between SIGINT and SIGTERM.
    pub interrupt: Duration,
    /// Between SIGTERM and SIGKILL.
    pub terminate: Duration,
}

impl Default for KillOrder {
    fn default() -> Self {
        Self { interrupt: Duration::from_secs(2), terminate: Duration::from_secs(3) }
    }
}

/// How a supervisor stands with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing was heard of it yet.
    #[default]
    Unheard,
    /// It does not answer, and is asked again.
    Away,
    /// It has taken this supervisor; what becomes of it later changes nothing of that.
    Taken,
}

/// What a supervisor needs to know.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The server, with a token of the supervisor role.
    pub client: Client,
    /// The instance's `state/`: the supervisor's lock and name, and a lock for each agent.
    pub state_dir: PathBuf,
    /// The instance's `logs/wakes/`: what agents print.
    pub logs_dir: PathBuf,
    /// The program, as an absolute path, and first arguments that end in [`shim_main`](crate::shim_main).
    pub shim: Vec<OsString>,
    /// The program, as an absolute path, and first arguments that end in [`exec_main`](crate::exec_main): the
    /// words after them are handed to it as they are.
    pub exec: Vec<OsString>,
    /// The program, as an absolute path, and first arguments that end in the stdio bridge to us; the word after them is
    /// the file in which a wake's server and token stand while it runs.
    pub bridge: Vec<OsString>,
    /// The supervisor's own environment, from which agents are given what their contract and launch name.
    pub environment: BTreeMap<OsString, OsString>,
    /// Agents at once, 1 to 64.
    pub concurrency_max: usize,
    /// How agents are stopped.
    pub kill_order: KillOrder,
    /// What it says of itself: agents that ask for a label are run where it is.
    pub labels: BTreeSet<Label>,
    /// Where its token is kept; without it the client's token is used as long as it holds.
    pub credential: Option<Arc<dyn Credential>>,
    /// Told how it stands with its server: only one that was taken is ready.
    pub standing: watch::Sender<Standing>,
}

impl SupervisorConfig {
    /// A configuration with the defaults for everything that has one; `interlock` is the path of the binary with
    /// the subcommands `__shim` and `__exec`.
    pub fn new(client: Client, state_dir: PathBuf, logs_dir: PathBuf, interlock: PathBuf) -> Self {
        let program = interlock.into_os_string();
        Self {
            client,
            state_dir,
            logs_dir,
            shim: vec![program.clone(), "__shim".into()],
            exec: vec![program.clone(), "__exec".into()],
            bridge: vec![program, "mcp".into(), "--wake".into()],
            environment: BTreeMap::new(),
            concurrency_max: CONCURRENCY_DEFAULT,
            kill_order: KillOrder::default(),
            labels: BTreeSet::new(),
            credential: None,
            standing: watch::Sender::default(),
        }
    }
}
