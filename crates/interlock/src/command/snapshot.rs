//! `interlock snapshot take|list|show|compare`.

use clap::{Args, Subcommand};
use interlock_api::operations::{CompareSnapshots, GetSnapshot, ListSnapshots, TakeSnapshot};
use interlock_api::v1::snapshot::{
    CompareSnapshotsParams, GetSnapshotParams, ListSnapshotsParams, TakeSnapshotParams,
};
use interlock_core::id::SnapshotId;
use interlock_core::snapshot::Stage;

use super::{KeyParams, PageParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What can be done with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Count what the workspace has done by now, and sign it.
    Take(TakeParams),
    /// List snapshots, newest first.
    List(ListParams),
    /// Show what was counted in one.
    Show(ShowParams),
    /// Show what grew between two, and by how much in a minute.
    Compare(CompareParams),
}

/// What `snapshot take` takes.
#[derive(Debug, Args)]
pub(crate) struct TakeParams {
    /// What the moment is called, such as `before-upgrade`: 1 to 64 of a-z 0-9 `_` `-` `.`
    #[arg(value_name = "STAGE")]
    stage: Stage,
    /// What is to be said of it, in words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `snapshot list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListParams {
    /// Only of this stage.
    #[arg(long, value_name = "STAGE")]
    stage: Option<Stage>,
    #[command(flatten)]
    page: PageParams,
}

/// What `snapshot show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The snapshot.
    #[arg(value_name = "SNAPSHOT")]
    snapshot_id: SnapshotId,
}

/// What `snapshot compare` takes.
#[derive(Debug, Args)]
pub(crate) struct CompareParams {
    /// One of the two.
    #[arg(value_name = "SNAPSHOT")]
    snapshot_id: SnapshotId,
    /// The other one.
    #[arg(value_name = "WITH")]
    with: SnapshotId,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::Take(params) => take(cx, params).await,
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, &params).await,
        Verb::Compare(params) => compare(cx, &params).await,
    }
}

async fn take(cx: &Context, params: TakeParams) -> End {
    let TakeParams { stage, reason: text, key } = params;
    let request = TakeSnapshotParams { stage, text };
    let taken = cx.connect()?.change::<TakeSnapshot>(&request, key.as_deref()).await?;
    Ok(Answer::new(&taken, render::snapshot::show(view(cx), &taken))?)
}

async fn list(cx: &Context, params: ListParams) -> End {
    let PageParams { limit, cursor } = params.page;
    let request = ListSnapshotsParams { stage: params.stage, cursor, limit, wait_ms: 0 };
    let answer = cx.connect()?.read::<ListSnapshots>(&request).await?;
    Ok(Answer::new(&answer, render::snapshot::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    let request = GetSnapshotParams { snapshot_id: params.snapshot_id, wait_ms: 0 };
    let taken = cx.connect()?.read::<GetSnapshot>(&request).await?;
    Ok(Answer::new(&taken, render::snapshot::show(view(cx), &taken))?)
}

async fn compare(cx: &Context, params: &CompareParams) -> End {
    let CompareParams { snapshot_id, with } = *params;
    let request = CompareSnapshotsParams { snapshot_id, with, wait_ms: 0 };
    let answer = cx.connect()?.read::<CompareSnapshots>(&request).await?;
    Ok(Answer::new(&answer, render::snapshot::comparison(view(cx), &answer))?)
}
