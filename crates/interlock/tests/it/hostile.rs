//! Agents that do not do what agents should: each comes to its end with a reason, and nothing of it is left.

use serde_json::Value;

use crate::by_hand::{add_agent, finished_wakes, script, thread_with};
use crate::outcome::{column, outcome};
use crate::repository;
use crate::site::{Server, Site};

const POLICY: &str =
    "retry_backoff_ms = 50\nwake_retries_max = 1\naccept_timeout_ms = 2000\nrun_ms_max = 3000";

/// Name, what it does, and the reason for which its wake fails.
const FAILING: [(&str, &str, &str); 6] = [
    ("quitter", "exit 0", "NOT_ACKED"),
    ("failing", "echo oh; exit 3", "EXITED_WITH_ERROR"),
    ("mute", "exec sleep 600", "NOT_ACCEPTED"),
    ("endless", "echo awake; trap '' INT TERM; while :; do sleep 600; done", "RUN_TIME_EXCEEDED"),
    ("suicidal", "echo awake; kill -9 $$", "KILLED_BY_SIGNAL"),
    ("impatient", "echo later; exit 75", "TRY_AGAIN"),
];

#[test]
fn agents_that_do_not_work_are_ended_and_named() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&[]);
    let threads = FAILING.map(|(name, text, _)| {
        add_agent(&site, name, text);
        let thread = thread_with(&site, name);
        site.ask(&["thread", "post", &thread, "please do it"]);
        thread
    });
    for ((name, _, reason), thread) in FAILING.iter().zip(&threads) {
        let wake = finished_wakes(&site, thread).remove(0);
        assert_eq!(
            (&wake["result"], &wake["reason"]),
            (&"failed".into(), &(*reason).into()),
            "{name}: {wake}"
        );
        assert_eq!(wake["attempts"], 2, "{name}: {wake}");
        a_person_is_asked(&site, thread, name);
    }
    let status = site.run(&["status"]).ok().out;
    assert!(FAILING.iter().all(|(name, ..)| status.contains(name)), "{status}");
    only_the_server_is_left(&site, &server);
}

/// The thread waits for whoever wanted the work, and says why.
fn a_person_is_asked(site: &Site, thread: &str, agent: &str) {
    let shown = site.ask(&["thread", "show", thread]);
    assert_eq!((&shown["status"], &shown["reason"]), (&"blocked".into(), &"WAKE_FAILED".into()), "{shown}");
    assert_eq!(shown["owner"], "anna", "{shown}");
    let page = site.ask(&["thread", "read", thread]);
    let last = page["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["event_type"], "thread_escalated", "{page}");
    assert!(last["body"].as_str().unwrap().contains(agent), "{last}");
}

fn only_the_server_is_left(site: &Site, server: &Server) {
    let left = site.processes();
    assert!(left.iter().all(|process| process.id == server.running.id()), "{left:?}");
    site.ask(&["stop"]);
    site.until_quiet();
}

#[test]
fn a_command_that_is_not_there_is_named_with_what_to_do() {
    let site = Site::with_instance(POLICY);
    let server = site.up(&[]);
    site.ask(&["agent", "add", "ghost", "--runtime", "command", "--", "no-such-program", "x"]);
    let thread = thread_with(&site, "ghost");
    site.ask(&["thread", "post", &thread, "please do it"]);
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!(
        (&wake["result"], &wake["reason"], &wake["attempts"].as_u64()),
        (&"failed".into(), &"SPAWN_FAILED".into(), &Some(0)),
        "{wake}"
    );
    let log = site.ask(&["log", wake["wake_id"].as_str().unwrap()]);
    let text = log["text"].as_str().unwrap();
    assert!(text.contains("`no-such-program` cannot be executed") && text.contains("hint: "), "{text}");
    a_person_is_asked(&site, &thread, "ghost");
    only_the_server_is_left(&site, &server);
}

#[test]
fn fifty_megabytes_of_output_are_cut_and_daemons_do_not_survive() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    add_agent(&site, "loud", &script("head -c 50000000 /dev/zero | tr '\\0' x\necho; echo the last line"));
    let daemons = "for n in 1 2 3; do setsid sh -c 'setsid sleep 600 & sleep 600' >/dev/null 2>&1 & done\n\
                   (sh -c 'trap \"\" INT TERM HUP; while :; do sleep 600; done' &)";
    add_agent(&site, "forker", &script(daemons));
    for (name, is_cut) in [("loud", true), ("forker", false)] {
        let thread = thread_with(&site, name);
        site.ask(&["thread", "post", &thread, "please do it"]);
        let wake = finished_wakes(&site, &thread).remove(0);
        assert_eq!(wake["result"], "triggered", "{wake}");
        let log = site.ask(&["log", wake["wake_id"].as_str().unwrap()]);
        let bytes = std::fs::metadata(log["file"].as_str().unwrap()).unwrap().len();
        assert!(bytes < 200_000, "{bytes}");
        assert!(!is_cut || log["text"].as_str().unwrap().ends_with("the last line\n"));
    }
    only_the_server_is_left(&site, &server);
}

