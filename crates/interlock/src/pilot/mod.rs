//! `interlock pilot`: two agents finish a job on their own, and hand over the result.
//!
//! The order: [`stage`] prepares a repository and its work trees, [`child`] starts `interlock up` on a throw-away
//! instance, [`cast`] registers the agents and posts the task, [`follow`] watches the thread on a leash,
//! [`outcome`] collects what became of it, [`show`] says it to people. The agents use the public surface only.

mod cast;
mod child;
mod follow;
mod git;
mod options;
mod outcome;
mod show;
mod stage;

use std::io::Write as _;

use interlock_api::Problem;
use interlock_core::Reason;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use options::Params;

use crate::context::Context;
use crate::exit::{Answer, End, to_json};
use crate::output::Output;
use cast::Cast;
use child::Child;
use outcome::Outcome;
use show::Show;
use stage::Stage;

/// Run it, and tell the whole story also when it fails.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let mut outcome = Outcome::begin(Context::now());
    let show = Show::new(cx.output, outcome.started_at());
    let result = tokio::select! {
        result = play(cx, params, &show, &mut outcome) => result,
        () = interrupted() => Err(Problem::new(Reason::Interrupted, "interrupted; every agent was stopped", "")),
    };
    outcome.end(result, Context::now());
    let text = show.summary(&outcome, params);
    let code = outcome.exit_code();
    if cx.output.is_json() {
        // The object is the last line of standard output; people read the rest on standard error.
        Output::note(&text);
    } else {
        Output::text(&text)?;
    }
    Ok(Answer { json: Some(to_json(&outcome)?), text: String::new(), code })
}

/// Everything up to the verdict. Dropping it stops the server and so every agent, and removes what is throw-away.
async fn play(cx: &Context, params: &Params, show: &Show, outcome: &mut Outcome) -> Result<(), Problem> {
    let stage = Stage::prepare(params, show)?;
    outcome.repo = stage.repo();
    let child = Child::start(&stage).await?;
    let result = perform(cx, params, show, outcome, &stage, &child).await;
    if let Err(problem) = child.stop().await {
        Show::note(&format!("the server did not stop by itself: {problem}"));
    }
    outcome.repo = stage.repo();
    outcome.changes = stage.changes();
    stage.clear(result.is_err());
    result
}

async fn perform(
    cx: &Context,
    params: &Params,
    show: &Show,
    outcome: &mut Outcome,
    stage: &Stage,
    child: &Child,
) -> Result<(), Problem> {
    let cast = Cast::assemble(cx, params, stage, child).await?;
    outcome.thread.id = cast.thread_id.to_string();
    show.opening(stage, &cast);
    let followed = follow::follow(&cast, params, show, outcome, child).await;
    // What happened is collected however it ended, as far as the server still answers.
    let collected = outcome.collect(&cast, stage).await;
    outcome.verdict = followed?;
    collected
}

/// Ctrl-C, or being told to end.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // Ends the line that a terminal shows the key on; nobody may be looking.
    let _nobody = writeln!(std::io::stderr());
}
