//! The runner of jobs: whatever is killed, each job comes to an end, and nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use interlock_core::command::{Command, JobOutcome, RequeueJob};
use interlock_core::facts::Reply;
use interlock_core::id::JobId;
use interlock_core::job::{Job, JobState, NewJob, RetryPolicy};
use interlock_core::limits::JOB_RUN_MS_MAX;
use interlock_core::policy::Policy;
use interlock_engine::read::{JobFilter, Page, Store as _};
use interlock_engine::{JobRunner, Request, RunnerOptions, Work, authorize};
use interlock_testkit::faults::Fault;
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};

use crate::world::{AnyWrite, World, posts};

/// Does what the payload says, and is killed as long as there are kills left.
struct Errand {
    done: Mutex<BTreeMap<JobId, u32>>,
    kills: Mutex<u32>,
    begun: mpsc::UnboundedSender<JobId>,
}

impl Errand {
    fn new(kills: u32) -> (Arc<Self>, mpsc::UnboundedReceiver<JobId>) {
        let (begun, hears) = mpsc::unbounded_channel();
        (Arc::new(Self { done: Mutex::default(), kills: Mutex::new(kills), begun }), hears)
    }

    fn is_killed(&self) -> bool {
        let mut kills = self.kills.lock().unwrap();
        let is_killed = *kills > 0;
        *kills = kills.saturating_sub(1);
        is_killed
    }
}

#[async_trait]
impl Work for Errand {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        if self.is_killed() {
            self.begun.send(job.job_id).unwrap();
            std::future::pending::<()>().await;
        }
        if job.payload.get("is_poisoned") == Some(&json!(true)) {
            return JobOutcome::Failed("poisoned".into());
        }
        *self.done.lock().unwrap().entry(job.job_id).or_default() += 1;
        JobOutcome::Done
    }
}

/// A worker that keeps what it has in hand, however slow the machine is.
fn steady(world: &World, work: Arc<dyn Work>) -> JobRunner {
    let options = RunnerOptions::of(world.engine.policy(), "worker".into());
    JobRunner::new(Arc::clone(&world.engine), world.here, options, vec![work]).unwrap()
}

/// One that may be killed at any time: another soon has what it had in hand.
fn runner(world: &World, errand: &Arc<Errand>, life: u32) -> JobRunner {
    let options = RunnerOptions { worker: format!("worker-{life}"), lease_ms: 30, concurrency: 4 };
    JobRunner::new(Arc::clone(&world.engine), world.here, options, vec![errand.clone()]).unwrap()
}

async fn enqueues(world: &World, n: u32, is_poisoned: bool, attempts_max: u32) -> JobId {
    let job = Command::EnqueueJob(errand(n, is_poisoned, attempts_max));
    let reply = world.does(&world.lead(), &format!("job-{n}"), job).await.unwrap().reply;
    let Reply::Job(id) = reply else { panic!("no job: {reply:?}") };
    id
}

fn errand(n: u32, is_poisoned: bool, attempts_max: u32) -> NewJob {
    NewJob {
        kind: "errand".into(),
        name: Some(format!("number {n}")),
        payload: json!({"is_poisoned": is_poisoned}),
        run_at: None,
        policy: RetryPolicy { base_ms: 1, cap_ms: 5, attempts_max },
    }
}

async fn all(world: &World) -> Vec<Job> {
    world.store.jobs(world.here, JobFilter::default(), Page { after: None, limit: 1_000 }).await.unwrap()
}

/// Until no job is left that anything comes of by itself.
async fn drained(world: &World) {
    let drain = async {
        while world.store.next_job(world.here).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), drain).await.unwrap();
}

