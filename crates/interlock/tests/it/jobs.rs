//! Jobs in the program: worked on by every server, looked at and requeued by people, on both stores.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use interlock_core::Timestamp;
use interlock_core::id::{JobId, WorkspaceId};
use interlock_core::job::{Job, JobState, RetryPolicy};
use interlock_store::archive::{Archive, Cell, TABLES};
use interlock_store_postgres::PostgresArchive;
use interlock_store_sqlite::SqliteArchive;
use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};

use crate::postgres_nodes::places;
use crate::readme::blocks;
use crate::site::Site;
use crate::wait::until;

/// What stands before a block of the page that is run.
const MARK: &str = "<!-- executed by the tests -->\n```sh\n";

/// A job that waits, of a kind that no server does: every attempt fails.
fn errand(n: u128, run_at: &str, attempts_max: u32) -> Job {
    let at: Timestamp = "2026-01-02T03:04:05.000Z".parse().unwrap();
    Job {
        job_id: JobId::from_u128(n),
        kind: "errand".into(),
        name: Some(format!("number {n}")),
        payload: json!({"hidden": "hunter2"}),
        policy: RetryPolicy { base_ms: 1, cap_ms: 1, attempts_max },
        state: JobState::Queued,
        run_at: run_at.parse().unwrap(),
        attempts: 0,
        fence: 0,
        lease: None,
        error: None,
        enqueued_at: at,
        finished_at: None,
        trace: None,
        requeues: 0,
        requeued: None,
    }
}

const PAST: &str = "2026-01-02T03:04:05.000Z";
const NEVER: &str = "9000-01-02T03:04:05.000Z";

/// Write jobs as a store has them.
fn plant(archive: impl Future<Output = Box<dyn Archive>>, jobs: &[Job]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut archive = archive.await;
        archive.head().await.unwrap().unwrap();
        let table = TABLES.iter().find(|table| table.name == "job").unwrap();
        let text = |text: &str| Cell::Text(text.into());
        let row = |job: &Job| {
            vec![
                Cell::Bytes(job.job_id.to_bytes().to_vec()),
                text(&job.kind),
                job.name.as_deref().map_or(Cell::Null, text),
                text(job.state.as_str()),
                Cell::Number(job.due_at().as_millis()),
                text(&serde_json::to_string(job).unwrap()),
            ]
        };
        archive.put(table, &jobs.iter().map(row).collect::<Vec<_>>()).await.unwrap();
        archive.commit().await.unwrap();
    });
}

fn workspace(site: &Site) -> WorkspaceId {
    site.ask(&["status"])["workspace_id"].as_str().unwrap().parse().unwrap()
}

/// A place whose file holds these jobs; no server runs.
fn with_jobs(jobs: &[Job]) -> Site {
    let site = Site::with_instance("");
    let server = site.up(&["--server-only"]);
    let ws = workspace(&site);
    site.ask(&["stop"]);
    drop(server);
    let file = site.path(".interlock/interlock.db");
    plant(async { Box::new(SqliteArchive::open(&file, ws).unwrap()) as Box<dyn Archive> }, jobs);
    site
}

fn listed(site: &Site, more: &[&str]) -> Vec<Value> {
    site.ask(&[&["job", "list", "--limit", "200"], more].concat())["jobs"].as_array().unwrap().clone()
}

#[track_caller]
fn until_dead(site: &Site, count: usize) -> Vec<Value> {
    until("the end of every job", || {
        let dead = listed(site, &["--state", "dead"]);
        (dead.len() == count).then_some(dead)
    })
}

/// How many events of this kind the ledger has.
fn told(site: &Site, kind: &str) -> usize {
    let page = site.ask(&["ledger", "entries", "--limit", "200"]);
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry.to_string().matches(kind).count()).sum()
}

