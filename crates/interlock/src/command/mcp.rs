//! `interlock mcp`.

use clap::Args;

use crate::bridge;
use crate::context::Context;
use crate::exit::{Answer, End};

/// What `mcp` takes: whose tools they are comes from `--as`, or from the environment of a woken agent.
#[derive(Debug, Args)]
pub(crate) struct Params {}

/// Do it: until standard input ends.
pub(crate) async fn run(cx: &Context, _params: &Params) -> End {
    let target = bridge::Target::find(cx).await?;
    bridge::run(target).await?;
    Ok(Answer::written())
}
