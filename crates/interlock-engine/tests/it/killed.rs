//! kill -9 of the processes that work on jobs. The other processes are this test binary again.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use interlock_core::Reply;
use interlock_core::actor::{Actor, Role};
use interlock_core::command::{Command as Order, JobOutcome, TakeSnapshot};
use interlock_core::id::{JobId, WorkspaceId};
use interlock_core::job::{Job, JobState, NewJob, RetryPolicy};
use interlock_core::policy::Policy;
use interlock_core::snapshot::{Jobs, Stage};
use interlock_engine::read::{JobFilter, Page, Store};
use interlock_engine::{Engine, JobRunner, Request, RunnerOptions, Work, authorize};
use interlock_store::Workspace;
use interlock_store_postgres::PostgresStore;
use interlock_store_sqlite::SqliteStore;
use interlock_testkit::postgres::TestDatabase;
use serde_json::json;
use tokio::sync::watch;

use crate::world::{AnyWrite, agent, engine_over};

const PART: &str = "INTERLOCK_TEST_JOBS_PART";
const PLACE: &str = "INTERLOCK_TEST_JOBS_PLACE";
const FOLDER: &str = "INTERLOCK_TEST_JOBS_FOLDER";

/// How often a process is killed.
const KILLS: usize = 50;
/// One job in so many cannot be done.
const POISONED: usize = 8;
const POISONED_ATTEMPTS: u32 = 3;
/// Jobs that a process which is server and worker asks for in one life.
const JOBS: usize = 8;

fn ws() -> WorkspaceId {
    WorkspaceId::from_u128(1)
}

/// Does its work where it can be counted, holding a lock that ends with its process.
struct Errand(PathBuf);

#[async_trait]
impl Work for Errand {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        let lock = File::create(self.0.join(job.job_id.to_string())).unwrap();
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            self.notes("overlaps", job);
        }
        say(&format!("begun {}", job.job_id));
        if job.payload.get("is_poisoned") == Some(&json!(true)) {
            return JobOutcome::Failed("poisoned".into());
        }
        self.notes("done", job);
        JobOutcome::Done
    }
}

impl Errand {
    fn notes(&self, what: &str, job: &Job) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.join(what)).unwrap();
        // At once, so that what several write at the same time stays whole.
        file.write_all(format!("{} {}\n", job.job_id, std::process::id()).as_bytes()).unwrap();
        file.sync_data().unwrap();
    }
}

/// The lines of a file, each a job and a process.
fn noted(folder: &Path, what: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder.join(what)).unwrap_or_default();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

async fn store_at(place: &str) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = if place.starts_with("postgres") {
        Arc::new(PostgresStore::open(&interlock_store_postgres::Options::at(place)).await.unwrap())
    } else {
        Arc::new(SqliteStore::open(&interlock_store_sqlite::Options::at(place)).unwrap())
    };
    let workspace = Workspace { workspace_id: ws(), origin: "interlock.test/jobs".into() };
    store.create_workspace(workspace).await.unwrap();
    store
}

async fn engine_at(place: &str) -> Arc<Engine> {
    engine_over(store_at(place).await, Policy { poll_interval_ms: 20, ..Policy::default() })
}

fn runner(engine: &Arc<Engine>, folder: &Path, lease_ms: i64) -> JobRunner {
    let worker = format!("worker-{}", std::process::id());
    let options = RunnerOptions { worker, lease_ms, concurrency: 4 };
    let work = Arc::new(Errand(folder.to_owned()));
    JobRunner::new(Arc::clone(engine), ws(), options, vec![work]).unwrap()
}

/// Asks for a job as callers do; it is accepted when this returns.
async fn asks(engine: &Engine, n: usize) -> JobId {
    let is_poisoned = n.is_multiple_of(POISONED);
    let attempts_max = if is_poisoned { POISONED_ATTEMPTS } else { 1_000 };
    let new = NewJob {
        kind: "errand".into(),
        name: None,
        payload: json!({"is_poisoned": is_poisoned}),
        run_at: None,
        policy: RetryPolicy { base_ms: 1, cap_ms: 20, attempts_max },
    };
    let permit = authorize::<AnyWrite>(&lead()).unwrap();
    let outcome = engine.execute(&permit, &Request::default(), Order::EnqueueJob(new)).await.unwrap();
    let Reply::Job(id) = outcome.reply else { panic!("{outcome:?}") };
    id
}

