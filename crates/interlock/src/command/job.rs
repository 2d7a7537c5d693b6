//! `interlock job list|show|requeue`.

use clap::{Args, Subcommand};
use interlock_api::operations::{GetJob, ListJobs, RequeueJob};
use interlock_api::v1::job::{GetJobParams, ListJobsParams, RequeueJobParams};
use interlock_core::id::JobId;
use interlock_core::job::JobState;

use super::{KeyParams, PageParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, render};

/// What can be done with jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List jobs, newest first.
    List(ListParams),
    /// Show one job.
    Show(ShowParams),
    /// Let a dead job try again, with all its attempts.
    Requeue(RequeueParams),
}

/// What `job list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListParams {
    /// Only in this state.
    #[arg(long, value_name = "STATE", value_parser = argument::job_state())]
    state: Option<JobState>,
    /// Only of this kind.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    page: PageParams,
}

/// What `job show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The job.
    #[arg(value_name = "JOB")]
    job_id: JobId,
}

/// What `job requeue` takes.
#[derive(Debug, Args)]
pub(crate) struct RequeueParams {
    /// The job.
    #[arg(value_name = "JOB")]
    job_id: JobId,
    /// Why, in words.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, &params).await,
        Verb::Requeue(params) => requeue(cx, params).await,
    }
}

async fn list(cx: &Context, params: ListParams) -> End {
    let request = ListJobsParams {
        state: params.state,
        kind: params.kind,
        cursor: params.page.cursor,
        limit: params.page.limit,
        wait_ms: 0,
    };
    let answer = cx.connect()?.read::<ListJobs>(&request).await?;
    Ok(Answer::new(&answer, render::job::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    let job = cx.connect()?.read::<GetJob>(&GetJobParams { job_id: params.job_id, wait_ms: 0 }).await?;
    Ok(Answer::new(&job, render::job::show(view(cx), &job))?)
}

async fn requeue(cx: &Context, params: RequeueParams) -> End {
    let RequeueParams { job_id, reason: text, key } = params;
    let job = cx.connect()?.change::<RequeueJob>(&RequeueJobParams { job_id, text }, key.as_deref()).await?;
    Ok(Answer::new(&job, format!("{} is {}\n", job.job_id, job.state))?)
}
