//! Load: what the server does when more is asked of it than is good for it, and whether it stays right.
//!
//! Sustained writes and reads over several threads, a burst above the rate limit, more and more writers on one thread, and
//! everybody writing at once. That nothing is refused, lost or doubled is judged on any machine; times are not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use interlock_api::Problem;
use interlock_core::{Code, Reason};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::drive::{Connection, Poster};
use super::reads;
use super::report::{Figure, Goal, Report};
use super::stage::{Address, Stage, defect};
use super::stats::Spread;
use crate::environment::Secret;
use crate::instance::make_private_folder;

/// How much later the slowest percent may be in the last third than in the first.
const DRIFT_MAX: f64 = 2.0;
/// When a post must be visible to others: the 95th percentile, and the median.
const VISIBLE_P95_MS_MAX: f64 = 2_000.0;
const VISIBLE_P50_MS_MAX: f64 = 500.0;
/// Connections of the one who asks for more than the limit.
const CALLERS: u32 = 16;
/// How far the counting of a limit and of its clock may be apart.
const LIMIT_SLACK: f64 = 1.1;
/// How long an open read of the watcher waits, so that it hears of the end.
const WATCH_MS: u64 = 250;

/// How much load, and for how long.
pub(super) struct Weight {
    /// Threads that are written and read, with so many writers and readers each.
    pub(super) threads: u32,
    pub(super) writers: u32,
    pub(super) readers: u32,
    pub(super) sustained: Duration,
    pub(super) burst: Duration,
    /// The limit of the server that is asked for more: per second, and at once.
    pub(super) limit: [u32; 2],
    /// Posts after the burst, at half of the limit.
    pub(super) calm: u32,
    /// Writers on one thread, level by level, and how long each level is kept.
    pub(super) levels: &'static [u32],
    pub(super) level: Duration,
    /// Who writes at once, and how much each.
    pub(super) crowd: u32,
    pub(super) posts_each: u32,
}

impl Weight {
    /// About a minute and a half.
    pub(super) const FULL: Self = Self {
        threads: 8,
        writers: 4,
        readers: 2,
        sustained: Duration::from_secs(30),
        burst: Duration::from_secs(5),
        limit: [200, 100],
        calm: 200,
        levels: &[1, 4, 16, 64, 256, 512],
        level: Duration::from_secs(5),
        crowd: 256,
        posts_each: 20,
    };
    pub(super) const QUICK: Self = Self {
        threads: 2,
        writers: 2,
        readers: 1,
        sustained: Duration::from_millis(600),
        burst: Duration::from_millis(500),
        limit: [20, 10],
        calm: 8,
        levels: &[1, 4],
        level: Duration::from_millis(200),
        crowd: 8,
        posts_each: 5,
    };
}

/// All of it, one after the other.
///
/// # Errors
/// When the server does not answer, or refuses what it must take.
pub(super) async fn measure(
    weight: &Weight,
    report: &mut Report,
    dir: &Path,
    stage: &Stage,
    address: &Address,
) -> Result<(), Problem> {
    sustained(weight, report, stage, address).await?;
    burst(weight, report, dir, stage.database()).await?;
    contention(weight, report, stage, address).await?;
    crowd(weight, report, stage, address).await
}

/// One request's end, and how long it took.
type Turn = (Instant, f64);

/// What one client met.
#[derive(Default)]
struct Met {
    turns: Vec<Turn>,
    /// The `seq` of what was posted.
    posted: Vec<u64>,
    /// Refused with RATE_LIMITED and the time to wait, and the longest such time.
    limited: u64,
    wait_ms: u64,
    /// Answers of the server's own failing.
    broken: u64,
    /// Whatever else was no success.
    other: u64,
}

impl Met {
    fn done(&mut self, began: Instant) {
        let now = Instant::now();
        self.turns.push((now, (now - began).as_secs_f64() * 1_000.0));
    }

    fn refused(&mut self, problem: &Problem) {
        match (problem.code, problem.retry_after_ms) {
            (Code::RateLimited, Some(ms)) => {
                self.limited += 1;
                self.wait_ms = self.wait_ms.max(ms);
            }
            _ if problem.status >= 500 => self.broken += 1,
            _ => self.other += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.turns.extend(other.turns);
        self.posted.extend(other.posted);
        self.limited += other.limited;
        self.wait_ms = self.wait_ms.max(other.wait_ms);
        self.broken += other.broken;
        self.other += other.other;
    }

    fn taken(&self) -> u64 {
        count(&self.turns)
    }

    fn asked(&self) -> u64 {
        self.taken() + self.limited + self.broken + self.other
    }

    fn failed(&self) -> u64 {
        self.limited + self.broken + self.other
    }
}

/// Whether a connection is of no use any more.
fn is_lost(problem: &Problem) -> bool {
    problem.known_reason() == Some(Reason::ServerUnreachable)
}

#[derive(Deserialize)]
struct Seq {
    seq: u64,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Seq>,
}

fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(answer).map_err(|error| defect(&error))
}

