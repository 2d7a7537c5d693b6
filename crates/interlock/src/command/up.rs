//! `interlock up`: the server of an instance, with its supervisor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_core::Reason;
use interlock_supervisor::{Credential as _, SupervisorConfig};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::runner::{OwnKeys, RunnerParams};
use crate::context::Context;
use crate::database::DatabaseParams;
use crate::exit::{Answer, End, Failure};
use crate::instance::{Instance, Run};
use crate::node::{self, Node};
use crate::output::Output;
use crate::{environment, jobs, serverlog};

/// How long agents may take to end before the server stops all the same.
const AGENTS_STOP: Duration = Duration::from_secs(10);

/// Threads for requests at most.
const WORKERS_MAX: usize = 4;

/// What `up` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Where to listen, on a loopback address; the configuration's address unless said otherwise.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    database: DatabaseParams,
    /// Only the server: wakes wait for a supervisor started with `interlock supervise`.
    #[arg(long)]
    server_only: bool,
    /// Let no commit announce its wakes: for measurements of the polling net.
    #[arg(long, hide = true)]
    drop_announcements: bool,
    #[command(flatten)]
    runner: RunnerParams,
    /// Stop when standard input ends: for a parent that must not leave a server behind.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Serve until told to stop.
pub(crate) fn run(cx: &Context, params: &Params) -> End {
    let instance = cx.instance()?;
    let _log = serverlog::start(&instance.server_log(), environment::log_filter().as_deref())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build().map_err(
            |error| Problem::new(Reason::Defect, &format!("the runtime cannot start: {error}"), ""),
        )?;
    let end = runtime.block_on(serve(cx, &instance, params));
    // A blocked read of standard input must not keep the process.
    runtime.shutdown_background();
    end
}

/// Threads for requests: half of the cores. The database's writer needs one for itself, and a worker with nothing to
/// do is woken all the same to look for something.
fn workers() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, WORKERS_MAX)
}

async fn serve(cx: &Context, instance: &Instance, params: &Params) -> End {
    let Node { engine, server, lock, store, webhooks, neighbours } =
        node::open(instance, params.listen, params.database.of(cx, instance)).await?;
    if params.drop_announcements {
        engine.drop_announcements();
    }
    let run = node::run_of(&server);
    instance.write_run(&run)?;
    let (stop_agents, agents_stop) = watch::channel(false);
    let (stop_jobs, jobs_stop) = watch::channel(false);
    let (stop_server, server_stop) = watch::channel(false);
    let workspace_id = instance.config.workspace_id;
    let telling = Arc::clone(&webhooks).follow(workspace_id, jobs_stop.clone());
    let reminding = Arc::clone(&engine).remind_owners(workspace_id, jobs_stop.clone());
    let working = jobs::runner(&engine, &webhooks, instance, &run.url)?.run(jobs_stop);
    let serving = tokio::spawn(server.serve(server_stop));
    let working = tokio::spawn(async move { tokio::join!(working, telling, reminding) });
    tracing::info!(url = run.url, pid = run.pid, "server.started");
    if let Err(problem) = super::resume::own_halt(cx, instance, &run).await {
        // Agents stay stopped, which `status` shows; `interlock resume` lets them go on.
        tracing::warn!(%problem, "agents.not_resumed");
    }
    announce(cx, instance, &run)?;

    let mut supervising = if params.server_only {
        tokio::spawn(std::future::pending())
    } else {
        tokio::spawn(interlock_supervisor::run(supervisor(instance, &run, &params.runner)?, agents_stop))
    };
    let ended = tokio::select! {
        () = told_to_stop(params.until_stdin_closes) => Ok(()),
        ended = &mut supervising => ended.unwrap_or_else(|error| {
            Err(Problem::new(Reason::Defect, &format!("the supervisor ended: {error}"), ""))
        }),
    };
    stop_jobs.send_replace(true);
    // Other servers' agents go on.
    engine.end_here(instance.config.workspace_id);
    stop_agents.send_replace(true);
    if ended.is_ok() && !params.server_only && tokio::time::timeout(AGENTS_STOP, supervising).await.is_err() {
        tracing::warn!("agents.stop_cut_off");
    }
    if let Err(error) = working.await {
        tracing::error!(%error, "jobs.ended_badly");
    }
    stop_server.send_replace(true);
    if let Err(error) = serving.await {
        tracing::error!(%error, "server.ended_badly");
    }
    if let Some(neighbours) = neighbours {
        neighbours.leave().await;
    }
    if let Err(error) = store.close().await {
        // The next start reads the log as it is.
        tracing::warn!(%error, "database.not_folded");
    }
    instance.remove_run();
    drop(lock);
    tracing::info!("server.stopped");
    ended?;
    Ok(Answer::written())
}

fn announce(cx: &Context, instance: &Instance, run: &Run) -> Result<(), Failure> {
    let folder = instance.folder().display().to_string();
    if cx.output.is_json() {
        let ready = serde_json::json!({
            "event": "ready", "url": run.url, "mcp_url": run.mcp_url, "pid": run.pid, "instance": folder,
        });
        return Output::line(&ready);
    }
    Output::text(&format!(
        "ready on {} (instance {folder})\nlook: interlock status   stop: interlock stop, or Ctrl-C\n",
        run.url
    ))
}

/// The supervisor inside `up` is a client like any other.
fn supervisor(instance: &Instance, run: &Run, params: &RunnerParams) -> Result<SupervisorConfig, Problem> {
    let keys = OwnKeys(instance.clone());
    let client = Client::new(&run.url, Some(keys.read()?))?;
    let mut config = configure(client, instance.state(), instance.wake_logs())?;
    params.apply(&mut config)?;
    config.credential = Some(Arc::new(keys));
    Ok(config)
}

/// A supervisor's configuration with this binary as its shim.
pub(crate) fn configure(
    client: Client,
    state: std::path::PathBuf,
    logs: std::path::PathBuf,
) -> Result<SupervisorConfig, Problem> {
    let program = environment::program()?;
    let client = client.warning(|text| tracing::warn!(text, "server.deprecated"));
    let mut config = SupervisorConfig::new(client, state, logs, program);
    config.environment = environment::all();
    Ok(config)
}

/// SIGINT, SIGTERM, or the end of standard input when that is the leash.
pub(crate) async fn told_to_stop(until_stdin_closes: bool) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without signal handlers the defaults end the process, which is a stop as well.
        return std::future::pending().await;
    };
    let stdin = async {
        if !until_stdin_closes {
            return std::future::pending().await;
        }
        let mut bytes = [0; 256];
        let mut stdin = tokio::io::stdin();
        while matches!(stdin.read(&mut bytes).await, Ok(read) if read > 0) {}
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stdin => {}
    }
}
