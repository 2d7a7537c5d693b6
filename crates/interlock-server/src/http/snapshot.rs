//! Snapshots: taken for whoever names a moment, read, and compared.

use std::time::Duration;

use interlock_api::operations as op;
use interlock_api::v1::snapshot::{
    CompareSnapshotsParams, CompareSnapshotsResponse, GetSnapshotParams, ListSnapshotsParams,
    ListSnapshotsResponse, SnapshotView, TakeSnapshotParams,
};
use interlock_core::command::{Command, TakeSnapshot};
use interlock_core::id::SnapshotId;
use interlock_core::snapshot::{self, Snapshot};
use interlock_core::{Reason, Refusal, Reply};
use interlock_engine::read::{Page, SnapshotFilter};
use interlock_engine::{Permit, Watch};
use tokio::time::Instant;

use crate::context::{Ctx, cursor, deadline, failed, rows};
use crate::view;

/// How often a call that waits looks for what other servers of the database did.
const ELSEWHERE: Duration = Duration::from_secs(1);

pub(crate) async fn take(
    cx: Ctx,
    permit: Permit<op::TakeSnapshot>,
    p: TakeSnapshotParams,
) -> Result<SnapshotView, Refusal> {
    let command = TakeSnapshot { stage: p.stage, text: p.text.unwrap_or_default() };
    match cx.engine().execute(&permit, &cx.request, Command::TakeSnapshot(command)).await?.reply {
        Reply::Snapshot(id) => {
            let taken = found(&cx, id).await?.ok_or_else(|| snapshot::not_found(id))?;
            Ok(view::snapshot(taken))
        }
        other => Err(Refusal::new(Reason::Defect, format!("a snapshot was answered with {other:?}"))),
    }
}

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListSnapshots>,
    p: ListSnapshotsParams,
) -> Result<ListSnapshotsResponse, Refusal> {
    let limit = rows(p.limit)?;
    let after = cursor::<SnapshotId>(p.cursor.as_ref())?;
    let filter = SnapshotFilter { stage: p.stage };
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut all = loop {
        let page = Page { after, limit: limit + 1 };
        let all = cx.store().snapshots(cx.workspace(), filter.clone(), page).await.map_err(failed)?;
        if !all.is_empty() || !is_waited_for(&cx, &mut watch, until).await {
            break all;
        }
    };
    let more = all.len() > limit as usize;
    all.truncate(limit as usize);
    let next_cursor = all.last().filter(|_| more).map(|one| one.snapshot_id.to_string());
    Ok(ListSnapshotsResponse { snapshots: all.into_iter().map(view::snapshot).collect(), next_cursor })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetSnapshot>,
    p: GetSnapshotParams,
) -> Result<SnapshotView, Refusal> {
    Ok(view::snapshot(one(&cx, p.snapshot_id, deadline(p.wait_ms)?).await?))
}

pub(crate) async fn compare(
    cx: Ctx,
    _permit: Permit<op::CompareSnapshots>,
    p: CompareSnapshotsParams,
) -> Result<CompareSnapshotsResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let two = [one(&cx, p.snapshot_id, until).await?, one(&cx, p.with, until).await?];
    Ok(view::comparison(two))
}

/// The snapshot, once it is there.
async fn one(cx: &Ctx, id: SnapshotId, until: Instant) -> Result<Snapshot, Refusal> {
    let mut watch = cx.engine().watch();
    loop {
        if let Some(taken) = found(cx, id).await? {
            return Ok(taken);
        }
        if !is_waited_for(cx, &mut watch, until).await {
            return Err(snapshot::not_found(id));
        }
    }
}

async fn found(cx: &Ctx, id: SnapshotId) -> Result<Option<Snapshot>, Refusal> {
    cx.store().snapshot(cx.workspace(), id).await.map_err(failed)
}

/// Wait for a snapshot to be taken, here or at another server; `false` when the time is up.
async fn is_waited_for(cx: &Ctx, watch: &mut Watch, until: Instant) -> bool {
    let ws = cx.workspace();
    let soon = until.min(Instant::now() + ELSEWHERE);
    let is_heard = cx.wait(watch, soon, |note| note.snapshots && note.workspace_id == ws).await;
    is_heard || (soon < until && !*cx.state.stopping.borrow())
}