/// Post once more; `false` when the connection is lost.
async fn post(poster: &mut Poster, met: &mut Met) -> Result<bool, Problem> {
    let began = Instant::now();
    match poster.post().await {
        Ok(answer) => {
            met.done(began);
            met.posted.push(read::<Seq>(&answer)?.seq);
            Ok(true)
        }
        Err(problem) => {
            met.refused(&problem);
            Ok(!is_lost(&problem))
        }
    }
}

/// Post until the time is up.
async fn posts_until(mut poster: Poster, end: Instant) -> Result<Met, Problem> {
    let mut met = Met::default();
    while Instant::now() < end && post(&mut poster, &mut met).await? {}
    Ok(met)
}

/// Read the first page until the time is up.
async fn reads_until(mut connection: Connection, request: Vec<u8>, end: Instant) -> Result<Met, Problem> {
    let mut met = Met::default();
    while Instant::now() < end {
        let began = Instant::now();
        match connection.ask(&request).await {
            Ok(_page) => met.done(began),
            Err(problem) => {
                met.refused(&problem);
                if is_lost(&problem) {
                    break;
                }
            }
        }
    }
    Ok(met)
}

/// What all of them met.
async fn together(mut clients: JoinSet<Result<Met, Problem>>) -> Result<Met, Problem> {
    let mut all = Met::default();
    while let Some(ended) = clients.join_next().await {
        all.add(ended.map_err(|error| defect(&error))??);
    }
    Ok(all)
}

/// Writers and readers over several threads: nothing is refused, and the last third is as quick as the first.
async fn sustained(
    weight: &Weight,
    report: &mut Report,
    stage: &Stage,
    address: &Address,
) -> Result<(), Problem> {
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    let mut opened = Vec::new();
    for number in 0..weight.threads {
        let thread = stage.another_thread(address, &format!("sustained {number}")).await?;
        for _ in 0..weight.writers {
            opened.push((Some(Poster::connect(&thread).await?), thread.clone()));
        }
        for _ in 0..weight.readers {
            opened.push((None, thread.clone()));
        }
    }
    let began = Instant::now();
    let end = began + weight.sustained;
    for (poster, thread) in opened {
        if let Some(poster) = poster {
            writers.spawn(posts_until(poster, end));
        } else {
            let connection = Connection::open(&thread.host).await?;
            readers.spawn(reads_until(connection, reads::request(&thread, 0, 0), end));
        }
    }
    let (written, read) = tokio::try_join!(together(writers), together(readers))?;
    let clients = |each: u32| weight.threads * each;
    report.add(never("load_errors", clients(weight.writers + weight.readers), {
        let (failed, asked) = (written.failed() + read.failed(), written.asked() + read.asked());
        (failed, asked, format!("{failed} of {asked} requests were refused or failed"))
    }));
    for (case, count, met) in
        [("load_writes", clients(weight.writers), written), ("load_reads", clients(weight.readers), read)]
    {
        let per_s = share(met.taken(), 1) / weight.sustained.as_secs_f64();
        let third = |n: u32| {
            let (from, to) = (began + weight.sustained * n / 3, began + weight.sustained * (n + 1) / 3);
            let turns = met.turns.iter().filter(|(at, _)| (from..to).contains(at));
            Spread::of(turns.map(|(_, ms)| *ms).collect()).p99
        };
        let (first, last) = (third(0), third(2));
        let spread = Spread::of(met.turns.iter().map(|(_, ms)| *ms).collect());
        let why = format!("{per_s:.0} per second; p99 of the last third beside the first's");
        let figure = Figure::of(case, count, "ms", last, spread, Goal::ratio_at_most(DRIFT_MAX), why);
        report.add(figure.beside(first));
    }
    Ok(())
}

