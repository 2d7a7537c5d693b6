//! `interlock mcp`.

use std::path::PathBuf;

use clap::Args;

use crate::bridge;
use crate::context::Context;
use crate::exit::{Answer, End};

/// What `mcp` takes: whose tools they are comes from `--as`, or from the environment of a woken agent.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// As the agent whose wake runs: its server and token stand in this file as long as it does.
    #[arg(long, value_name = "FILE", hide = true)]
    wake: Option<PathBuf>,
}

/// Do it: until standard input ends.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let target = match &params.wake {
        Some(file) => bridge::Target::Wake { file: file.clone() },
        None => bridge::Target::find(cx).await?,
    };
    bridge::run(target).await?;
    Ok(Answer::written())
}
