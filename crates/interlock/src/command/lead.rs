//! `interlock thread assign|request-review|verdicts`: what whoever leads a thread asks for, and what became of it.

use clap::Args;
use interlock_api::operations::{AssignTask, CollectVerdicts, RequestReview};
use interlock_api::v1::review::{AssignTaskParams, CollectVerdictsParams, RequestReviewParams};
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::thread::ThreadRole;
use interlock_core::time::Timestamp;

use super::message_ref::{self, MessageRef};
use super::{KeyParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, render};

/// What `thread assign` takes.
#[derive(Debug, Args)]
pub(crate) struct AssignParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Who is to do it.
    #[arg(value_name = "NAME")]
    agent: AgentName,
    /// What is to be done, in a sentence.
    #[arg(value_name = "TASK")]
    task: String,
    /// What else there is to say.
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
    /// When it is to be done, such as 2026-01-02T15:00:00Z.
    #[arg(long, value_name = "TIME")]
    due: Option<Timestamp>,
    /// For how long it counts, such as 90m; nobody is woken for it after that.
    #[arg(long, value_name = "DURATION", value_parser = argument::duration_or_ms)]
    expires_in: Option<u64>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread request-review` takes.
#[derive(Debug, Args)]
pub(crate) struct ReviewParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The commit to look at.
    #[arg(value_name = "COMMIT")]
    commit: String,
    /// Who is to look at it; everybody but you unless said otherwise.
    #[arg(long, value_name = "NAME")]
    to: Vec<AgentName>,
    /// The part in the thread that is to look at it.
    #[arg(long, value_name = "ROLE", value_parser = argument::thread_role())]
    to_role: Option<ThreadRole>,
    /// What else there is to say.
    #[arg(long, value_name = "TEXT", default_value = "")]
    body: String,
    /// For how long it counts, such as 90m; nobody is woken for it after that.
    #[arg(long, value_name = "DURATION", value_parser = argument::duration_or_ms)]
    expires_in: Option<u64>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread verdicts` takes.
#[derive(Debug, Args)]
pub(crate) struct VerdictsParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The message that asks, by its id or its number in the thread; the last request for a review unless said otherwise.
    #[arg(value_name = "MESSAGE")]
    message: Option<MessageRef>,
    /// How long to wait until everybody has said, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = argument::wait_ms())]
    wait: u32,
}

/// Give somebody work.
pub(crate) async fn assign(cx: &Context, params: AssignParams) -> End {
    let request = AssignTaskParams {
        thread_id: params.thread_id,
        agent: params.agent,
        task: params.task,
        due_at: params.due,
        expires_in_ms: params.expires_in,
        body: params.body,
    };
    let posted = cx.connect()?.change::<AssignTask>(&request, params.key.as_deref()).await?;
    let text = format!("given to {} as #{} ({})\n", request.agent, posted.seq, posted.message_id);
    Ok(Answer::new(&posted, text)?)
}

/// Ask for a commit to be looked at.
pub(crate) async fn request_review(cx: &Context, params: ReviewParams) -> End {
    let request = RequestReviewParams {
        thread_id: params.thread_id,
        commit: params.commit,
        to: params.to,
        to_role: params.to_role,
        expires_in_ms: params.expires_in,
        body: params.body,
    };
    let posted = cx.connect()?.change::<RequestReview>(&request, params.key.as_deref()).await?;
    let more = view(cx)
        .style
        .dim(&format!("verdicts with: interlock thread verdicts {} {}", posted.thread_id, posted.message_id));
    Ok(Answer::new(&posted, format!("asked as #{} ({})\n{more}\n", posted.seq, posted.message_id))?)
}

/// See what became of it.
pub(crate) async fn verdicts(cx: &Context, params: &VerdictsParams) -> End {
    let connection = cx.connect()?;
    let message_id = message_ref::ids(params.message, &connection, params.thread_id).await?.pop();
    let request = CollectVerdictsParams { thread_id: params.thread_id, message_id, wait_ms: params.wait };
    let answer = connection.read::<CollectVerdicts>(&request).await?;
    Ok(Answer::new(&answer, render::review::show(view(cx), &answer))?)
}