#[tokio::test]
async fn after_fifty_kills_of_the_worker_every_job_is_done_or_dead() {
    const KILLS: u32 = 50;
    let world = World::new().await;
    let (errand, mut begun) = Errand::new(KILLS);
    let mut accepted = Vec::new();
    for n in 0..40 {
        accepted.push(enqueues(&world, n, n % 8 == 0, if n % 8 == 0 { 3 } else { 1_000 }).await);
    }
    let (stop, stopping) = watch::channel(false);
    let mut killed = 0;
    while killed < KILLS {
        let life = tokio::spawn(runner(&world, &errand, killed).run(stopping.clone()));
        // A life ends in the middle of one job, or of several.
        begun.recv().await.unwrap();
        life.abort();
        drop(life.await);
        killed += 1;
        while begun.try_recv().is_ok() {
            killed += 1;
        }
    }
    let last = tokio::spawn(runner(&world, &errand, KILLS).run(stopping));
    drained(&world).await;
    stop.send(true).unwrap();
    last.await.unwrap();
    let jobs = all(&world).await;
    let mut seen: Vec<_> = jobs.iter().map(|job| job.job_id).collect();
    seen.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(seen, accepted, "none is lost, none is there twice");
    let of = |state| jobs.iter().filter(|job| job.state == state).collect::<Vec<_>>();
    let (completed, dead) = (of(JobState::Completed), of(JobState::Dead));
    assert_eq!((completed.len(), dead.len()), (35, 5));
    let done = errand.done.lock().unwrap().clone();
    assert!(completed.iter().all(|job| done.contains_key(&job.job_id)), "completed is done");
    assert!(dead.iter().all(|job| job.attempts == 3 && !done.contains_key(&job.job_id)));
    // Their ends are history, the rest is not.
    let ledger = world.ledger().await;
    assert_eq!(ledger.iter().filter(|entry| entry["events"][0]["kind"] == "job.died/1").count(), 5);
    assert_eq!(ledger.len(), 5);
}

#[tokio::test]
async fn a_caller_never_waits_for_a_worker() {
    let world = World::new().await;
    let thread = world.thread().await;
    let waiting = enqueues(&world, 1, false, 3).await;
    // No worker runs: callers are answered, and the job waits.
    world.does(&world.lead(), "post", posts(thread, "done at once")).await.unwrap();
    assert_eq!(world.store.job(world.here, waiting).await.unwrap().unwrap().state, JobState::Queued);
    let (errand, _begun) = Errand::new(0);
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(steady(&world, errand.clone()).run(stopping));
    drained(&world).await;
    // Asked for while a worker waits for the next: a commit wakes it.
    let late = enqueues(&world, 2, false, 3).await;
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    assert_eq!(*errand.done.lock().unwrap(), BTreeMap::from([(waiting, 1), (late, 1)]));
}

#[tokio::test]
async fn a_kind_that_nobody_does_ends_dead_and_says_why() {
    let world = World::new().await;
    let job = NewJob {
        kind: "nothing".into(),
        name: None,
        payload: json!({}),
        run_at: None,
        policy: RetryPolicy { base_ms: 1, cap_ms: 1, attempts_max: 2 },
    };
    world.does(&world.lead(), "job", Command::EnqueueJob(job)).await.unwrap();
    let (errand, _begun) = Errand::new(0);
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(steady(&world, errand.clone()).run(stopping));
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    let job = all(&world).await.remove(0);
    assert_eq!((job.state, job.attempts), (JobState::Dead, 2));
    assert_eq!(job.error.as_deref(), Some("this server does no `nothing`"));
}

/// Does not come to an end.
struct Endless(mpsc::UnboundedSender<JobId>, i64);

#[async_trait]
impl Work for Endless {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        self.0.send(job.job_id).unwrap();
        std::future::pending().await
    }

    fn run_ms_max(&self) -> i64 {
        self.1
    }
}

