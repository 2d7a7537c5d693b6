//! `interlock events`: what happens in the workspace as it happens, over restarts of the server.

use clap::Args;
use interlock_api::Problem;
use interlock_api::client::Heard;
use interlock_api::v1::event::{CloudEvent, FollowEventsParams};
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;

use super::reconnect;
use crate::connection::Connection;
use crate::context::Context;
use crate::exit::{Answer, End, Failure, to_json};
use crate::output::Output;
use crate::render;

/// What `events` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Only what happened after this position: an event's id, `start`, or `now` for what is yet to come.
    #[arg(long, value_name = "POSITION", default_value = "start")]
    after: String,
    /// Only of this thread.
    #[arg(long, value_name = "THREAD")]
    thread: Option<ThreadId>,
    /// Only what this agent did, or what was done to it.
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
    /// Only types that begin like this, such as `wake.`.
    #[arg(long = "type", value_name = "PREFIX")]
    kind: Option<String>,
    /// End with what is there now instead of waiting for more.
    #[arg(long)]
    until_now: bool,
}

/// How a stream ended.
enum Ended {
    /// The server ended it, or it broke: go on after the last position.
    Open(Option<Problem>),
    /// Nothing can be shown.
    Failed(Failure),
}

/// Follow the events.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let Params { after, thread, agent, kind, until_now } = params;
    let mut request = FollowEventsParams { after: Some(after), thread_id: thread, agent, kind, until_now };
    let mut connection = cx.connect()?;
    let mut has_begun = false;
    loop {
        let problem = match stream(cx, &connection, &mut request, &mut has_begun).await {
            Ended::Failed(failure) => return Err(failure),
            Ended::Open(None) if until_now => return Ok(Answer::written()),
            // Not heard of yet: a server that is not there is an error.
            Ended::Open(Some(problem)) if !has_begun => return Err(problem.into()),
            Ended::Open(problem) => problem,
        };
        connection = come_back(cx, connection, problem, &request).await?;
    }
}

/// Show what a stream says; the request then asks for what comes after it.
async fn stream(
    cx: &Context,
    connection: &Connection,
    request: &mut FollowEventsParams,
    has_begun: &mut bool,
) -> Ended {
    let mut failure = None;
    let asked = request.clone();
    let heard = connection.follow(&asked, |Heard { after, event }| {
        *has_begun = true;
        if let Some(event) = event
            && let Err(failed) = show(cx, &event)
        {
            failure = Some(failed);
            // Ends the stream; what is told is the failure.
            return Err(Problem::new(interlock_core::Reason::Defect, "the event cannot be shown", ""));
        }
        request.after = Some(after);
        Ok(())
    });
    let ended = heard.await;
    match failure {
        Some(failure) => Ended::Failed(failure),
        None => Ended::Open(ended.err()),
    }
}

/// A way to go on: where the stream only ended, the same server is asked again first.
async fn come_back(
    cx: &Context,
    connection: Connection,
    problem: Option<Problem>,
    request: &FollowEventsParams,
) -> Result<Connection, Problem> {
    let probe = FollowEventsParams { until_now: true, after: Some("now".to_owned()), ..request.clone() };
    let answers = async |connection: &Connection| connection.follow(&probe, |_| Ok(())).await;
    let problem = match problem {
        Some(problem) => problem,
        None => match answers(&connection).await {
            Ok(()) => return Ok(connection),
            Err(problem) => problem,
        },
    };
    reconnect::again(cx, problem, answers).await
}

fn show(cx: &Context, event: &CloudEvent) -> Result<(), Failure> {
    let output = cx.output;
    if output.is_json() {
        Output::line(&to_json(event)?)
    } else {
        Output::text(&format!("{}\n", render::event::line(output.style(), event)))
    }
}