/// Callers that ask for more than one may: what is too much is refused with the time to wait, and after it all is well.
async fn burst(
    weight: &Weight,
    report: &mut Report,
    dir: &Path,
    database: Option<&Secret>,
) -> Result<(), Problem> {
    let folder = dir.join("limited");
    make_private_folder(&folder)?;
    let mut stage = Stage::limited(&folder, database, weight.limit)?;
    stage.start().await?;
    let met = async {
        let address = stage.open_thread().await?;
        let mut clients = JoinSet::new();
        let began = Instant::now();
        for _ in 0..CALLERS {
            clients.spawn(posts_until(Poster::connect(&address).await?, began + weight.burst));
        }
        let met = together(clients).await?;
        let took = began.elapsed().as_secs_f64();
        Ok::<_, Problem>((calm(&address, weight, met.wait_ms).await?, met, took))
    };
    let met = met.await;
    stage.stop().await?;
    let (calm, met, took) = met?;
    let [per_s, at_once] = weight.limit.map(f64::from);
    let wrong = met.broken + met.other;
    // A burst that was none shows nothing.
    let failed = if met.limited == 0 { met.asked() } else { wrong };
    report.add(never("load_shed", CALLERS, {
        let told = format!("{} taken, {} told to wait, {wrong} refused otherwise", met.taken(), met.limited);
        (failed, met.asked(), told)
    }));
    let allowed = at_once + per_s * took;
    let ratio = share(met.taken(), 1) / allowed;
    let why = format!("{} of {allowed:.0} that the limit allows in this time", met.taken());
    let goal = Goal::at_most(LIMIT_SLACK);
    report.add(Figure::sure("load_limit", CALLERS, ratio, goal, why));
    report.add(never("load_recovery", 1, {
        let (failed, asked) = (calm.failed(), calm.asked());
        (
            failed,
            asked,
            format!("{} of {asked} taken at half of the limit, {} ms after", calm.taken(), met.wait_ms),
        )
    }));
    Ok(())
}

/// As long after a burst as was said: posts at half of the limit.
async fn calm(address: &Address, weight: &Weight, wait_ms: u64) -> Result<Met, Problem> {
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    let [per_s, _] = weight.limit;
    let mut pace = tokio::time::interval(Duration::from_secs(2) / per_s);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut poster = Poster::connect(address).await?;
    let mut met = Met::default();
    for _ in 0..weight.calm {
        pace.tick().await;
        if !post(&mut poster, &mut met).await? {
            break;
        }
    }
    Ok(met)
}

/// More and more writers on one thread, until what they say is visible too late.
async fn contention(
    weight: &Weight,
    report: &mut Report,
    stage: &Stage,
    address: &Address,
) -> Result<(), Problem> {
    for (place, writers) in weight.levels.iter().enumerate() {
        let thread = stage.another_thread(address, &format!("contention {writers}")).await?;
        let spread = Spread::of(visible_ms(&thread, *writers, weight.level).await?);
        let is_late = spread.p95 > VISIBLE_P95_MS_MAX || spread.p50 >= VISIBLE_P50_MS_MAX;
        let is_last = place + 1 == weight.levels.len();
        let why = match (is_late, is_last) {
            (true, _) => "the first level beyond what is promised",
            (false, true) => "the largest level tried",
            (false, false) => "",
        };
        let goal = Goal::p95_at_most(VISIBLE_P95_MS_MAX);
        report.add(Figure::of("load_visible", *writers, "ms", spread.p50, spread, goal, why.to_owned()));
        if is_late || is_last {
            let goal = Goal::below(VISIBLE_P50_MS_MAX);
            let why = why.to_owned();
            report.add(Figure::of("load_visible_p50", *writers, "ms", spread.p50, spread, goal, why));
            break;
        }
    }
    Ok(())
}

/// Milliseconds from sending each post to its being in an answer of somebody else's read.
async fn visible_ms(thread: &Address, writers: u32, span: Duration) -> Result<Vec<f64>, Problem> {
    let (end, last) = watch::channel(u64::MAX);
    let watcher = tokio::spawn(watches(Connection::open(&thread.host).await?, thread.clone(), last));
    let mut posters = Vec::new();
    for _ in 0..writers {
        posters.push(Poster::connect(thread).await?);
    }
    let until = Instant::now() + span;
    let mut clients = JoinSet::new();
    for poster in posters {
        clients.spawn(posts_until(poster, until));
    }
    let met = together(clients).await?;
    if met.failed() > 0 {
        return Err(defect(&format!("{} of {} posts were not taken", met.failed(), met.asked())));
    }
    end.send_replace(met.posted.iter().copied().max().unwrap_or(0));
    let seen = watcher.await.map_err(|error| defect(&error))??;
    let mut took = Vec::new();
    for (seq, (answered, ms)) in met.posted.iter().zip(&met.turns) {
        let (_, at) = seen
            .get(seen.partition_point(|(last, _)| last < seq))
            .ok_or_else(|| defect(&format!("message {seq} was never seen")))?;
        // From when it was sent: the answer's time less what it took.
        let after_answer = at.saturating_duration_since(*answered).as_secs_f64() * 1_000.0;
        let before_answer = answered.saturating_duration_since(*at).as_secs_f64() * 1_000.0;
        took.push((ms + after_answer - before_answer).max(0.0));
    }
    Ok(took)
}

