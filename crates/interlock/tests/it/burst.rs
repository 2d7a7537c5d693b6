//! Bursts of nonsense within the limits of size and rate: every one is answered with what is wrong, memory stays flat, and
//! whoever asks properly meanwhile is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};

use crate::caller::{Caller, is_gap_free};
use crate::postgres_nodes::keep_in;
use crate::site::{Server, Site};

/// Requests of nonsense until the memory is measured for the first time, and after that.
const FIRST: usize = 1_500;
const THEN: usize = 6_000;
/// How many are sent at once.
const AT_ONCE: usize = 8;
/// What the process may have grown by between the two, in KiB: a tenth of what was sent to it, or less.
const GROWTH_KIB_MAX: u64 = 24 * 1024;

/// One request of nonsense after the other.
fn nonsense(n: usize, thread: &str) -> (String, Vec<u8>) {
    let path = |rest: &str| format!("/v1/threads/{thread}/{rest}");
    let text = "x".repeat(50_000);
    let json = |body: Value| body.to_string().into_bytes();
    match n % 8 {
        0 => (path("messages"), format!("{{\"body\": \"{text}").into_bytes()),
        1 => (path("messages"), json(json!({"body": text}))),
        2 => (path("messages"), json(json!({"body": {"deep": [text]}}))),
        3 => (path("messages"), format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)).into_bytes()),
        4 => (path("ack"), json(json!({"seq": -1, "more": text}))),
        5 => (path("status"), json(json!({"status": text}))),
        6 => (format!("/v1/threads/thr_{n}/messages"), json(json!({"body": "x", "data": {"text": text}}))),
        _ => (path("messages"), json(json!({"body": "x", "schema_version": 99, "data": {"a": n}}))),
    }
}

/// Sends so many; every answer must say what is wrong.
async fn burst(server: &str, token: &str, thread: &str, count: usize) {
    let http = interlock_api::client::http().unwrap();
    let senders = (0..AT_ONCE).map(|first| {
        let (http, server, token, thread) =
            (http.clone(), server.to_owned(), token.to_owned(), thread.to_owned());
        tokio::spawn(async move {
            for n in (first..count).step_by(AT_ONCE) {
                let (path, body) = nonsense(n, &thread);
                let request = http.post(format!("{server}{path}")).bearer_auth(&token).body(body);
                let request = request.header("content-type", "application/json");
                let answer = request.header("idempotency-key", format!("bad-{n}")).send().await.unwrap();
                let status = answer.status().as_u16();
                let problem: Value = answer.json().await.unwrap();
                assert_eq!((status, &problem["code"]), (400, &json!("INVALID_ARGUMENT")), "{n}: {problem}");
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
}

/// What of the process is in memory, in KiB.
fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.running.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn bursts_of_nonsense_are_answered_and_leave_nothing_behind() {
    bursts_leave_nothing_behind(&Site::with_instance(""));
}

#[test]
fn bursts_of_nonsense_leave_nothing_behind_on_postgresql_either() {
    let test = "bursts_of_nonsense_leave_nothing_behind_on_postgresql_either";
    let Some(database) = TestDatabase::make(test) else { return };
    let site = Site::with_instance("");
    keep_in(&site, database.url());
    bursts_leave_nothing_behind(&site);
}

fn bursts_leave_nothing_behind(site: &Site) {
    let server = site.up(&["--server-only"]);
    // One that takes part: what is refused to operators is written down, as they must answer for it.
    site.ask(&["agent", "add", "noisy"]);
    let thread = crate::by_hand::thread_with(site, "noisy");
    let caller = Caller::new(site, &server.url, "ann", &thread);
    let issued = site.ask(&["token", "issue", "--name", "noisy", "--role", "participant"]);
    let token = issued["token"].as_str().unwrap();
    let (grown, posted) = tokio::runtime::Runtime::new().unwrap().block_on(async {
        burst(&server.url, token, &thread, FIRST).await;
        let before = resident_kib(&server);
        let over = Arc::new(AtomicBool::new(false));
        let talk = tokio::spawn(talk(caller.clone(), Arc::clone(&over)));
        burst(&server.url, token, &thread, THEN).await;
        over.store(true, Ordering::SeqCst);
        (resident_kib(&server).saturating_sub(before), talk.await.unwrap())
    });
    assert!(grown <= GROWTH_KIB_MAX, "grown by {grown} KiB");
    assert!(posted > 20, "only {posted} posts meanwhile");
    let messages = tokio::runtime::Runtime::new().unwrap().block_on(caller.read_after(0));
    is_gap_free(&messages, 0);
    assert_eq!(messages.len(), posted);
    let checkpoint = site.ask(&["ledger", "export", "ledger.tar"]);
    assert!(checkpoint["bytes"].as_u64().unwrap() > 0);
    let verified = site.ask(&["verify", "ledger.tar"]);
    // Somebody was registered, a thread opened and joined; nothing of the nonsense was written.
    let entries = usize::try_from(verified["size"].as_u64().unwrap()).unwrap();
    assert_eq!(entries, posted + 2, "{verified}");
}

/// Posts one message after the other; every one is taken.
async fn talk(caller: Caller, over: Arc<AtomicBool>) -> usize {
    let mut posted = 0;
    while !over.load(Ordering::SeqCst) {
        let seq = caller.post(&format!("good-{posted}")).await.unwrap_or_else(|problem| panic!("{problem}"));
        posted += 1;
        assert_eq!(seq, posted as u64);
    }
    posted
}
