//! `interlock status`.

use clap::Args;
use interlock_api::operations::GetStatus;
use interlock_api::v1::workspace::GetStatusParams;

use super::view;
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What `status` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {}

/// See the workspace at one look.
pub(crate) async fn run(cx: &Context, _params: &Params) -> End {
    let connection = cx.connect()?;
    let status = connection.read::<GetStatus>(&GetStatusParams::default()).await?;
    Ok(Answer::new(&status, render::status::show(view(cx), connection.url(), &status))?)
}
