//! `interlock resume`: lets agents go on that a person has stopped.

use clap::Args;
use interlock_api::Problem;
use interlock_api::client::Client;
use interlock_api::operations::ResumeAgents;
use interlock_api::v1::workspace::ResumeAgentsParams;
use interlock_core::actor::Role;

use super::KeyParams;
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::identity;
use crate::instance::{Instance, Run};

/// What `resume` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    #[command(flatten)]
    key: KeyParams,
}

/// Let them go on.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let request = ResumeAgentsParams::default();
    let answer = cx.connect()?.change::<ResumeAgents>(&request, params.key.as_deref()).await?;
    let text = if answer.resumed { "agents go on\n" } else { "agents were not stopped\n" };
    Ok(Answer::new(&answer, text.to_owned())?)
}

/// Whoever stopped the agents together with this very server means to let them go on when it is started again. A halt
/// that somebody else asked for stays.
pub(crate) async fn own_halt(cx: &Context, instance: &Instance, run: &Run) -> Result<(), Problem> {
    let Some(since) = instance.own_halt()? else { return Ok(()) };
    let name = identity::name(&cx.environment)?;
    let client = Client::new(&run.url, Some(identity::local_token(instance, &name, Role::Operator)?))?;
    // One halt is ended once, however often the server begins anew.
    let key = format!("resume-{since}");
    client.call::<ResumeAgents>(&ResumeAgentsParams { since: Some(since) }, Some(&key)).await?;
    instance.forget_own_halt();
    Ok(())
}
