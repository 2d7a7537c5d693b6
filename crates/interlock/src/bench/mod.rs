//! `interlock bench`: what this machine gives, and how much of it is reached.
//!
//! Absolute figures say more about the disk than about a product, so every rate is a ratio to an anchor: the barest
//! writer with the same durability, measured in turns with ours (A B A B) in one call in one folder. [`stage`] is
//! what is measured, [`drive`] are the clients, [`report`] the rows and verdicts, [`machine`] what they depend on.

mod crowd;
mod drive;
mod load;
mod machine;
mod postgres;
mod reads;
mod report;
mod runner;
mod setting;
mod show;
mod stage;
mod stats;
mod tools;
mod visible;
mod wake;
mod wakes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_store::StoreError;
use interlock_store_sqlite::Anchor;

use crate::context::Context;
use crate::environment;
use crate::exit::End;
use crate::instance::unwritable;
use crate::output::Output;
use drive::{Bare, Span};
use load::Weight;
use machine::Machine;
use report::{Pair, Report};
use setting::Setting;
use stage::Stage;
use stats::Spread;

/// Clients, and the ratio to the anchor that is the goal with so many: in a file, and on PostgreSQL.
const POST_GOALS: [(u32, [f64; 2]); 4] =
    [(1, [0.5, 0.4]), (8, [0.45, 0.35]), (64, [0.4, 0.3]), (256, [0.4, 0.3])];
/// The goals that are no ratios.
const START_MS_MAX: f64 = 100.0;
const MEMORY_MB_MAX: f64 = 40.0;
const BINARY_MB_MAX: f64 = 40.0;
/// What a call costs as an MCP tool beyond the same call over HTTP.
const MCP_MS_MAX: f64 = 2.0;
/// From a message's commit to the process that it wakes, at the 95th percentile.
const WAKE_MS_MAX: f64 = 50.0;

/// Clients that read pages of 50 messages, and the pages per second that are the goal.
const READ_GOAL: (u32, f64) = (8, 10_000.0);
/// How many times as long as a sync and a push it takes until a post is visible, at the median and the 99th percentile.
const VISIBLE_GOALS: [f64; 2] = [6.0, 15.0];
/// How many times as long as of a short thread reading the newest page of a long one takes.
const SCALE_TIMES_MAX: f64 = 2.0;
/// The server's resident memory with a long thread, and with reads that wait.
const SCALE_MEMORY_MB_MAX: f64 = 150.0;

/// The cases of `messaging`, in the order they are measured.
const CASES: [&str; 11] =
    ["binary", "start", "memory", "post", "read", "visible", "mcp", "wake", SCALE, NODES, LOAD];
/// The cases that are measured only when they are named: two take minutes, one needs a database.
const NAMED: [&str; 3] = [SCALE, NODES, LOAD];
const SCALE: &str = "scale";
const NODES: &str = "nodes";
const LOAD: &str = "load";

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Which {
    /// Durable posts over HTTP beside a bare writer on the same disk; wakes, start, memory and size.
    Messaging(Params),
    /// How soon messages wake agents: announced and polled for, alone and among many, and what it costs to wait.
    Wake(wake::Params),
}

/// What `bench messaging` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Only this case; may be repeated. `nodes` needs a PostgreSQL database.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(CASES))]
    cases: Vec<String>,
    #[command(flatten)]
    setting: Setting,
}

/// How long everything takes.
struct Pace {
    probe: Duration,
    starts: usize,
    pairs: usize,
    span: Span,
    wakes: u32,
    /// Posts that are waited for, with every pair.
    visible: usize,
    /// Messages of the short thread, and of the long one.
    scale: [u64; 2],
    /// Reads that wait at once.
    waiting: usize,
    load: Weight,
}

impl Pace {
    /// About 100 seconds in all: 4 x 5 x 2 runs, the starts, the wakes and the probe.
    const FULL: Self = Self {
        probe: Duration::from_secs(2),
        starts: 5,
        pairs: 5,
        span: Span { warm: Duration::from_millis(300), counted: Duration::from_millis(1_300) },
        wakes: 40,
        visible: 100,
        scale: [1_000, 1_000_000],
        waiting: 1_000,
        load: Weight::FULL,
    };
    const QUICK: Self = Self {
        probe: Duration::from_millis(50),
        starts: 1,
        pairs: 2,
        span: Span { warm: Duration::ZERO, counted: Duration::from_millis(500) },
        wakes: 2,
        visible: 5,
        scale: [60, 200],
        waiting: 60,
        load: Weight::QUICK,
    };
}