/// A pair that only ever talks.
fn talkers(site: &Site, reviewer: &str) -> [String; 2] {
    let post = "\"$binary\" thread post \"$INTERLOCK_THREAD\" \"$INTERLOCK_WAKE_SEQ\"";
    let commit = "{\\\"commit\\\":\\\"$(git rev-parse HEAD)\\\"}";
    let again = format!("{post} --to reviewer --event re_review_requested --data \"{commit}\"");
    let executor = site.write("executor.sh", &script(&again));
    let reviewer = site.write("reviewer.sh", &script(&format!("{post} {reviewer}")));
    [executor, reviewer].map(|file| format!("cmd:sh {}", file.display()))
}

#[track_caller]
fn not_converged(site: &Site, arguments: &[&str], reason: &str) -> Value {
    let ran = site.run(&[&["pilot", "--json", "--repo", "repo"], arguments].concat()).failed(1, reason);
    let story = outcome(&ran);
    assert_eq!((&story["verdict"], &story["thread"]["status"]), (&"not_converged".into(), &"blocked".into()));
    assert_eq!(
        (&story["problem"]["code"], &story["problem"]["reason"]),
        (&"CONFLICT".into(), &reason.into())
    );
    assert!(!story["problem"]["detail"].as_str().unwrap().is_empty(), "{story}");
    assert!(story["problem"]["hint"].is_string(), "{story}");
    assert_eq!(story["ledger"]["verified"], true);
    assert_eq!(site.ours(), []);
    site.until_quiet();
    assert_eq!(site.pilot_folders(), [] as [std::path::PathBuf; 0]);
    story
}

fn site_with_repository() -> Site {
    let site = Site::new();
    repository::with_raised_limit(&site.path("repo"));
    site
}

#[test]
fn talkers_are_stopped_by_the_leash() {
    let site = site_with_repository();
    let [executor, reviewer] = talkers(&site, "--to executor");
    let pair = ["--executor", &executor, "--reviewer", &reviewer, "--max-turns", "5"];
    let story = not_converged(&site, &pair, "LEASH_REACHED");
    assert!(story["turns"].as_u64() >= Some(5), "{story}");
}

#[test]
fn talkers_are_stopped_by_the_guard_of_progress() {
    let site = site_with_repository();
    let [executor, reviewer] = talkers(&site, "--to executor");
    let pair = ["--executor", &executor, "--reviewer", &reviewer, "--max-turns", "100"];
    let story = not_converged(&site, &pair, "NO_PROGRESS");
    assert!(story["turns"].as_u64() >= Some(20) && story["turns"].as_u64() < Some(25), "{story}");
}

#[test]
fn the_same_finding_again_and_again_is_stopped_by_its_guard() {
    let site = site_with_repository();
    let data = "{\\\"finding_id\\\":\\\"$(printf 'fnd_01%024d' $$)\\\",\\\"path\\\":\\\"LIMITS\\\",\\\"line\\\":1,\
                \\\"rule\\\":\\\"taste\\\",\\\"severity\\\":\\\"low\\\",\\\"message\\\":\\\"ugly\\\"}";
    let [executor, reviewer] =
        talkers(&site, &format!("--to executor --event finding_reported --data \"{data}\""));
    let pair = ["--executor", &executor, "--reviewer", &reviewer, "--max-turns", "100"];
    let story = not_converged(&site, &pair, "IDENTICAL_FINDINGS");
    assert!(
        column(&story["timeline"], "type").iter().filter(|kind| **kind == "finding_reported").count() >= 3
    );
}

#[test]
fn an_executor_that_exits_at_once_ends_the_pilot() {
    let site = site_with_repository();
    let story = not_converged(&site, &["--executor", "cmd:true"], "WAKE_FAILED");
    assert_eq!(story["wakes"][0]["attempts"], 3, "{story}");
    assert_eq!(story["commits"], Value::Array(vec![]));
}