#[test]
fn the_page_is_done_as_written() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/jobs.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = blocks(&page, MARK);
    assert_eq!(blocks.len(), 3, "the page lost its marked blocks");
    let site = with_jobs(&[errand(7, PAST, 3)]);
    let server = site.up(&["--server-only"]);
    let dead = until_dead(&site, 1).remove(0);
    assert_eq!((&dead["attempts"], &dead["attempts_max"]), (&json!(3), &json!(3)));
    assert_eq!(dead["error"], "this server does no `errand`");
    let id = dead["job_id"].as_str().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("set -eu\n{}", blocks.concat())])
        .current_dir(site.path("."))
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("LANG", "C.UTF-8"), ("USER", "anna")])
        .envs([("JOB", id), ("URL", &server.url)])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n--- {err}");
    let requeued = format!("{id} is queued");
    for said in [id, "3 of 3", "number 7", requeued.as_str(), "job.requeued/1", "interlock_jobs_dead_total"] {
        assert!(out.contains(said), "`{said}` is missing:\n{out}\n--- {err}");
    }
    assert!(!out.contains("hunter2"), "{out}");
    // It has all its attempts again, and still nobody does it.
    until("the second end", || (told(&site, "job.died/1") == 2).then_some(()));
    let again = site.ask(&["job", "show", id]);
    assert_eq!((&again["attempts"], &again["requeues"]), (&json!(3), &json!(1)));
    let (by, text) = (&again["requeued"]["by"], &again["requeued"]["text"]);
    assert_eq!((by, text), (&json!("anna"), &json!("the receiver is back")));
    let status = site.run(&["status"]).ok();
    assert!(status.out.contains("dead jobs need a person: 1"), "{}", status.out);
    site.run(&["job", "show", "job_00000000000000000000000009"]).failed(1, "JOB_NOT_FOUND");
    site.run(&["job", "requeue", id]).failed(2, "USAGE_INVALID");
    site.run(&["job", "requeue", id, "--reason", ""]).failed(2, "PARAMETER_INVALID");
    let log = std::fs::read_to_string(site.path(".interlock/logs/server.log")).unwrap_or_default();
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn two_servers_of_a_database_work_on_each_job_once() {
    const JOBS: usize = 40;
    let Some(database) = TestDatabase::make("two_servers_of_a_database_work_on_each_job_once") else {
        return;
    };
    let sites = places(database.url(), 2, "poll_interval_ms = 100");
    let servers: Vec<_> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
    let [one, two] = sites.as_slice() else { panic!("two places") };
    let ws = workspace(one);
    let jobs: Vec<Job> = (1..=JOBS as u128).map(|n| errand(n, PAST, 2)).collect();
    let options = interlock_store_postgres::Options::at(database.url());
    plant(async { Box::new(PostgresArchive::open(&options, ws).await.unwrap()) as Box<dyn Archive> }, &jobs);
    let dead = until_dead(two, JOBS);
    let different: BTreeSet<String> = dead.iter().map(|job| job["job_id"].to_string()).collect();
    assert_eq!(different.len(), JOBS);
    assert!(dead.iter().all(|job| job["attempts"] == 2), "{dead:?}");
    assert_eq!(told(one, "job.died/1"), JOBS, "each death is told once");
    // Whoever made them, the attempts are as many as the policy says.
    let claims = servers.iter().map(|server| metric(one, &server.url, "interlock_jobs_claimed_total"));
    assert_eq!(claims.sum::<usize>(), 2 * JOBS);
}

fn metric(site: &Site, url: &str, name: &str) -> usize {
    let output =
        Command::new("curl").args(["-s", &format!("{url}/metrics")]).current_dir(site.path(".")).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).trim().parse().unwrap()
}

#[test]
fn jobs_move_with_the_instance() {
    let Some(database) = TestDatabase::make("jobs_move_with_the_instance") else { return };
    let site = with_jobs(&[errand(1, PAST, 1), errand(2, NEVER, 5)]);
    let shown = || {
        let _server = site.up(&["--server-only"]);
        until_dead(&site, 1);
        listed(&site, &[])
    };
    let before = shown();
    assert_eq!(before.iter().map(|job| &job["state"]).collect::<Vec<_>>(), ["queued", "dead"]);
    let there = site.ask(&["migrate", "--database-url", database.url()]);
    assert_eq!(shown(), before);
    let back = site.ask(&["migrate", "--back"]);
    assert_eq!(back["digest"], there["digest"]);
    assert_eq!(shown(), before);
}
