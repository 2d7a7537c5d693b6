//! `interlock supervise --server URL`: the supervisor alone, as `up` runs it inside, on this machine or another one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_core::Reason;
use interlock_supervisor::{Credential as _, Standing};
use tokio::sync::watch;

use super::runner::{RunnerParams, TokenFile};
use crate::command::up;
use crate::context::Context;
use crate::exit::{Answer, End, Failure};
use crate::instance::{make_private_folder, unwritable};
use crate::output::Output;
use crate::{environment, serverlog};

/// What `supervise` takes; the server comes from `--server`, the first token from INTERLOCK_TOKEN.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The folder for the supervisor's lock, name and logs; `.interlock` in the working directory unless said otherwise.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerParams,
    /// Stop when standard input ends: for a parent that must not leave a supervisor behind.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Run agents for a server until told to stop.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let url = cx.global.server.clone().ok_or_else(|| {
        Problem::new(Reason::UsageInvalid, "a supervisor needs the address of its server", "")
            .hint("interlock supervise --server URL, with a supervisor's token in INTERLOCK_TOKEN")
    })?;
    let folder = params.folder.clone().unwrap_or_else(|| PathBuf::from(crate::instance::FOLDER));
    for inner in ["", "state", "logs", "logs/wakes"] {
        make_private_folder(&folder.join(inner))?;
    }
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n").map_err(|error| unwritable(&ignore, &error))?;
    }
    let folder = std::fs::canonicalize(&folder).map_err(|error| unwritable(&folder, &error))?;
    let _log =
        serverlog::start(&folder.join("logs").join("supervisor.log"), environment::log_filter().as_deref())?;
    let kept = TokenFile::in_state(&folder.join("state"));
    let token = token(cx, &kept)?;
    let mut config =
        up::configure(Client::new(&url, Some(token))?, folder.join("state"), folder.join("logs/wakes"))?;
    params.runner.apply(&mut config)?;
    config.credential = Some(Arc::new(kept));
    let (stop, stopping) = watch::channel(false);
    let standing = config.standing.subscribe();
    let mut supervising = tokio::spawn(interlock_supervisor::run(config, stopping));
    let ended = |joined: Result<Result<(), Problem>, tokio::task::JoinError>| {
        joined.unwrap_or_else(|error| Err(Problem::new(Reason::Defect, &error.to_string(), "")))
    };
    tokio::select! {
        () = up::told_to_stop(params.until_stdin_closes) => {
            stop.send_replace(true);
            ended(supervising.await)?;
        }
        joined = &mut supervising => ended(joined)?,
        Err(unwritten) = announce(cx, &url, standing) => return Err(unwritten),
    }
    Ok(Answer::written())
}

/// Tell how it stands with the server; ready is only whom the server has taken.
async fn announce(cx: &Context, url: &str, mut standing: watch::Receiver<Standing>) -> Result<(), Failure> {
    loop {
        let now = *standing.borrow_and_update();
        match now {
            Standing::Unheard => {}
            Standing::Away => say(cx, "waiting", url, &format!("waiting for {url}, which does not answer"))?,
            Standing::Taken => return say(cx, "ready", url, &format!("supervising for {url}")),
        }
        if standing.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn say(cx: &Context, event: &str, url: &str, sentence: &str) -> Result<(), Failure> {
    if cx.output.is_json() {
        return Output::line(&serde_json::json!({"event": event, "server": url, "pid": std::process::id()}));
    }
    Output::text(&format!("{sentence}; stop with Ctrl-C\n"))
}

/// The token that was handed over, else the one that was kept: the server says which of them it takes.
fn token(cx: &Context, kept: &TokenFile) -> Result<String, Problem> {
    if let Some(token) = &cx.environment.token {
        return Ok(token.clone());
    }
    kept.read().map_err(|problem| {
        let missing = || {
            let detail = format!("a supervisor needs a token, and `{}` has none", kept.path().display());
            Problem::new(Reason::TokenMissing, &detail, "")
        };
        let problem = if kept.path().exists() { problem } else { missing() };
        problem.hint(
            "where the server is: interlock token issue --name NAME --role supervisor; here put it into \
             INTERLOCK_TOKEN, once",
        )
    })
}
