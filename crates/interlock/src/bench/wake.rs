//! `interlock bench wake`: how soon messages wake agents, with real processes and a supervisor of its own.
//!
//! The lanes are told apart: announced by the commit, and found by polling while announcements are dropped. Every figure
//! is taken from the ledger's own instants, as [`wakes`] says.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::wake::Lane;

use super::crowd::{self, Crowd};
use super::machine::{self, Machine};
use super::report::{Figure, Goal, Report};
use super::runner::Runner;
use super::setting::Setting;
use super::stage::{Stage, defect};
use super::stats::Spread;
use super::wakes;
use crate::context::Context;
use crate::exit::End;

/// From a message's commit to the process, idle: median and 95th percentile.
const TRIGGER_MS_MAX: [f64; 2] = [10.0, 50.0];
/// The same with many wakes in flight.
const FLIGHT_MS_MAX: f64 = 500.0;
/// How often the polling net looks while announcements are dropped, and how much later a wake may be.
const POLL_MS: u32 = 1_000;
const POLL_BEYOND_MS: f64 = 100.0;
/// The share of one core that an idle supervisor may use, and the server that it waits at.
const IDLE_SHARE_MAX: f64 = 0.01;
/// In many threads with many participants: until a post is read, median and 95th percentile, and until it wakes.
const VISIBLE_MS_MAX: [f64; 2] = [500.0, 2_000.0];
const THREADS_WAKE_MS_MAX: f64 = 3_000.0;
/// Agents that one supervisor runs at once here.
const AT_ONCE: u32 = 50;

/// The cases, in the order they are measured.
const CASES: [&str; 6] = ["trigger", "poll", "flight", "dormant", "idle", "threads"];

/// What `bench wake` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Only this case; may be repeated.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(CASES))]
    cases: Vec<String>,
    #[command(flatten)]
    setting: Setting,
}

/// How much is measured.
struct Pace {
    probe: Duration,
    triggered: u32,
    polled: u32,
    in_flight: u32,
    dormant: u32,
    idle: Duration,
    /// Threads, and participants of each.
    threads: [u32; 2],
}

impl Pace {
    /// About 70 seconds in all.
    const FULL: Self = Self {
        probe: Duration::from_secs(2),
        triggered: 60,
        polled: 10,
        in_flight: 200,
        dormant: 1_000,
        idle: Duration::from_secs(10),
        threads: [100, 20],
    };
    const QUICK: Self = Self {
        probe: Duration::from_millis(50),
        triggered: 3,
        polled: 3,
        in_flight: 4,
        dormant: 6,
        idle: Duration::from_millis(300),
        threads: [2, 3],
    };
}

/// Measure, and end with the report also when it fails.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let mut report = Report::begin("wake", Machine::default());
    let measured = measure(cx, &params, &mut report).await;
    params.setting.end(cx, report, measured)
}

async fn measure(cx: &Context, params: &Params, report: &mut Report) -> Result<(), Problem> {
    let pace = params.setting.pace(Pace::FULL, Pace::QUICK);
    let dir = params.setting.folder(pace.probe, report)?;
    let database = params.setting.database(cx);
    if database.is_some() {
        report.store = "postgres";
    }
    let mut stage = Stage::prepare(dir.path(), database)?;
    stage.set_policy(&format!("poll_interval_ms = {POLL_MS}\nagents_running_max = 1000\n"))?;
    let mut bench = Bench { pace: &pace, report, dir: dir.path(), stage: &mut stage, runners: Vec::new() };
    let result = tokio::select! {
        result = bench.cases(&params.cases) => result,
        _ = tokio::signal::ctrl_c() => Err(Problem::new(Reason::Interrupted, "interrupted", "")),
    };
    let ended = bench.rest().await;
    result.and(ended).and(stage.stop().await)
}

struct Bench<'a> {
    pace: &'a Pace,
    report: &'a mut Report,
    dir: &'a Path,
    stage: &'a mut Stage,
    runners: Vec<Runner>,
}

