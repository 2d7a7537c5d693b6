//! `interlock thread summary`: a thread in short, for whoever comes to it late.

use clap::Args;
use interlock_api::operations::SummarizeThread;
use interlock_api::v1::summary::SummarizeThreadParams;
use interlock_core::id::ThreadId;

use super::view;
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What `thread summary` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
}

/// Do it.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let request = SummarizeThreadParams { thread_id: params.thread_id, after_seq: None, wait_ms: 0 };
    let summary = cx.connect()?.read::<SummarizeThread>(&request).await?;
    Ok(Answer::new(&summary, render::summary::show(view(cx), &summary))?)
}