/// Measure, and end with the report also when it fails.
pub(crate) async fn run(cx: &Context, which: Which) -> End {
    let params = match which {
        Which::Messaging(params) => params,
        Which::Wake(params) => return wake::run(cx, params).await,
    };
    let mut report = Report::begin("messaging", Machine::default());
    let measured = measure(cx, &params, &mut report).await;
    params.setting.end(cx, report, measured)
}

/// Everything in a folder that is removed at the end.
async fn measure(cx: &Context, params: &Params, report: &mut Report) -> Result<(), Problem> {
    let pace = params.setting.pace(Pace::FULL, Pace::QUICK);
    let dir = params.setting.folder(pace.probe, report)?;
    let database = params.setting.database(cx);
    if database.is_none() && params.cases.iter().any(|case| case == NODES) {
        return Err(Problem::new(Reason::UsageInvalid, "`nodes` needs a PostgreSQL database", "")
            .hint("name one with --database-url"));
    }
    let mut stage = Stage::prepare(dir.path(), database)?;
    let bare = match database {
        Some(url) => Bare::Database(Arc::new(postgres::anchors(url, report).await?)),
        None => Bare::File(Arc::new(Anchor::open(dir.path()).map_err(|error| away(&error))?)),
    };
    let result = tokio::select! {
        result = cases(params, &pace, report, dir.path(), &mut stage, &bare) => result,
        _ = tokio::signal::ctrl_c() => Err(Problem::new(Reason::Interrupted, "interrupted", "")),
    };
    let stopped = stage.stop().await;
    let closed = match &bare {
        Bare::Database(anchors) => anchors.close().await.map_err(|error| away(&error)),
        Bare::File(_) => Ok(()),
    };
    result.and(stopped).and(closed)
}

fn away(error: &StoreError) -> Problem {
    Problem::new(Reason::StoreUnavailable, &error.to_string(), "")
}

async fn cases(
    params: &Params,
    pace: &Pace,
    report: &mut Report,
    dir: &Path,
    stage: &mut Stage,
    bare: &Bare,
) -> Result<(), Problem> {
    let is_wanted = |case: &str| {
        (params.cases.is_empty() && !NAMED.contains(&case))
            || params.cases.iter().any(|wanted| wanted == case)
    };
    if is_wanted("binary") {
        report.value("binary", "mb", vec![binary_mb()?], BINARY_MB_MAX);
    }
    // The first start makes the database, and is not measured.
    stage.start().await?;
    if is_wanted("start") {
        let mut took = Vec::new();
        for _ in 0..pace.starts {
            stage.stop().await?;
            took.push(stage.start().await?);
        }
        report.value("start", "ms", took, START_MS_MAX);
    }
    let address = stage.open_thread().await?;
    if is_wanted("memory") {
        report.value("memory", "mb", vec![stage.resident_mb(&address).await?], MEMORY_MB_MAX);
    }
    if is_wanted("post") {
        for (clients, [file, database]) in POST_GOALS {
            let limit = if matches!(bare, Bare::File(_)) { file } else { database };
            posts(pace, report, bare, &address, clients, limit).await?;
        }
    }
    if is_wanted("read") {
        pages(pace, report, stage, &address).await?;
    }
    if is_wanted("visible") {
        visible(pace, report, dir, &address).await?;
    }
    if is_wanted(SCALE) {
        scale(pace, report, stage, &address).await?;
    }
    if is_wanted(NODES) {
        postgres::nodes(pace, report, dir, stage, &address).await?;
    }
    if is_wanted(LOAD) {
        load::measure(&pace.load, report, dir, stage, &address).await?;
    }
    if is_wanted("mcp") {
        report.overhead("mcp", &tools::measure(&address, pace.pairs, pace.span).await?, MCP_MS_MAX);
    }
    if is_wanted("wake") {
        stage.stop().await?;
        stage.start_with_supervisor().await?;
        let wakes = wakes::measure(stage, "wakes", pace.wakes).await?;
        report.durations("wake", wakes.into_iter().map(|(_, ms)| ms).collect(), WAKE_MS_MAX);
    }
    Ok(())
}