/// Read on and on; gives the last `seq` of each answer with when it came, up to the one that is said to be the last.
async fn watches(
    mut connection: Connection,
    thread: Address,
    last: watch::Receiver<u64>,
) -> Result<Vec<(u64, Instant)>, Problem> {
    let (mut after, mut seen) = (0, Vec::new());
    while after < *last.borrow() {
        let answer = connection.ask(&reads::catching_up(&thread, after, WATCH_MS)).await?;
        let at = Instant::now();
        if let Some(newest) = read::<Page>(&answer)?.messages.last() {
            after = newest.seq;
            seen.push((after, at));
        }
    }
    Ok(seen)
}

/// Everybody writes at once into one thread: the server fails at nothing, and afterwards each message stands there once.
async fn crowd(
    weight: &Weight,
    report: &mut Report,
    stage: &Stage,
    address: &Address,
) -> Result<(), Problem> {
    let thread = stage.another_thread(address, "crowd").await?;
    let mut posters = Vec::new();
    for _ in 0..weight.crowd {
        posters.push(Poster::connect(&thread).await?);
    }
    let mut clients = JoinSet::new();
    for mut poster in posters {
        let posts = weight.posts_each;
        clients.spawn(async move {
            let mut met = Met::default();
            for _ in 0..posts {
                if !post(&mut poster, &mut met).await? {
                    break;
                }
            }
            Ok(met)
        });
    }
    let met = together(clients).await?;
    let (failed, asked) = (met.failed(), met.asked());
    let told = format!("{failed} of {asked} posts failed, {} by the server", met.broken);
    report.add(never("load_burst_errors", weight.crowd, (failed, asked, told)));
    let mut connection = Connection::open(&thread.host).await?;
    let mut stored = Vec::new();
    loop {
        let after = stored.last().copied().unwrap_or(0);
        let page: Page = read(&connection.ask(&reads::request(&thread, after, 0)).await?)?;
        if page.messages.is_empty() {
            break;
        }
        stored.extend(page.messages.iter().map(|message| message.seq));
    }
    let wrong = misplaced(&stored, met.posted);
    let told = format!("{wrong} of {} messages are missing, doubled or out of order", stored.len());
    report.add(never("load_burst_order", weight.crowd, (wrong, count(&stored), told)));
    Ok(())
}

/// How many places of a thread are not 1, 2, 3 and so on, and how many posts that were answered do not stand there.
fn misplaced(stored: &[u64], mut posted: Vec<u64>) -> u64 {
    posted.sort_unstable();
    let out_of_place = (1_u64..).zip(stored).filter(|(place, seq)| place != *seq).count();
    let doubled = posted.windows(2).filter(|pair| pair.first() == pair.last()).count();
    let there: BTreeSet<&u64> = stored.iter().collect();
    let missing = posted.iter().filter(|seq| !there.contains(seq)).count();
    u64::try_from(out_of_place + doubled + missing).unwrap_or(u64::MAX)
}

fn count<T>(all: &[T]) -> u64 {
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}

/// So many of so many that must be none.
fn never(case: &'static str, clients: u32, (wrong, all, why): (u64, u64, String)) -> Figure {
    // Nothing at all was asked: that shows nothing either.
    let value = if all == 0 { 1.0 } else { share(wrong, all) };
    Figure::sure(case, clients, value, Goal::at_most(0.0), why)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few million")]
fn share(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_stands_once_in_its_place() {
        assert_eq!(misplaced(&[1, 2, 3], vec![3, 1, 2]), 0);
        assert_eq!(misplaced(&[1, 2, 4], vec![1, 2, 4]), 1, "a gap");
        assert_eq!(misplaced(&[1, 2, 2], vec![1, 2, 2]), 2, "a double");
        assert_eq!(misplaced(&[1, 2], vec![1, 2, 3]), 1, "one that was lost");
        assert_eq!(misplaced(&[2, 1], vec![1, 2]), 2, "out of order");
    }

    #[test]
    fn what_was_never_asked_is_no_success() {
        let goal = |wrong, all| never("load_errors", 1, (wrong, all, String::new())).is_met();
        assert_eq!([goal(0, 5), goal(1, 5), goal(0, 0)], [true, false, false]);
    }

    #[test]
    fn answers_are_told_apart() {
        let mut met = Met::default();
        let problem = |reason| Problem::new(reason, "no", "");
        met.refused(&problem(Reason::RequestsTooFrequent));
        met.refused(&problem(Reason::StoreUnavailable));
        met.refused(&problem(Reason::ParameterInvalid));
        let mut without_time = problem(Reason::RequestsTooFrequent);
        without_time.retry_after_ms = None;
        met.refused(&without_time);
        assert_eq!((met.limited, met.broken, met.other, met.failed()), (1, 1, 2, 4));
        assert_eq!(met.wait_ms, 500);
    }
}