fn lead() -> Actor {
    let name = agent("lead");
    let (role, workspace_id) = (Role::Coordinator, ws());
    Actor { name, role, workspace_id, session_id: None, wake_id: None, fence: None }
}

/// The lease of a process in this part: long where processes must not overlap, short where nobody else is there.
const fn lease_ms(is_alone: bool) -> i64 {
    if is_alone { 500 } else { 5_000 }
}

/// Does nothing in a test run; in a process started by `child` it plays that process's part until it is killed.
#[test]
fn as_a_worker() {
    let (Ok(part), Ok(place), Some(folder)) =
        (std::env::var(PART), std::env::var(PLACE), std::env::var_os(FOLDER))
    else {
        return;
    };
    runtime().block_on(async {
        let engine = engine_at(&place).await;
        let is_alone = part == "alone";
        let (_stop, stopping) = watch::channel(false);
        let working = tokio::spawn(runner(&engine, Path::new(&folder), lease_ms(is_alone)).run(stopping));
        for n in 0..if is_alone { JOBS } else { 0 } {
            say(&format!("accepted {}", asks(&engine, n).await));
        }
        working.await.unwrap();
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A process that is killed when this is dropped, however a test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn child(part: &str, place: &str, folder: &Path) -> (Process, std::io::Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::as_a_worker", "--nocapture"])
        .env(PART, part)
        .env(PLACE, place)
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (Process(child), out.lines())
}

/// Work on what is left, until nothing comes of any job by itself.
fn drained(place: &str, folder: &Path, is_alone: bool) -> Vec<Job> {
    runtime().block_on(async {
        let engine = engine_at(place).await;
        let (stop, stopping) = watch::channel(false);
        let working = tokio::spawn(runner(&engine, folder, lease_ms(is_alone)).run(stopping));
        let drain = async {
            while engine.store().next_job(ws()).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), drain).await.unwrap();
        stop.send(true).unwrap();
        working.await.unwrap();
        engine.store().jobs(ws(), JobFilter::default(), Page { after: None, limit: 10_000 }).await.unwrap()
    })
}

/// What a server that begins now counts of jobs, whoever worked on them.
fn counted(place: &str) -> Jobs {
    runtime().block_on(async {
        let engine = engine_at(place).await;
        let permit = authorize::<AnyWrite>(&lead()).unwrap();
        let take = TakeSnapshot { stage: Stage::parse("after-a-kill").unwrap(), text: String::new() };
        let outcome = engine.execute(&permit, &Request::default(), Order::TakeSnapshot(take)).await.unwrap();
        let Reply::Snapshot(id) = outcome.reply else { panic!("{outcome:?}") };
        engine.store().snapshot(ws(), id).await.unwrap().unwrap().content.jobs
    })
}

/// Whatever was killed when, each job that was accepted is somewhere, and each claim came to something.
fn adds_up(jobs: &Jobs) {
    let Jobs { accepted, completed, dead, waiting, running, .. } = jobs;
    assert_eq!((jobs.lost, *accepted), (0, completed + dead + waiting + running), "{jobs:?}");
    assert_eq!(jobs.claimed, completed + jobs.retried + jobs.put_off + jobs.died + running, "{jobs:?}");
    assert_eq!((jobs.time_to_complete.count, jobs.counted_since), (*completed, None));
}

/// Every job is done, or dead after exactly as many attempts as it has; the ledger tells of the dead.
fn all_came_to_an_end(jobs: &[Job], place: &str, folder: &Path) {
    let of = |state| jobs.iter().filter(move |job| job.state == state);
    assert_eq!(of(JobState::Completed).count() + of(JobState::Dead).count(), jobs.len());
    let done: BTreeSet<String> = noted(folder, "done").into_iter().map(|(job, _)| job).collect();
    assert!(of(JobState::Completed).all(|job| done.contains(&job.job_id.to_string())), "completed is done");
    assert!(of(JobState::Completed).count() == done.len(), "and done is completed");
    assert!(of(JobState::Dead).all(|job| job.attempts == POISONED_ATTEMPTS && job.fence == 3));
    let is_poisoned = |job: &&Job| job.payload == json!({"is_poisoned": true});
    assert_eq!(jobs.iter().filter(is_poisoned).count(), of(JobState::Dead).count());
    assert!(of(JobState::Dead).count() > 0, "some cannot be done");
    assert_eq!(noted(folder, "overlaps"), [], "one process at a time works on a job");
    let entries = runtime().block_on(async { store_at(place).await.entries(ws(), 0, 10_000).await.unwrap() });
    let told: Vec<String> = entries.iter().map(|row| String::from_utf8_lossy(&row.envelope).into()).collect();
    let died: usize = told.iter().map(|entry| entry.matches("job.died/1").count()).sum();
    assert_eq!(died, of(JobState::Dead).count());
    let counted = counted(place);
    adds_up(&counted);
    let count = |state| of(state).count() as u64;
    assert_eq!((counted.completed, counted.dead), (count(JobState::Completed), count(JobState::Dead)));
    assert_eq!((counted.accepted, counted.waiting, counted.running), (jobs.len() as u64, 0, 0));
    assert_eq!(counted.claimed, jobs.iter().map(|job| job.fence).sum::<u64>(), "each claim once");
}

/// The server and its worker are one process, which is killed while it takes jobs and works on them.
#[test]
fn fifty_kills_of_a_server_at_work_lose_no_job() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("interlock.db").display().to_string();
    let mut accepted = BTreeSet::new();
    for life in 0..KILLS {
        let (process, mut lines) = child("alone", &place, folder.path());
        // Now while it is asked for jobs, now in the middle of one.
        let mut steps = life * 7 % 13 + 1;
        let mut hear = |line: String| {
            let is_step = line.starts_with("accepted ") || line.starts_with("begun ");
            accepted.extend(line.strip_prefix("accepted ").map(str::to_owned));
            is_step
        };
        while steps > 0 {
            steps -= usize::from(hear(lines.next().unwrap().unwrap()));
        }
        drop(process);
        // What it said until then, but for a line that was torn apart.
        lines.map_while(Result::ok).filter(|line| line.len() == "accepted job_".len() + 26).for_each(
            |line| {
                hear(line);
            },
        );
        if life % 10 == 9 {
            adds_up(&counted(&place));
        }
    }
    let jobs = drained(&place, folder.path(), true);
    let there: BTreeSet<String> = jobs.iter().map(|job| job.job_id.to_string()).collect();
    assert!(accepted.is_subset(&there), "what was accepted is there");
    // A job may be there whose answer the kill swallowed: one for each life.
    assert!(
        there.len() - accepted.len() <= KILLS && accepted.len() > KILLS,
        "{} {}",
        accepted.len(),
        there.len()
    );
    all_came_to_an_end(&jobs, &place, folder.path());
}

/// Several processes work on one database; whichever has just begun a job is killed, and callers go on meanwhile.
#[test]
fn fifty_kills_of_workers_on_one_database_lose_no_job() {
    let Some(database) = TestDatabase::make("fifty_kills_of_workers_on_one_database") else { return };
    let (folder, place) = (tempfile::tempdir().unwrap(), database.url());
    let (said, heard) = mpsc::channel::<(u32, String)>();
    let start = || {
        let (process, lines) = child("works", place, folder.path());
        let (said, id) = (said.clone(), process.0.id());
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| said.send((id, line))));
        process
    };
    let runtime = runtime();
    let engine = runtime.block_on(engine_at(place));
    let mut workers: Vec<Process> = (0..3).map(|_| start()).collect();
    let mut accepted = BTreeSet::new();
    for kill in 0..KILLS {
        for n in 0..3 {
            let id = runtime.block_on(asks(&engine, 3 * kill + n));
            assert!(accepted.insert(id.to_string()));
        }
        let at = loop {
            let (id, line) = heard.recv_timeout(Duration::from_mins(1)).unwrap();
            let place = workers.iter().position(|worker| worker.0.id() == id);
            if let (Some(place), true) = (place, line.starts_with("begun ")) {
                break place;
            }
        };
        // The former process is gone before its place is taken.
        drop(workers.swap_remove(at));
        if kill % 10 == 9 {
            adds_up(&counted(place));
        }
        workers.push(start());
    }
    let jobs = drained(place, folder.path(), false);
    drop(workers);
    let there: BTreeSet<String> = jobs.iter().map(|job| job.job_id.to_string()).collect();
    assert_eq!(there, accepted, "none is lost, none is there twice");
    all_came_to_an_end(&jobs, place, folder.path());
    let processes: BTreeSet<String> = noted(folder.path(), "done").into_iter().map(|(_, id)| id).collect();
    assert!(processes.len() > 3, "the work is shared: {processes:?}");
}
