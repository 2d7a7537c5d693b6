//! `interlock bench`: what this machine gives, and how much of it is reached.
//!
//! Absolute figures say more about the disk than about a product, so every rate is a ratio to an anchor: the barest
//! writer with the same durability, measured in turns with ours (A B A B) in one call in one folder. [`stage`] is
//! what is measured, [`drive`] are the clients, [`report`] the rows and verdicts, [`machine`] what they depend on.

mod drive;
mod machine;
mod report;
mod show;
mod stage;
mod stats;
mod tools;
mod wakes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_store_sqlite::Anchor;

use crate::context::Context;
use crate::environment;
use crate::exit::{Answer, End, to_json};
use crate::instance::unwritable;
use crate::output::Output;
use drive::Span;
use machine::Machine;
use report::{Pair, Report};
use stage::Stage;
use stats::Spread;

/// Clients and the ratio to the anchor that is the goal with so many.
const POST_GOALS: [(u32, f64); 4] = [(1, 0.4), (8, 0.35), (64, 0.3), (256, 0.3)];
/// The goals that are no ratios.
const START_MS_MAX: f64 = 100.0;
const MEMORY_MB_MAX: f64 = 40.0;
const BINARY_MB_MAX: f64 = 40.0;
/// What a call costs as an MCP tool beyond the same call over HTTP.
const MCP_MS_MAX: f64 = 2.0;
/// From a message's commit to the process that it wakes, at the 95th percentile.
const WAKE_MS_MAX: f64 = 50.0;

/// The cases of `messaging`, in the order they are measured.
const CASES: [&str; 6] = ["binary", "start", "memory", "post", "mcp", "wake"];

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Which {
    /// Durable posts over HTTP beside a bare writer on the same disk; wakes, start, memory and size.
    Messaging(Params),
}

/// What `bench messaging` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// End with 1 when a goal is missed, with 4 when one could not be judged.
    #[arg(long)]
    strict: bool,
    /// Only this case; may be repeated.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(CASES))]
    cases: Vec<String>,
    /// The folder to measure in, on the disk that is meant; the system's temporary folder unless said otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take far too little time for figures that mean something: for tests of the command itself.
    #[arg(long, hide = true)]
    quick: bool,
}

/// How long everything takes.
struct Pace {
    probe: Duration,
    starts: usize,
    pairs: usize,
    span: Span,
    wakes: u32,
}

impl Pace {
    /// About 100 seconds in all: 4 x 5 x 2 runs, the starts, the wakes and the probe.
    const FULL: Self = Self {
        probe: Duration::from_secs(2),
        starts: 5,
        pairs: 5,
        span: Span { warm: Duration::from_millis(300), counted: Duration::from_millis(1_300) },
        wakes: 40,
    };
    const QUICK: Self = Self {
        probe: Duration::from_millis(50),
        starts: 1,
        pairs: 2,
        span: Span { warm: Duration::ZERO, counted: Duration::from_millis(500) },
        wakes: 2,
    };
}

/// Measure, and end with the report also when it fails.
pub(crate) async fn run(cx: &Context, which: Which) -> End {
    let Which::Messaging(params) = which;
    let mut report = Report::begin("messaging", Machine::default());
    report.problem = measure(&params, &mut report).await.err();
    if let Some(problem) = &report.problem {
        Output::note(&format!("error: {}", problem.detail));
    }
    let code = report.exit_code(params.strict);
    Ok(Answer { json: Some(to_json(&report)?), text: show::text(cx.output.style(), &report), code })
}

/// Everything in a folder that is removed at the end.
async fn measure(params: &Params, report: &mut Report) -> Result<(), Problem> {
    let pace = if params.quick { Pace::QUICK } else { Pace::FULL };
    let above = params.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new()
        .prefix("interlock-bench-")
        .tempdir_in(&above)
        .map_err(|error| unwritable(&above, &error))?;
    report.machine = Machine::look(dir.path(), pace.probe).map_err(|error| unwritable(dir.path(), &error))?;
    let mut stage = Stage::prepare(dir.path())?;
    let anchor = Anchor::open(dir.path())
        .map(Arc::new)
        .map_err(|error| Problem::new(Reason::StoreUnavailable, &error.to_string(), ""))?;
    let result = tokio::select! {
        result = cases(params, &pace, report, &mut stage, &anchor) => result,
        _ = tokio::signal::ctrl_c() => Err(Problem::new(Reason::Interrupted, "interrupted", "")),
    };
    let stopped = stage.stop().await;
    result.and(stopped)
}

async fn cases(
    params: &Params,
    pace: &Pace,
    report: &mut Report,
    stage: &mut Stage,
    anchor: &Arc<Anchor>,
) -> Result<(), Problem> {
    let is_wanted = |case: &str| params.cases.is_empty() || params.cases.iter().any(|wanted| wanted == case);
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
        for (clients, limit) in POST_GOALS {
            posts(pace, report, anchor, &address, clients, limit).await?;
        }
    }
    if is_wanted("mcp") {
        report.overhead("mcp", &tools::measure(&address, pace.pairs, pace.span).await?, MCP_MS_MAX);
    }
    if is_wanted("wake") {
        stage.stop().await?;
        stage.start_with_supervisor().await?;
        report.durations("wake", wakes::measure(stage, pace.wakes).await?, WAKE_MS_MAX);
    }
    Ok(())
}

/// Anchor, ours, anchor, ours.
async fn posts(
    pace: &Pace,
    report: &mut Report,
    anchor: &Arc<Anchor>,
    address: &stage::Address,
    clients: u32,
    limit: f64,
) -> Result<(), Problem> {
    let mut pairs = Vec::new();
    let mut took_ms = Vec::new();
    for _ in 0..pace.pairs {
        let bare = drive::anchor(anchor, clients, pace.span).await?;
        let ours = drive::posts(address, clients, pace.span).await?;
        pairs.push(Pair { anchor: bare.per_s, ours: ours.per_s });
        took_ms.extend(ours.took_ms);
    }
    report.rate("post", clients, &pairs, Spread::of(took_ms), limit);
    if let Some(row) = report.rows.last() {
        Output::note(&format!("{clients} clients: {} per second, the anchor {:?}", row.value, row.anchor));
    }
    Ok(())
}

fn binary_mb() -> Result<f64, Problem> {
    let program = environment::program()?;
    let bytes = std::fs::metadata(&program).map_err(|error| unwritable(&program, &error))?.len();
    Ok(f64::from(u32::try_from(bytes / 1_024).unwrap_or(u32::MAX)) / 1_024.0)
}