#[tokio::test]
async fn callers_are_answered_while_every_worker_is_busy() {
    let world = World::new().await;
    let thread = world.thread().await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let at_once = RunnerOptions::of(world.engine.policy(), "worker".into()).concurrency;
    let runner = steady(&world, Arc::new(Endless(begun, JOB_RUN_MS_MAX)));
    let (_stop, stopping) = watch::channel(false);
    let working = tokio::spawn(runner.run(stopping));
    for n in 0..at_once + 2 {
        enqueues(&world, n, false, 3).await;
    }
    for _ in 0..at_once {
        begins.recv().await.unwrap();
    }
    world.does(&world.lead(), "post", posts(thread, "done at once")).await.unwrap();
    assert_eq!(world.bodies(thread).await, ["done at once"]);
    let counts = world.store.job_counts(world.here).await.unwrap();
    let expected = [(JobState::Queued, 2), (JobState::Running, u64::from(at_once))];
    assert_eq!(counts.states, expected.into(), "the rest waits");
    working.abort();
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_has_failed() {
    let world = World::new().await;
    let id = enqueues(&world, 1, false, 2).await;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let runner = steady(&world, Arc::new(Endless(begun, 1)));
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(runner.run(stopping));
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    assert_eq!([begins.recv().await, begins.recv().await], [Some(id), Some(id)]);
    let job = all(&world).await.remove(0);
    assert_eq!((job.state, job.attempts), (JobState::Dead, 2));
    assert_eq!(job.error.as_deref(), Some("it took longer than 1 ms"));
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_loses_no_job() {
    for fault in [Fault::Before, Fault::After] {
        for n in 1..=24 {
            let world = World::with(Policy { poll_interval_ms: 5, ..Policy::default() }).await;
            world.store.fail_call(n, fault);
            let (errand, _begun) = Errand::new(0);
            let (stop, stopping) = watch::channel(false);
            let working = tokio::spawn(runner(&world, &errand, 1).run(stopping));
            let mut accepted = BTreeSet::new();
            for number in 0..3 {
                accepted.insert(asks_until_accepted(&world, number).await);
            }
            drained_for_all_faults(&world).await;
            stop.send(true).unwrap();
            working.await.unwrap();
            world.store.heal();
            let jobs = all(&world).await;
            assert!(jobs.iter().all(|job| job.state == JobState::Completed), "{fault:?} {n}: {jobs:?}");
            // A job whose answer was lost and which was done meanwhile is asked for once more.
            let there: BTreeSet<JobId> = jobs.iter().map(|job| job.job_id).collect();
            assert!(
                accepted.is_subset(&there) && there.len() <= accepted.len() + 1,
                "{fault:?} {n}: {jobs:?}"
            );
            let done = errand.done.lock().unwrap().clone();
            assert!(there.iter().all(|id| done.contains_key(id)), "{fault:?} {n}: completed is done");
        }
    }
}

async fn asks_until_accepted(world: &World, n: u32) -> JobId {
    for attempt in 0..3 {
        let key = format!("job-{n}-{attempt}");
        match world.does(&world.lead(), &key, Command::EnqueueJob(errand(n, false, 1_000))).await {
            Ok(outcome) => match outcome.reply {
                Reply::Job(id) => return id,
                other => panic!("{other:?}"),
            },
            Err(refusal) => assert!(refusal.code().is_retryable(), "{refusal}"),
        }
    }
    panic!("job {n} was never accepted");
}

/// As `drained`, where looking may fail too.
async fn drained_for_all_faults(world: &World) {
    let drain = async {
        while world.store.next_job(world.here).await != Ok(None) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), drain).await.unwrap();
}

#[tokio::test]
async fn what_became_of_jobs_is_counted_once() {
    let world = World::new().await;
    for n in 0..4 {
        enqueues(&world, n, n == 0, 2).await;
    }
    // The same name again is the same job.
    enqueues(&world, 3, false, 2).await;
    let before = world.engine.job_tally();
    assert_eq!((before.accepted, before.claimed), (4, 0));
    let (errand, _begun) = Errand::new(0);
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(steady(&world, errand.clone()).run(stopping));
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    let dead = all(&world).await.into_iter().find(|job| job.state == JobState::Dead).unwrap();
    let requeue = Command::RequeueJob(RequeueJob { job_id: dead.job_id, text: "once more".into() });
    let first = world.does(&world.lead(), "again", requeue.clone()).await.unwrap();
    let again = world.does(&world.lead(), "again", requeue).await.unwrap();
    assert_eq!(first, again, "the same key is the same requeue");
    let tally = world.engine.job_tally();
    assert_eq!((tally.accepted, tally.completed, tally.died, tally.requeued), (4, 3, 1, 1));
    assert_eq!((tally.claimed, tally.retried), (5, 1));
    assert_eq!(tally.within.iter().sum::<u64>(), 3);
}

/// Says that no attempt will do better.
struct Hopeless;

#[async_trait]
impl Work for Hopeless {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, _job: &Job) -> JobOutcome {
        JobOutcome::Hopeless("never".into())
    }
}

