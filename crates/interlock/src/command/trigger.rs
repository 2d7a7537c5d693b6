//! `interlock thread trigger`: wake somebody without a message, for what the thread holds now.

use clap::Args;
use interlock_api::operations::TriggerParticipant;
use interlock_api::v1::wake::TriggerParticipantParams;
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::wake::WakeResult;

use super::{KeyParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, render};

/// What `thread trigger` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Who is to be woken.
    #[arg(value_name = "AGENT")]
    agent: AgentName,
    /// How long to wait for the wake's end, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = argument::wait_ms())]
    wait: u32,
    /// Wake it although a person is at work in its session; for operators, with a reason that everybody in the thread
    /// reads.
    #[arg(long = "override", requires = "reason")]
    is_override: bool,
    /// Why it cannot wait.
    #[arg(long, value_name = "TEXT", requires = "is_override")]
    reason: Option<String>,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it; exit code 1 when the wake is over by then and has failed.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let Params { thread_id, agent, wait: wait_ms, is_override: _, reason, key } = params;
    let request = TriggerParticipantParams { thread_id, agent, wait_ms, override_reason: reason };
    let triggered = cx.connect()?.change::<TriggerParticipant>(&request, key.as_deref()).await?;
    let mut answer = Answer::new(&triggered, render::wake::triggered(view(cx), &triggered))?;
    answer.code = u8::from(triggered.result == Some(WakeResult::Failed));
    Ok(answer)
}
