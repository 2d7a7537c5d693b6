//! What operators type when something is stuck: `inspect-thread`, `escalate-thread`, `unblock-thread` and
//! `override-close-thread`.

use clap::Args;
use interlock_api::operations::{
    EscalateThread, ExplainWakes, GetEscalation, GetThread, ListWakes, OverrideCloseThread, ReadMessages,
    UnblockThread,
};
use interlock_api::v1::escalation::{
    EscalateThreadParams, GetEscalationParams, OverrideCloseThreadParams, UnblockThreadParams,
};
use interlock_api::v1::explain::ExplainWakesParams;
use interlock_api::v1::message::ReadMessagesParams;
use interlock_api::v1::thread::{GetThreadParams, ThreadView};
use interlock_api::v1::wake::ListWakesParams;
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;

use super::{KeyParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render::inspect::Inspection;
use crate::{argument, render};

/// What `inspect-thread` takes.
#[derive(Debug, Args)]
pub(crate) struct InspectParams {
    /// The thread.
    #[arg(long, value_name = "THREAD")]
    thread_id: ThreadId,
    /// Messages and wakes at most, the last ones.
    #[arg(long, value_name = "ROWS", default_value = "20", value_parser = argument::limit())]
    limit: u32,
}

/// What `escalate-thread` takes.
#[derive(Debug, Args)]
pub(crate) struct EscalateParams {
    #[command(flatten)]
    action: ActionParams,
    /// Who must act; whom the rule of escalation names unless said otherwise.
    #[arg(long, value_name = "NAME")]
    owner: Option<AgentName>,
}

/// What every action on a thread takes.
#[derive(Debug, Args)]
pub(crate) struct ActionParams {
    /// The thread.
    #[arg(long, value_name = "THREAD")]
    thread_id: ThreadId,
    /// Why, in words; it stands in the ledger.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Refuse unless the thread has this status.
    #[arg(long, value_name = "STATUS", value_parser = argument::status())]
    expect: Option<Status>,
    #[command(flatten)]
    key: KeyParams,
}

/// Show everything about a thread that an operator needs.
pub(crate) async fn inspect(cx: &Context, params: &InspectParams) -> End {
    let (thread_id, limit) = (params.thread_id, params.limit);
    let connection = cx.connect()?;
    let thread = connection.read::<GetThread>(&GetThreadParams::now(thread_id)).await?;
    let after_seq = thread.last_seq.saturating_sub(u64::from(limit));
    let messages = ReadMessagesParams { thread_id, after_seq, limit, wait_ms: 0 };
    let wakes = ListWakesParams { thread_id: Some(thread_id), limit, ..ListWakesParams::default() };
    let explain = ExplainWakesParams { thread_id, agent: None, wait_ms: 0 };
    let inspection = Inspection {
        escalation: connection.read::<GetEscalation>(&GetEscalationParams { thread_id, wait_ms: 0 }).await?,
        participants: connection.read::<ExplainWakes>(&explain).await?.participants,
        messages: connection.read::<ReadMessages>(&messages).await?.messages,
        wakes: connection.read::<ListWakes>(&wakes).await?.wakes,
        thread,
    };
    Ok(Answer::new(&inspection, render::inspect::show(view(cx), &inspection))?)
}

/// Block a thread.
pub(crate) async fn escalate(cx: &Context, params: EscalateParams) -> End {
    let EscalateParams { action, owner } = params;
    let ActionParams { thread_id, reason: text, expect: expected_status, key } = action;
    let request = EscalateThreadParams { thread_id, text, owner, expected_status };
    done(&cx.connect()?.change::<EscalateThread>(&request, key.as_deref()).await?)
}

/// Let a blocked thread go on.
pub(crate) async fn unblock(cx: &Context, params: ActionParams) -> End {
    let ActionParams { thread_id, reason: text, expect: expected_status, key } = params;
    let request = UnblockThreadParams { thread_id, text, expected_status };
    done(&cx.connect()?.change::<UnblockThread>(&request, key.as_deref()).await?)
}

/// Close a thread over everything that is open in it.
pub(crate) async fn override_close(cx: &Context, params: ActionParams) -> End {
    let ActionParams { thread_id, reason: text, expect: expected_status, key } = params;
    let request = OverrideCloseThreadParams { thread_id, text, expected_status };
    done(&cx.connect()?.change::<OverrideCloseThread>(&request, key.as_deref()).await?)
}

fn done(thread: &ThreadView) -> End {
    Ok(Answer::new(thread, render::thread::stands(thread))?)
}
