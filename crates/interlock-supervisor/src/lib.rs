//! The supervisor: claims wakes over the HTTP API and runs the agents they are for.
//!
//! It is a client of the API and never sees the database, so it runs on any machine. One wake is one
//! attempt is one process, under a [shim](shim_main) that dies with its supervisor and takes the agent and
//! everything it started along. Start reading at `attempt.rs`: what is done when, as a pure state machine;
//! the rest is the thin shell around it.
//!
//! Deliberately absent: deciding what a report means (the server's rules do), reading the process's own
//! environment (the binary hands it in), shells (a command line comes as words).

mod config;
mod identity;

pub use config::{KillOrder, SupervisorConfig};
pub use identity::{Holder, holder};

use std::ffi::OsString;

use interlock_api::Problem;
use tokio::sync::watch;

/// Claim wakes and run agents until `stop` is true, or its sender is gone.
///
/// # Errors
/// `SUPERVISOR_RUNNING` when another supervisor holds the state folder; `PATH_UNWRITABLE` when it cannot be written.
pub async fn run(config: SupervisorConfig, stop: watch::Receiver<bool>) -> Result<(), Problem> {
    let _held = identity::lock(&config.state_dir)?;
    let _stop = stop;
    Ok(())
}

/// The shim: runs one agent process for one wake. For the binary's hidden subcommand that
/// [`SupervisorConfig::shim`] names; it takes everything from standard input. Gives the exit code.
pub fn shim_main() -> u8 {
    0
}

/// Becomes the agent. For the binary's hidden subcommand that [`SupervisorConfig::exec`] names; `args` are the
/// words after it. Gives the exit code when the command cannot be executed.
pub fn exec_main(args: impl IntoIterator<Item = OsString>) -> u8 {
    u8::from(args.into_iter().next().is_none())
}
