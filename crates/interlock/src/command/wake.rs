//! `interlock wake list|show`.

use clap::{Args, Subcommand};
use interlock_api::operations::{GetWake, ListWakes};
use interlock_api::v1::wake::{GetWakeParams, ListWakesParams};
use interlock_core::actor::AgentName;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::wake::WakeState;

use super::{PageParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, render};

/// What can be seen of wakes.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List wakes, newest first.
    List(ListParams),
    /// Show one wake with its ladder of proof.
    Show(ShowParams),
}

/// What `wake list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListParams {
    /// Only of this thread.
    #[arg(long, value_name = "THREAD")]
    thread: Option<ThreadId>,
    /// Only of this agent.
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
    /// Only in this state.
    #[arg(long, value_name = "STATE", value_parser = argument::wake_state())]
    state: Option<WakeState>,
    #[command(flatten)]
    page: PageParams,
}

/// What `wake show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The wake.
    #[arg(value_name = "WAKE")]
    wake_id: WakeId,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, &params).await,
    }
}

async fn list(cx: &Context, params: ListParams) -> End {
    let request = ListWakesParams {
        thread_id: params.thread,
        agent: params.agent,
        state: params.state,
        cursor: params.page.cursor,
        limit: params.page.limit,
        wait_ms: 0,
    };
    let answer = cx.connect()?.read::<ListWakes>(&request).await?;
    Ok(Answer::new(&answer, render::wake::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    let wake = cx.connect()?.read::<GetWake>(&GetWakeParams { wake_id: params.wake_id, wait_ms: 0 }).await?;
    Ok(Answer::new(&wake, render::wake::show(view(cx), &wake))?)
}