#[tokio::test]
async fn the_trace_of_what_asked_for_a_job_is_in_its_end() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let world = World::new().await;
    let permit = authorize::<AnyWrite>(&world.lead()).unwrap();
    let request = Request { trace: Some(TRACE.into()), ..Request::default() };
    let job = Command::EnqueueJob(errand(1, false, 3));
    world.engine.execute(&permit, &request, job).await.unwrap();
    let runner = steady(&world, Arc::new(Hopeless));
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(runner.run(stopping));
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    assert_eq!(all(&world).await.remove(0).trace.as_deref(), Some(TRACE));
    let entry = world.ledger().await.remove(0);
    assert_eq!((&entry["trace"], &entry["operation"]), (&json!(TRACE), &json!("run_jobs")));
    assert_eq!(entry["events"][0]["kind"], "job.died/1");
}

/// Comes to its end when it is let go.
struct Gated(mpsc::UnboundedSender<JobId>, Arc<Notify>);

#[async_trait]
impl Work for Gated {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        self.0.send(job.job_id).unwrap();
        self.1.notified().await;
        JobOutcome::Done
    }
}

#[tokio::test]
async fn what_is_done_while_the_store_is_away_is_not_done_again() {
    let world = World::new().await;
    let id = enqueues(&world, 1, false, 3).await;
    let ((begun, mut begins), gate) = (mpsc::unbounded_channel(), Arc::new(Notify::new()));
    let runner = steady(&world, Arc::new(Gated(begun, Arc::clone(&gate))));
    let (stop, stopping) = watch::channel(false);
    let working = tokio::spawn(runner.run(stopping));
    assert_eq!(begins.recv().await, Some(id));
    world.store.set_down(true);
    let before = world.store.batches();
    gate.notify_one();
    // It was said twice in vain.
    world.store.batches_reach(before + 2).await;
    world.store.heal();
    drained(&world).await;
    stop.send(true).unwrap();
    working.await.unwrap();
    let job = world.store.job(world.here, id).await.unwrap().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Completed, 1));
    assert_eq!(begins.recv().await, None, "nobody did it once more");
}

/// Says when it is dropped before its end.
struct Dropped(mpsc::UnboundedSender<bool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(false).unwrap();
    }
}

/// Says that it has begun, and that it was let go.
struct Watched(mpsc::UnboundedSender<bool>);

#[async_trait]
impl Work for Watched {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, _job: &Job) -> JobOutcome {
        let _dropped = Dropped(self.0.clone());
        self.0.send(true).unwrap();
        std::future::pending().await
    }
}

#[tokio::test]
async fn work_that_cannot_be_held_any_longer_is_let_go() {
    let world = World::new().await;
    enqueues(&world, 1, false, 3).await;
    let (works, mut heard) = mpsc::unbounded_channel();
    let options = RunnerOptions { worker: "worker".into(), lease_ms: 60, concurrency: 1 };
    let work = vec![Arc::new(Watched(works)) as Arc<dyn Work>];
    let runner = JobRunner::new(Arc::clone(&world.engine), world.here, options, work).unwrap();
    let (_stop, stopping) = watch::channel(false);
    let working = tokio::spawn(runner.run(stopping));
    assert_eq!(heard.recv().await, Some(true));
    // Nobody else may have it as long as it is renewed.
    let job = all(&world).await.remove(0);
    let renewed = async {
        while all(&world).await.remove(0).lease == job.lease {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), renewed).await.unwrap();
    assert!(heard.try_recv().is_err(), "it is at work still");
    world.store.set_down(true);
    assert_eq!(heard.recv().await, Some(false));
    working.abort();
}
