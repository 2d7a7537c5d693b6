//! `interlock policy show`.

use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_api::operations::GetPolicy;
use interlock_api::v1::policy::{GetPolicyParams, PolicyView};
use interlock_core::Reason;

use super::view;
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::output::Output;
use crate::render;

/// What can be done with the policy; it is changed in `config.toml`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show every constant that the server works with, or would: value, default, and where it comes from.
    Show(ShowParams),
}

/// What `policy show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {}

/// Whether an instance of this machine is meant whose server does not run.
fn is_idle(cx: &Context, problem: &Problem) -> bool {
    cx.remote().is_none() && problem.known_reason() == Some(Reason::ServerNotRunning)
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    let Verb::Show(ShowParams {}) = verb;
    let policy = match cx.connect() {
        Ok(server) => server.read::<GetPolicy>(&GetPolicyParams::default()).await?,
        Err(problem) if is_idle(cx, &problem) => {
            let config = cx.instance()?.config;
            Output::note("no server runs: this is what one would start with");
            PolicyView::of(&config.policy, |name| config.policy_set.contains(name))
        }
        Err(problem) => return Err(problem.into()),
    };
    Ok(Answer::new(&policy, render::policy::show(view(cx), &policy))?)
}