/// Anchor, ours, anchor, ours; on PostgreSQL with a turn of the queue in between.
async fn posts(
    pace: &Pace,
    report: &mut Report,
    bare: &Bare,
    address: &stage::Address,
    clients: u32,
    limit: f64,
) -> Result<(), Problem> {
    let (mut pairs, mut queue_pairs) = (Vec::new(), Vec::new());
    let mut took_ms = Vec::new();
    for _ in 0..pace.pairs {
        let anchor = drive::anchor(bare, clients, pace.span).await?;
        let queue = match bare {
            Bare::Database(anchors) => Some(drive::cycles(anchors, clients, pace.span).await?),
            Bare::File(_) => None,
        };
        let ours = drive::posts(address, clients, pace.span).await?;
        pairs.push(Pair { anchor: anchor.per_s, ours: ours.per_s });
        queue_pairs.extend(queue.map(|queue| Pair { anchor: queue.per_s, ours: ours.per_s }));
        took_ms.extend(ours.took_ms);
    }
    let spread = Spread::of(took_ms);
    report.rate("post", clients, &pairs, spread, limit);
    if let Some(row) = report.rows.last() {
        Output::note(&format!("{clients} clients: {} per second, the anchor {:?}", row.value, row.anchor));
    }
    if !queue_pairs.is_empty() {
        report.rate("queue", clients, &queue_pairs, spread, postgres::QUEUE_GOAL);
    }
    Ok(())
}

async fn pages(
    pace: &Pace,
    report: &mut Report,
    stage: &Stage,
    address: &stage::Address,
) -> Result<(), Problem> {
    let (clients, limit) = READ_GOAL;
    let thread = stage.another_thread(address, "pages").await?;
    let client = stage.operator()?;
    let (mut per_s, mut took_ms) = (Vec::new(), Vec::new());
    for _ in 0..pace.pairs {
        let sample = reads::pages(&client, &thread, clients, pace.span).await?;
        per_s.push(sample.per_s);
        took_ms.extend(sample.took_ms);
    }
    report.per_second("read", clients, per_s, Spread::of(took_ms), limit);
    Ok(())
}

async fn visible(
    pace: &Pace,
    report: &mut Report,
    dir: &Path,
    address: &stage::Address,
) -> Result<(), Problem> {
    let mut pairs = [Vec::new(), Vec::new()];
    let mut all = Vec::new();
    for _ in 0..pace.pairs {
        let rounds = visible::measure(dir, address, pace.visible).await?;
        all.extend(rounds.ours.iter().copied());
        let (bare, ours) = (Spread::of(rounds.anchor), Spread::of(rounds.ours));
        let [middles, tails] = &mut pairs;
        middles.push(Pair { anchor: bare.p50, ours: ours.p50 });
        tails.push(Pair { anchor: bare.p99, ours: ours.p99 });
    }
    let spread = Spread::of(all);
    for ((case, limit), pairs) in ["visible_p50", "visible_p99"].into_iter().zip(VISIBLE_GOALS).zip(&pairs) {
        report.times(case, pairs, spread, limit);
    }
    Ok(())
}

/// A short thread and a long one, and many who wait.
async fn scale(
    pace: &Pace,
    report: &mut Report,
    stage: &Stage,
    address: &stage::Address,
) -> Result<(), Problem> {
    let client = stage.operator()?;
    let short = stage.another_thread(address, "short").await?;
    let long = stage.another_thread(address, "long").await?;
    for (thread, count) in [&short, &long].into_iter().zip(pace.scale) {
        reads::fill(&client, thread, count).await?;
    }
    let (pairs, spread) = reads::newest(&client, [&short, &long], pace.pairs, pace.span).await?;
    report.times("scale_newest", &pairs, spread, SCALE_TIMES_MAX);
    report.value("scale_memory", "mb", vec![stage.resident_now_mb()?], SCALE_MEMORY_MB_MAX);
    let waiting = reads::resident_mb_with_waiting(stage, &client, &long, pace.waiting).await?;
    report.value("scale_waiting", "mb", vec![waiting], SCALE_MEMORY_MB_MAX);
    Ok(())
}

fn binary_mb() -> Result<f64, Problem> {
    let program = environment::program()?;
    let bytes = std::fs::metadata(&program).map_err(|error| unwritable(&program, &error))?.len();
    Ok(f64::from(u32::try_from(bytes / 1_024).unwrap_or(u32::MAX)) / 1_024.0)
}
