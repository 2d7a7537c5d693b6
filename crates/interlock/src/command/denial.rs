//! `interlock denial list|show`.

use clap::{Args, Subcommand};
use interlock_api::operations::{GetDenial, ListDenials};
use interlock_api::v1::denial::{GetDenialParams, ListDenialsParams};
use interlock_core::actor::AgentName;

use super::{PageParams, view};
use crate::argument::{self, Moment};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What can be done with denials.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what callers were not allowed, newest first.
    List(ListParams),
    /// Show what the caller of a request was not allowed.
    Show(ShowParams),
}

/// What `denial list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListParams {
    /// Only of this caller.
    #[arg(long, value_name = "NAME")]
    actor: Option<AgentName>,
    /// Only of this operation.
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
    /// Only then or later: a time, or a duration for so long ago.
    #[arg(long, value_name = "TIME|AGO", value_parser = argument::moment)]
    since: Option<Moment>,
    #[command(flatten)]
    page: PageParams,
}

/// What `denial show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The request, by the id that its caller was told.
    #[arg(value_name = "REQUEST")]
    request_id: String,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, params).await,
    }
}

async fn list(cx: &Context, params: ListParams) -> End {
    let request = ListDenialsParams {
        actor: params.actor,
        operation: params.operation,
        since: params.since.map(|since| since.at(Context::now())),
        cursor: params.page.cursor,
        limit: params.page.limit,
        wait_ms: 0,
    };
    let answer = cx.connect()?.read::<ListDenials>(&request).await?;
    Ok(Answer::new(&answer, render::denial::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: ShowParams) -> End {
    let request = GetDenialParams { request_id: params.request_id, wait_ms: 0 };
    let denial = cx.connect()?.read::<GetDenial>(&request).await?;
    Ok(Answer::new(&denial, render::denial::show(view(cx), &denial))?)
}
