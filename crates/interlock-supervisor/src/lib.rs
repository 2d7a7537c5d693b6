//! The supervisor: claims wakes over the HTTP API and runs the agents they are for.
//!
//! It is a client of the API and never sees the database, so it runs on any machine. One wake is one
//! attempt is one process, under a [shim](shim_main) that dies with its supervisor and takes the agent and
//! everything it started along. Start reading at `attempt.rs`: what is done when, as a pure state machine;
//! the rest is the thin shell around it.
//!
//! Deliberately absent: deciding what a report means (the server's rules do), reading the process's own
//! environment (the binary hands it in), shells (a command line comes as words).

mod attempt;
mod clock;
mod codex_server;
mod config;
mod credential;
mod environment;
mod identity;
mod needs;
mod process;
mod protocol;
mod reporter;
mod runner;
mod runtime;
mod sessions;
mod shared;
mod shim;
mod supervise;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use interlock_api::Problem;
use tokio::sync::watch;

pub use codex_server::{OwnServer, has_background_server, own_server};
pub use config::{CONCURRENCY_MAX, KillOrder, Standing, SupervisorConfig};
pub use credential::Credential;
pub use identity::{Holder, holder};
pub use runtime::describe;
pub use sessions::is_open;

/// Claim wakes and run agents until `stop` is true, or its sender is gone; then stop every agent and report it.
/// Dropped before its end, it takes its agents with it at once.
///
/// # Errors
/// `SUPERVISOR_RUNNING` when another supervisor holds the state folder; `PATH_UNWRITABLE` when a folder cannot be
/// written; the server's own problem when it refuses the first claim for want of a permission.
pub async fn run(config: SupervisorConfig, stop: watch::Receiver<bool>) -> Result<(), Problem> {
    supervise::run(config, stop).await
}

/// The shim: runs one agent process for one wake. For the binary's hidden subcommand that
/// [`SupervisorConfig::shim`] names; it takes everything from standard input. Gives the exit code.
pub fn shim_main() -> u8 {
    shim::run()
}

/// Becomes the agent. For the binary's hidden subcommand that [`SupervisorConfig::exec`] names; `args` are the
/// words after it. Gives the exit code when the command cannot be executed.
pub fn exec_main(args: impl IntoIterator<Item = OsString>) -> u8 {
    shim::exec::run(args)
}

/// Whether anything lives of any agent of this state folder, its shim included: each holds a lock as long as it does.
pub fn has_agents(state_dir: &Path) -> bool {
    let files = std::fs::read_dir(agents_dir(state_dir)).into_iter().flatten().flatten();
    // A lock that is not there any more is held by nobody.
    let mut locks = files.filter_map(|file| std::fs::File::open(file.path()).ok());
    locks.any(|lock| lock.try_lock_shared().is_err())
}

/// Where the agents' locks are.
fn agents_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("agents")
}
