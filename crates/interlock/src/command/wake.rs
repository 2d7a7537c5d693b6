//! `interlock wake list|show|retry|cancel`.

use clap::{Args, Subcommand};
use interlock_api::operations::{CancelWake, GetWake, ListWakes, RetryWake};
use interlock_api::v1::wake::{CancelWakeParams, GetWakeParams, ListWakesParams, RetryWakeParams};
use interlock_core::actor::AgentName;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::wake::{WakeResult, WakeState};

use super::{KeyParams, PageParams, view};
use crate::attach;
use crate::context::Context;
use crate::exit::{Answer, End, to_json};
use crate::{argument, render};

/// What can be seen of wakes, and done about them.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List wakes, newest first.
    List(ListParams),
    /// Show one wake: what proves how far it got, its attempts, and what happens next.
    Show(ShowParams),
    /// Ask again for a wake that came to nothing, or for one that waits, at once.
    Retry(InterveneParams),
    /// End a wake: no attempt follows, and a process that runs for it is stopped.
    Cancel(InterveneParams),
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
    /// Only those that ended so.
    #[arg(long, value_name = "RESULT", value_parser = argument::wake_result())]
    result: Option<WakeResult>,
    /// Only those that wait and are due now.
    #[arg(long)]
    due: bool,
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

/// What `wake retry` and `wake cancel` take.
#[derive(Debug, Args)]
pub(crate) struct InterveneParams {
    /// The wake.
    #[arg(value_name = "WAKE")]
    wake_id: WakeId,
    /// Why, in words; it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long to wait for the wake's end, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = argument::wait_ms())]
    wait: u32,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, &params).await,
        Verb::Retry(params) => retry(cx, params).await,
        Verb::Cancel(params) => cancel(cx, params).await,
    }
}

async fn list(cx: &Context, params: ListParams) -> End {
    let request = ListWakesParams {
        thread_id: params.thread,
        agent: params.agent,
        state: params.state,
        result: params.result,
        is_due: params.due,
        cursor: params.page.cursor,
        limit: params.page.limit,
        wait_ms: 0,
    };
    let answer = cx.connect()?.read::<ListWakes>(&request).await?;
    Ok(Answer::new(&answer, render::wake::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    let wake = cx.connect()?.read::<GetWake>(&GetWakeParams { wake_id: params.wake_id, wait_ms: 0 }).await?;
    let mut text = render::wake::show(view(cx), &wake);
    let mut json = to_json(&wake)?;
    if let (Some(command), Some(wake)) = (attach::to_wake(cx, &wake).await?, json.as_object_mut()) {
        text.extend(["\nsit down in front of it: ", &command, "\n"]);
        wake.insert("attach".into(), command.into());
    }
    Ok(Answer::new(&json, text)?)
}

/// Exit code 1 when the wake is over by then and has failed again.
async fn retry(cx: &Context, params: InterveneParams) -> End {
    let InterveneParams { wake_id, reason: text, wait: wait_ms, key } = params;
    let request = RetryWakeParams { wake_id, text, wait_ms };
    let wake = cx.connect()?.change::<RetryWake>(&request, key.as_deref()).await?;
    let mut answer = Answer::new(&wake, render::wake::retried(view(cx), wake_id, &wake))?;
    answer.code = u8::from(wake.result == Some(WakeResult::Failed));
    Ok(answer)
}

async fn cancel(cx: &Context, params: InterveneParams) -> End {
    let InterveneParams { wake_id, reason: text, wait: wait_ms, key } = params;
    let request = CancelWakeParams { wake_id, text, wait_ms };
    let wake = cx.connect()?.change::<CancelWake>(&request, key.as_deref()).await?;
    Ok(Answer::new(&wake, render::wake::cancelled(view(cx), &wake))?)
}
