//! `interlock stop`: halts every agent at once, then ends the server.

use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use interlock_api::operations::HaltAgents;
use interlock_api::v1::workspace::HaltAgentsParams;
use interlock_core::Reason;
use interlock_store_sqlite::InstanceLock;

use crate::context::Context;
use crate::exit::{Answer, End};

/// How long the server may take to end: longer than agents are given.
const STOP_MS_MAX: u64 = 20_000;
/// How often the lock is looked at meanwhile.
const LOOK_MS: u64 = 20;

/// What `stop` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {}

/// Stop the instance's server.
pub(crate) async fn run(cx: &Context, _params: &Params) -> End {
    let instance = cx.instance()?;
    let not_running = || {
        let detail = format!("no server runs on {}", instance.folder().display());
        Problem::new(Reason::ServerNotRunning, &detail, "")
    };
    let run = instance.run()?.ok_or_else(not_running)?;
    let holder = InstanceLock::holder(&instance.lock()).ok_or_else(not_running)?;
    // The lock names its holder: no process is ended that a stale file happens to name.
    if !holder.contains(&format!("process {} ", run.pid)) {
        let detail = format!("the instance is held by {holder}, which is not what run.json says");
        return Err(Problem::new(Reason::ServerRunning, &detail, "")
            .hint("end that process yourself")
            .into());
    }
    // Agents first, also those that supervisors on other machines run. A server that no longer answers is ended all
    // the same.
    let halted = cx.connect()?.change::<HaltAgents>(&HaltAgentsParams {}, None).await;
    let pid = i32::try_from(run.pid).ok().and_then(rustix::process::Pid::from_raw).ok_or_else(not_running)?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|error| {
        Problem::new(Reason::ServerRunning, &format!("process {} cannot be ended: {error}", run.pid), "")
            .hint("end it as the user who started it")
    })?;
    for _ in 0..STOP_MS_MAX / LOOK_MS {
        if InstanceLock::holder(&instance.lock()).is_none() {
            let agents = halted.map_or(0, |answer| answer.running);
            let json = serde_json::json!({"stopped": true, "pid": run.pid, "agents_halted": agents});
            let text = format!("stopped (process {}, {agents} running agents halted)\n", run.pid);
            return Ok(Answer::new(&json, text)?);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    let detail = format!("process {} does not end", run.pid);
    Err(Problem::new(Reason::ServerRunning, &detail, "").hint("look into logs/server.log").into())
}
