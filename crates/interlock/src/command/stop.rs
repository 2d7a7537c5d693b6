//! `interlock stop`: halts every agent at once, then ends the server.

use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use interlock_api::operations::HaltAgents;
use interlock_api::v1::workspace::{HaltAgentsParams, HaltAgentsResponse};
use interlock_core::Reason;
use interlock_store_sqlite::InstanceLock;
use tokio::time::Instant;

use crate::connection::{Connection, fresh_key};
use crate::context::Context;
use crate::exit::{Answer, End};

/// How long the server may take to end: longer than agents are given.
const STOP_MS_MAX: u64 = 20_000;
/// How long a store that is away is waited for with the halt: longer than a server that stands still keeps its locks.
const HALT_MS_MAX: u64 = 30_000;
/// How often the lock is looked at meanwhile, and the halt tried again.
const LOOK_MS: u64 = 20;

/// What `stop` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {}

/// Stop all agents, also those that other servers look after: a store that is away for a moment is waited for.
async fn halt(connection: &Connection) -> Result<HaltAgentsResponse, Problem> {
    let until = Instant::now() + Duration::from_millis(HALT_MS_MAX);
    // One key for all attempts: an answer that was lost is given again, with the count of that time.
    let key = fresh_key()?;
    loop {
        match connection.change::<HaltAgents>(&HaltAgentsParams {}, Some(&key)).await {
            Err(problem)
                if problem.known_reason() == Some(Reason::StoreUnavailable) && Instant::now() < until =>
            {
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
            answer => return answer,
        }
    }
}

/// Whether the server knows the caller and does not let it: then nothing is ended either. Who calls is often an agent, whose
/// environment holds its own token.
fn is_refusal(problem: &Problem) -> bool {
    problem.known_reason().is_some_and(|reason| matches!(reason.code().status(), 401 | 403))
}

/// The server has ended.
fn stopped(pid: u32, halted: &Result<HaltAgentsResponse, Problem>) -> End {
    let agents = halted.as_ref().map_or(0, |answer| answer.running);
    let json = serde_json::json!({
        "stopped": true, "pid": pid, "agents_halted": agents, "halted": halted.is_ok(),
    });
    let ended = format!("stopped (process {pid}, {agents} running agents halted)\n");
    let text = match halted {
        Ok(_) => ended,
        // Its own agents have ended with it.
        Err(problem) => {
            format!("{ended}the halt was not recorded, agents of other servers go on: {}\n", problem.detail)
        }
    };
    Ok(Answer::new(&json, text)?)
}

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
    let halted = halt(&cx.connect()?).await;
    if let Err(problem) = &halted
        && is_refusal(problem)
    {
        return Err(problem.clone().into());
    }
    if let Ok(HaltAgentsResponse { since: Some(since), was_halted: false, .. }) = halted {
        // The next start of this server ends this halt, and no other.
        instance.note_own_halt(since)?;
    }
    let pid = i32::try_from(run.pid).ok().and_then(rustix::process::Pid::from_raw).ok_or_else(not_running)?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|error| {
        Problem::new(Reason::ServerRunning, &format!("process {} cannot be ended: {error}", run.pid), "")
            .hint("end it as the user who started it")
    })?;
    for _ in 0..STOP_MS_MAX / LOOK_MS {
        if InstanceLock::holder(&instance.lock()).is_none() {
            return stopped(run.pid, &halted);
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    let detail = format!("process {} does not end", run.pid);
    Err(Problem::new(Reason::ServerRunning, &detail, "").hint("look into logs/server.log").into())
}