impl Bench<'_> {
    async fn cases(&mut self, wanted: &[String]) -> Result<(), Problem> {
        let is_wanted = |case: &str| wanted.is_empty() || wanted.iter().any(|one| one == case);
        if is_wanted("poll") {
            self.stage.start_deaf().await?;
            self.poll().await?;
            self.rest().await?;
            self.stage.stop().await?;
        }
        self.stage.start().await?;
        if is_wanted("trigger") {
            self.trigger().await?;
            self.rest().await?;
        }
        if is_wanted("flight") {
            self.flight().await?;
            self.rest().await?;
        }
        if is_wanted("threads") {
            self.threads().await?;
            self.rest().await?;
        }
        if is_wanted("dormant") || is_wanted("idle") {
            self.dormant(is_wanted("dormant"), is_wanted("idle")).await?;
        }
        Ok(())
    }

    async fn runner(&mut self, name: &str, at_once: u32) -> Result<u32, Problem> {
        let runner = Runner::start(self.stage, self.dir, name, at_once).await?;
        let pid = runner.pid;
        self.runners.push(runner);
        Ok(pid)
    }

    /// Let every supervisor go.
    async fn rest(&mut self) -> Result<(), Problem> {
        let mut ended = Ok(());
        for runner in self.runners.drain(..) {
            ended = ended.and(runner.stop().await);
        }
        ended
    }

    async fn poll(&mut self) -> Result<(), Problem> {
        self.runner("polling", AT_ONCE).await?;
        let took_ms = wakes::measure(self.stage, "polled", self.pace.polled).await?;
        let took_ms = of_lane(took_ms, Lane::Poll)?;
        self.report.durations("poll", took_ms, f64::from(POLL_MS) + POLL_BEYOND_MS);
        Ok(())
    }

    async fn trigger(&mut self) -> Result<(), Problem> {
        self.runner("announced", AT_ONCE).await?;
        let took_ms = wakes::measure(self.stage, "announced", self.pace.triggered).await?;
        let took_ms = of_lane(took_ms, Lane::Trigger)?;
        let [middle, tail] = TRIGGER_MS_MAX;
        self.report.middles("trigger_p50", took_ms.clone(), middle);
        self.report.durations("trigger_p95", took_ms, tail);
        Ok(())
    }

    /// Many are woken at once and run on; then others are woken beside them, one at a time.
    async fn flight(&mut self) -> Result<(), Problem> {
        for number in 0..self.pace.in_flight.div_ceil(AT_ONCE) {
            self.runner(&format!("flight-{number}"), AT_ONCE).await?;
        }
        let gate = crowd::Gate::make(&self.dir.join("gate"))?;
        let crowd = Crowd::register(self.stage, "flyer", self.pace.in_flight, &gate.agent()?).await?;
        crowd.post(self.stage).await?;
        let storm = crowd.until_running(self.stage).await?;
        self.report.durations("storm", storm, FLIGHT_MS_MAX);
        self.runner("beside", 8).await?;
        let beside = wakes::measure(self.stage, "beside", self.pace.triggered).await?;
        self.report.durations("flight", beside.into_iter().map(|(_, ms)| ms).collect(), FLIGHT_MS_MAX);
        let _open = gate.open()?;
        crowd.until_over(self.stage).await.map(drop)
    }

    /// Posts to many threads with many participants, one of whom is an agent that is woken.
    async fn threads(&mut self) -> Result<(), Problem> {
        self.runner("threads", AT_ONCE).await?;
        let [threads, participants] = self.pace.threads;
        let seen = crowd::threads(self.stage, threads, participants).await?;
        let [middle, tail] = VISIBLE_MS_MAX;
        self.report.middles("threads_visible_p50", seen.visible_ms.clone(), middle);
        self.report.durations("threads_visible_p95", seen.visible_ms, tail);
        self.report.durations("threads_wake", seen.wake_ms, THREADS_WAKE_MS_MAX);
        Ok(())
    }

    /// Everybody is woken for one message, and asleep again.
    async fn dormant(&mut self, is_wanted: bool, is_idle: bool) -> Result<(), Problem> {
        let crowd =
            Crowd::register(self.stage, "dormant", self.pace.dormant, &crowd::acknowledging()?).await?;
        let pid = self.runner("dormant", AT_ONCE).await?;
        if is_wanted {
            crowd.post(self.stage).await?;
            let over = crowd.until_over(self.stage).await?;
            let share = f64::from(over.once) / f64::from(self.pace.dormant);
            let why =
                format!("{} of {} agents, the last after {:.1} s", over.once, self.pace.dormant, over.took_s);
            let spread = Spread::of(over.dispatched_ms);
            self.report.add(Figure::sure("dormant", AT_ONCE, share, Goal::at_least(1.0), why).spread(spread));
        }
        if is_idle {
            self.idle(pid).await?;
        }
        Ok(())
    }

    /// What waiting costs, the supervisor and the server that it waits at.
    async fn idle(&mut self, supervisor: u32) -> Result<(), Problem> {
        let pids = [supervisor, self.stage.pid()?];
        let used = || -> Result<Vec<f64>, Problem> {
            let of = |pid| machine::cpu_seconds(pid).ok_or_else(|| defect(&"a measured process is gone"));
            pids.into_iter().map(of).collect()
        };
        let (before, start) = (used()?, tokio::time::Instant::now());
        tokio::time::sleep(self.pace.idle).await;
        let (after, took_s) = (used()?, start.elapsed().as_secs_f64());
        let shares = after.iter().zip(&before).map(|(after, before)| (after - before) / took_s);
        for (case, share) in ["idle", "idle_server"].into_iter().zip(shares) {
            self.report.value(case, "ratio", vec![share], IDLE_SHARE_MAX);
        }
        Ok(())
    }
}

/// Those that came by this lane: a wake that a claim finds just as it begins has come by neither.
fn of_lane(took_ms: Vec<(Lane, f64)>, lane: Lane) -> Result<Vec<f64>, Problem> {
    let of: Vec<f64> = took_ms.into_iter().filter(|(by, _)| *by == lane).map(|(_, ms)| ms).collect();
    if of.is_empty() { Err(defect(&format!("no wake came by the lane `{lane}`"))) } else { Ok(of) }
}
