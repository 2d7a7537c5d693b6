//! `interlock thread owner`: who must act in a blocked thread.

use clap::Args;
use interlock_api::operations::{AssignEscalationOwner, GetEscalation};
use interlock_api::v1::escalation::{AssignEscalationOwnerParams, GetEscalationParams};
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;

use super::{KeyParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What `thread owner` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Who must act from now on; without it, who must is shown.
    #[arg(value_name = "NAME", requires = "reason")]
    owner: Option<AgentName>,
    /// Why, in words; it stands in the ledger.
    #[arg(long, value_name = "TEXT", requires = "owner")]
    reason: Option<String>,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let Params { thread_id, owner, reason, key } = params;
    let connection = cx.connect()?;
    let escalation = match owner.zip(reason) {
        Some((owner, text)) => {
            let request = AssignEscalationOwnerParams { thread_id, owner, text };
            connection.change::<AssignEscalationOwner>(&request, key.as_deref()).await?
        }
        None => connection.read::<GetEscalation>(&GetEscalationParams { thread_id, wait_ms: 0 }).await?,
    };
    Ok(Answer::new(&escalation, render::escalation::show(view(cx), &escalation))?)
}
