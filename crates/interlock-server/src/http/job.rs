//! Jobs: where the server's own work stands, and what lets it try again.

use std::time::Duration;

use interlock_api::operations as op;
use interlock_api::v1::job::{GetJobParams, JobView, ListJobsParams, ListJobsResponse, RequeueJobParams};
use interlock_core::command::{Command, RequeueJob};
use interlock_core::id::JobId;
use interlock_core::{Refusal, job};
use interlock_engine::read::{JobFilter, Page};
use interlock_engine::{Permit, Watch};
use tokio::time::Instant;

use crate::context::{Ctx, cursor, deadline, failed, rows};
use crate::view;

/// How often a call that waits looks for what other servers of the database did.
const ELSEWHERE: Duration = Duration::from_secs(1);

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListJobs>,
    p: ListJobsParams,
) -> Result<ListJobsResponse, Refusal> {
    let limit = rows(p.limit)?;
    let after = cursor::<JobId>(p.cursor.as_ref())?;
    p.kind.as_deref().map(job::check_kind).transpose()?;
    let filter = JobFilter { state: p.state, kind: p.kind };
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut jobs = loop {
        let page = Page { after, limit: limit + 1 };
        let found = cx.store().jobs(cx.workspace(), filter.clone(), page).await.map_err(failed)?;
        if !found.is_empty() || !is_waited_for(&cx, &mut watch, until).await {
            break found;
        }
    };
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next_cursor = jobs.last().filter(|_| more).map(|job| job.job_id.to_string());
    Ok(ListJobsResponse { jobs: jobs.into_iter().map(view::job).collect(), next_cursor })
}

pub(crate) async fn get(cx: Ctx, _permit: Permit<op::GetJob>, p: GetJobParams) -> Result<JobView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut job = one(&cx, p.job_id).await?;
    while !job.state.is_terminal() && is_waited_for(&cx, &mut watch, until).await {
        job = one(&cx, p.job_id).await?;
    }
    Ok(job)
}

pub(crate) async fn requeue(
    cx: Ctx,
    permit: Permit<op::RequeueJob>,
    p: RequeueJobParams,
) -> Result<JobView, Refusal> {
    let command = Command::RequeueJob(RequeueJob { job_id: p.job_id, text: p.text });
    cx.engine().execute(&permit, &cx.request, command).await?;
    one(&cx, p.job_id).await
}

/// Wait for something that becomes of a job, here or at another server; `false` when the time is up.
async fn is_waited_for(cx: &Ctx, watch: &mut Watch, until: Instant) -> bool {
    let ws = cx.workspace();
    let soon = until.min(Instant::now() + ELSEWHERE);
    let is_heard = cx.wait(watch, soon, |note| note.jobs && note.workspace_id == ws).await;
    is_heard || (soon < until && !*cx.state.stopping.borrow())
}

async fn one(cx: &Ctx, id: JobId) -> Result<JobView, Refusal> {
    let found = cx.store().job(cx.workspace(), id).await.map_err(failed)?;
    found.map(view::job).ok_or_else(|| job::not_found(id))
}
