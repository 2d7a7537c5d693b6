//! Denials: what callers were not allowed, for whoever may audit.

use std::time::Duration;

use interlock_api::OPERATIONS;
use interlock_api::operations as op;
use interlock_api::v1::denial::{DenialView, GetDenialParams, ListDenialsParams, ListDenialsResponse};
use interlock_core::denial::Denial;
use interlock_core::id::DenialId;
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::{DenialFilter, Page};
use tokio::time::Instant;

use crate::context::{Ctx, cursor, deadline, failed, rows};
use crate::guard::is_request_id;
use crate::{denied, view};

/// How often a call that waits looks for what other servers of the database did.
const ELSEWHERE: Duration = Duration::from_secs(1);

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListDenials>,
    p: ListDenialsParams,
) -> Result<ListDenialsResponse, Refusal> {
    let limit = rows(p.limit)?;
    let after = cursor::<DenialId>(p.cursor.as_ref())?;
    let is_operation = |id: &String| id == denied::MCP || OPERATIONS.iter().any(|row| row.id == id);
    if let Some(other) = p.operation.as_ref().filter(|id| !is_operation(id)) {
        return Err(Refusal::new(Reason::ParameterInvalid, format!("there is no operation `{other}`"))
            .hint("see docs/reference/operations.md for those there are"));
    }
    let filter = DenialFilter { request_id: None, actor: p.actor, operation: p.operation, since: p.since };
    let page = Page { after, limit: limit + 1 };
    let mut denials = found(&cx, &filter, &page, deadline(p.wait_ms)?).await?;
    let more = denials.len() > limit as usize;
    denials.truncate(limit as usize);
    let next_cursor = denials.last().filter(|_| more).map(|denial| denial.denial_id.to_string());
    let workspace = cx.workspace();
    let denials = denials.into_iter().map(|denial| view::denial(workspace, denial)).collect();
    Ok(ListDenialsResponse { denials, next_cursor })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetDenial>,
    p: GetDenialParams,
) -> Result<DenialView, Refusal> {
    let until = deadline(p.wait_ms)?;
    if !is_request_id(&p.request_id) {
        let detail =
            "`request_id` is not what a request's id looks like: up to 64 of A-Z a-z 0-9 `-` `_` `.`";
        return Err(Refusal::new(Reason::ParameterInvalid, detail));
    }
    let none = || {
        let detail = "no denial of a request with this id is remembered";
        Refusal::new(Reason::DenialNotFound, detail).hint("list the denials to see those there are")
    };
    let filter = DenialFilter { request_id: Some(p.request_id), ..DenialFilter::default() };
    let denials = found(&cx, &filter, &Page { after: None, limit: 1 }, until).await?;
    denials.into_iter().next().map(|denial| view::denial(cx.workspace(), denial)).ok_or_else(none)
}

/// What there is, once there is something or the time is up.
async fn found(
    cx: &Ctx,
    filter: &DenialFilter,
    page: &Page<DenialId>,
    until: Instant,
) -> Result<Vec<Denial>, Refusal> {
    let mut written = cx.engine().written_denials();
    let mut stopping = cx.state.stopping.clone();
    loop {
        written.borrow_and_update();
        // What was denied before this call is seen by it. While that cannot be written, there is what was before.
        cx.engine().settle_denials().await;
        let denials =
            cx.store().denials(cx.workspace(), filter.clone(), page.clone()).await.map_err(failed)?;
        let now = Instant::now();
        if !denials.is_empty() || now >= until {
            return Ok(denials);
        }
        tokio::select! {
            _written = written.changed() => {}
            () = tokio::time::sleep_until(until.min(now + ELSEWHERE)) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(denials),
        }
    }
}
