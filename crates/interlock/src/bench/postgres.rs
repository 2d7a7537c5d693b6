//! What is measured on PostgreSQL only: the queue that a table makes, and several servers on one database.

use std::path::Path;

use interlock_api::Problem;
use interlock_store_postgres::{Anchors, Options};

use super::report::{Pair, Report};
use super::stage::{Address, Stage};
use super::stats::Spread;
use super::{Pace, away, drive};
use crate::environment::Secret;
use crate::instance::make_private_folder;

/// How far posts must be ahead of a queue's cycle of sending, reading and deleting.
pub(super) const QUEUE_GOAL: f64 = 1.0;
/// Connections of the anchors: no more than a server with default settings lets in beside ours.
const CONNECTIONS: usize = 32;
/// Servers on the database, and clients of all together.
const NODES: usize = 3;
const CLIENTS: u32 = 64;
/// What three servers reach of one server's speed: on one workspace, and on a workspace each.
const ONE_GOAL: f64 = 0.5;
const SEVERAL_GOAL: f64 = 1.0;

/// The anchors, in a schema named after this process.
///
/// # Errors
/// `STORE_UNAVAILABLE`.
pub(super) async fn anchors(url: &Secret, report: &mut Report) -> Result<Anchors, Problem> {
    let options = Options { connections: CONNECTIONS, ..Options::at(&url.0) };
    let schema = format!("interlock_bench_{}", std::process::id());
    let anchors = Anchors::open(&options, &schema).await.map_err(|error| away(&error))?;
    report.store = "postgres";
    if !anchors.is_synced().await.map_err(|error| away(&error))? {
        report.store_doubt = Some("the database runs with fsync = off, so nothing is durable".into());
    }
    Ok(anchors)
}

/// One server alone and three together, in turns: on one workspace, then on a workspace each.
///
/// # Errors
/// What a server refuses.
pub(super) async fn nodes(
    pace: &Pace,
    report: &mut Report,
    dir: &Path,
    stage: &mut Stage,
    address: &Address,
) -> Result<(), Problem> {
    let mut places = vec![address.clone()];
    while places.len() < NODES {
        places.push(stage.start_another(dir, address).await?);
    }
    compare(pace, report, "nodes_one", &places, ONE_GOAL).await?;

    let (mut stages, mut places) = (Vec::new(), vec![address.clone()]);
    for number in 1..NODES {
        let folder = dir.join(format!("workspace-{number}"));
        make_private_folder(&folder)?;
        stages.push(Stage::prepare(&folder, stage.database())?);
    }
    let measured = async {
        for stage in &mut stages {
            stage.start().await?;
            places.push(stage.open_thread().await?);
        }
        compare(pace, report, "nodes_several", &places, SEVERAL_GOAL).await
    };
    let mut result = measured.await;
    for mut stage in stages {
        result = result.and(stage.stop().await);
    }
    result
}

async fn compare(
    pace: &Pace,
    report: &mut Report,
    case: &'static str,
    places: &[Address],
    limit: f64,
) -> Result<(), Problem> {
    let (mut pairs, mut took_ms) = (Vec::new(), Vec::new());
    for _ in 0..pace.pairs {
        let alone = drive::posts_to(places.get(..1).unwrap_or_default(), CLIENTS, pace.span).await?;
        let together = drive::posts_to(places, CLIENTS, pace.span).await?;
        pairs.push(Pair { anchor: alone.per_s, ours: together.per_s });
        took_ms.extend(together.took_ms);
    }
    report.rate(case, CLIENTS, &pairs, Spread::of(took_ms), limit);
    Ok(())
}
