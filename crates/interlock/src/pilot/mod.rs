//! `interlock pilot`: two agents finish a job on their own, and hand over the result.
//!
//! The order: [`stage`] prepares a repository and its work trees, [`crate::child`] starts `interlock up` on a throw-away
//! instance, [`cast`] registers the agents and posts the task, [`follow`] watches the thread on a leash,
//! [`outcome`] collects what became of it, [`show`] says it to people. The agents use the public surface only. With
//! `--chaos` [`chaos`] does to the job what kills such jobs, and shows what becomes of it.

mod cast;
mod chaos;
mod follow;
mod git;
mod launch;
mod model;
mod options;
mod outcome;
mod show;
mod stage;

use std::io::Write as _;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_scripted_model::ScriptedModel;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use options::Params;

use crate::child::Child;
use crate::context::Context;
use crate::environment::Secret;
use crate::exit::{Answer, End, to_json};
use crate::output::Output;
use cast::Cast;
use follow::Following;
use outcome::{Outcome, Verdict};
use show::Show;
use stage::Stage;

/// Run it, and tell the whole story also when it fails.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let mut outcome = Outcome::begin(Context::now());
    let show = Show::new(cx.output, outcome.started_at(), params.chaos);
    // Listened for before anything is made: nothing may be left behind, whenever the key is pressed.
    let mut interrupt = Interrupt::listen();
    let result = play(cx, params, &show, &mut outcome, &mut interrupt).await;
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

/// Everything up to the verdict, and the removal of what is throw-away.
async fn play(
    cx: &Context,
    params: &Params,
    show: &Show,
    outcome: &mut Outcome,
    interrupt: &mut Interrupt,
) -> Result<(), Problem> {
    params.check()?;
    let model = if params.scripted_model { Some(model::start().await?) } else { None };
    let stage = Stage::prepare(params, show)?;
    outcome.repo = stage.repo();
    let agreed = launch::agree(cx, params, &stage, model.as_ref());
    let has_begun = agreed.is_ok();
    let result = match agreed {
        Ok(()) => serve(cx, params, show, outcome, &stage, model.as_ref(), interrupt).await,
        Err(problem) => Err(problem),
    };
    outcome.changes = stage.changes();
    stage.clear(has_begun, &result);
    outcome.repo = stage.repo();
    result
}

/// Everything that needs the server, which has stopped, and every agent with it, when this is over.
async fn serve(
    cx: &Context,
    params: &Params,
    show: &Show,
    outcome: &mut Outcome,
    stage: &Stage,
    model: Option<&ScriptedModel>,
    interrupt: &mut Interrupt,
) -> Result<(), Problem> {
    let database = params.database_url.as_ref().or(cx.environment.database_url.as_ref());
    let mut child = Child::start(&stage.instance, database, &[]).await?;
    let cast = Cast::assemble(cx, params, stage, model, &child).await;
    let result = match cast {
        Ok(mut cast) => {
            let run = Run { params, show, outcome, stage, database, cast: &mut cast, child: &mut child };
            perform(run, interrupt).await
        }
        Err(problem) => Err(problem),
    };
    if let Err(problem) = child.stop().await {
        Show::note(&format!("the server did not stop by itself: {problem}"));
    }
    if params.chaos && chaos::agents_end(&stage.instance).await.is_none() {
        Show::note("an agent's process did not end");
    }
    result
}

/// What a run in progress has.
struct Run<'a> {
    params: &'a Params,
    show: &'a Show,
    outcome: &'a mut Outcome,
    stage: &'a Stage,
    database: Option<&'a Secret>,
    cast: &'a mut Cast,
    child: &'a mut Child,
}

async fn perform(mut run: Run<'_>, interrupt: &mut Interrupt) -> Result<(), Problem> {
    run.outcome.thread.id = run.cast.thread_id.to_string();
    run.show.opening(run.stage, run.cast);
    let followed = tokio::select! {
        followed = act(&mut run) => followed,
        () = interrupt.heard() => {
            Err(Problem::new(Reason::Interrupted, "interrupted; every agent was stopped", ""))
        }
    };
    // What happened is collected however it ended, as far as the server still answers.
    let collected = run.outcome.collect(run.cast, run.stage).await;
    run.outcome.verdict = followed?;
    collected
}

/// The job itself, with or without what is done to it.
async fn act(run: &mut Run<'_>) -> Result<Verdict, Problem> {
    if run.params.chaos {
        return chaos::perform(run).await;
    }
    let mut following = Following::default();
    follow::follow(&mut following, run.cast, run.params, run.show, run.outcome, run.child).await
}

/// Ctrl-C, or being told to end.
struct Interrupt(Option<(Signal, Signal)>);

impl Interrupt {
    fn listen() -> Self {
        Self(signal(SignalKind::interrupt()).and_then(|i| Ok((i, signal(SignalKind::terminate())?))).ok())
    }

    /// Wait for it; one that came since [`Interrupt::listen`] counts.
    async fn heard(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        // Ends the line that a terminal shows the key on; nobody may be looking.
        let _nobody = writeln!(std::io::stderr());
    }
}
