//! The parts by hand: an instance, a server, agents that are shell scripts, and a person in between.

use rustix::process::Signal;
use serde_json::Value;

use crate::site::{Server, Site};
use crate::wait::until;

/// An agent that acknowledges what it was woken for, then does what is said.
pub(crate) fn script(then: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_interlock");
    format!(
        "set -e\nbinary='{binary}'\n\"$binary\" thread ack \"$INTERLOCK_THREAD\" \"$INTERLOCK_WAKE_SEQ\"\n{then}\n"
    )
}

/// An agent of this name that runs a script.
pub(crate) fn add_agent(site: &Site, name: &str, text: &str) {
    let file = site.write(&format!("{name}.sh"), text);
    site.ask(&[
        "agent",
        "add",
        name,
        "--runtime",
        "command",
        "--cwd",
        ".",
        "--",
        "sh",
        file.to_str().unwrap(),
    ]);
}

/// A thread with an agent in it.
pub(crate) fn thread_with(site: &Site, name: &str) -> String {
    site.ask(&["thread", "create", "Work", "--with", name])["thread_id"].as_str().unwrap().to_owned()
}

/// The wakes of a thread once all of them are over.
#[track_caller]
pub(crate) fn finished_wakes(site: &Site, thread: &str) -> Vec<Value> {
    until("the end of every wake", || {
        let wakes = wakes(site, thread);
        (!wakes.is_empty() && wakes.iter().all(|wake| wake["state"] == "finished")).then_some(wakes)
    })
}

fn wakes(site: &Site, thread: &str) -> Vec<Value> {
    site.ask(&["wake", "list", "--thread", thread])["wakes"].as_array().unwrap().clone()
}

fn bodies(site: &Site, thread: &str) -> Vec<String> {
    let page = site.ask(&["thread", "read", thread]);
    let messages = page["messages"].as_array().unwrap().iter();
    messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

const ANSWER: &str = "echo working on it\n\
                      \"$binary\" thread post \"$INTERLOCK_THREAD\" \"done by $INTERLOCK_AGENT\" --to anna";

/// Without a message: whoever is woken on request sees what the thread holds.
#[test]
fn somebody_is_woken_without_a_message_and_the_thread_is_told_in_short() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    add_agent(&site, "worker", &script(ANSWER));
    let thread = thread_with(&site, "worker");
    let ran = site.run(&["thread", "trigger", &thread, "worker", "--wait", "50000"]).ok();
    assert!(ran.out.starts_with("worker is done after ") && ran.out.contains(": triggered\n"), "{ran:?}");
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!((&wake["result"], &wake["cause"]), (&"triggered".into(), &"anna".into()));
    assert!(ran.out.contains(wake["wake_id"].as_str().unwrap()), "{ran:?}");
    let summary = site.ask(&["thread", "summary", &thread]);
    assert_eq!((&summary["task"], &summary["last_seq"]), (&"done by worker".into(), &1.into()), "{summary}");
    let text = site.run(&["thread", "summary", &thread]).ok().out;
    assert!(text.contains("task\n    done by worker\n") && text.contains("UNREAD FOR IT"), "{text}");
    // A person is woken by nobody, and in a thread that is paused nobody is.
    site.run(&["thread", "trigger", &thread, "anna"]).failed(1, "RUNTIME_UNMANAGED");
    site.run(&["thread", "trigger", &thread, "nobody"]).failed(1, "PARTICIPANT_MISSING");
    site.ask(&["thread", "pause", &thread]);
    site.run(&["thread", "trigger", &thread, "worker"]).failed(1, "THREAD_WRONG_STATUS");
}

#[test]
fn a_person_and_a_shell_agent_work_in_a_thread() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    add_agent(&site, "worker", &script(ANSWER));
    let thread = thread_with(&site, "worker");
    let tail = site.start(&["thread", "tail", &thread, "--json", "--until-done"]);
    site.ask(&["thread", "post", &thread, "please do it"]);
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!(
        (&wake["result"], &wake["lane"], &wake["attempts"]),
        (&"triggered".into(), &"trigger".into(), &1.into())
    );
    assert_eq!(bodies(&site, &thread), ["please do it", "done by worker"]);
    site.ask(&["thread", "ack", &thread, "2"]);
    let log = site.ask(&["log", wake["wake_id"].as_str().unwrap()]);
    assert!(log["text"].as_str().unwrap().contains("working on it"), "{log}");
    assert_eq!(site.ask(&["status"])["url"].as_str().unwrap_or(&server.url), server.url);
    site.ask(&["thread", "status", &thread, "resolved", "--reason", "it is done"]);
    let mut kinds = Vec::new();
    while let Some(line) = tail.line() {
        kinds.push(serde_json::from_str::<Value>(&line).unwrap()["type"].as_str().unwrap().to_owned());
    }
    tail.finish().ok();
    let steps = [
        "message",
        "wake.requested",
        "wake.dispatched",
        "wake.accepted",
        "wake.seen",
        "wake.finished",
        "thread_resolved",
    ];
    for kind in steps {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    // The events are those of the ledger, each once.
    let events = site.run(&["events", "--until-now", "--json"]).ok().out;
    let ids = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone());
    let entries = site.ask(&["ledger", "entries", "--limit", "200"]);
    let places = entries["entries"].as_array().unwrap().iter().flat_map(|entry| {
        let count = entry["events"].as_array().unwrap().len();
        (0..count).map(move |n| Value::from(format!("{}.{n}", entry["index"])))
    });
    assert_eq!(ids.collect::<Vec<_>>(), places.collect::<Vec<_>>());
    site.ask(&["ledger", "export", "ledger.tar"]);
    assert_eq!(site.ask(&["verify", "ledger.tar"])["verified"], true);
    assert_eq!(site.ask(&["stop"])["stopped"], true);
    assert!(!site.path(".interlock/run.json").exists());
    site.run(&["stop"]).failed(1, "SERVER_NOT_RUNNING");
    site.until_quiet();
}

#[test]
fn a_changed_byte_of_an_export_is_found_and_its_entry_named() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    let thread = site.ask(&["thread", "create", "Talk"])["thread_id"].as_str().unwrap().to_owned();
    for text in ["one", "two", "three", "four"] {
        site.ask(&["thread", "post", &thread, text]);
    }
    let entries = site.ask(&["ledger", "entries"]);
    let is_third = |entry: &&Value| entry["events"][0]["message"]["seq"] == 3;
    let entry = entries["entries"].as_array().unwrap().iter().find(is_third).unwrap();
    site.ask(&["ledger", "export", "ledger.tar"]);
    site.ask(&["stop"]);
    let file = site.path("ledger.tar");
    let mut bytes = std::fs::read(&file).unwrap();
    let digest = entry["events"][0]["message"]["text_digest"].as_str().unwrap().as_bytes();
    let at = bytes.windows(digest.len()).position(|window| window == digest).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ran = site.run(&["verify", "ledger.tar", "--json"]).failed(5, "LEDGER_INVALID");
    let problem = ran.only_json();
    let index = entry["index"].as_u64().unwrap();
    assert_eq!(problem["code"], "DATA_LOSS");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("entry {index}")), "{index}: {problem}");
}

#[test]
fn a_paused_thread_wakes_nobody_until_it_is_resumed() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    add_agent(&site, "worker", &script(ANSWER));
    let (thread, other) = (thread_with(&site, "worker"), thread_with(&site, "worker"));
    let paused = site.ask(&["thread", "pause", &thread, "--reason", "not now"]);
    assert_eq!((&paused["status"], &paused["reason"]), (&"blocked".into(), &"PAUSED".into()));
    site.ask(&["thread", "post", &thread, "please do it"]);
    // What comes after it elsewhere is done; it itself is not even begun.
    site.ask(&["thread", "post", &other, "please do this"]);
    assert_eq!(finished_wakes(&site, &other)[0]["result"], "triggered");
    let held = wakes(&site, &thread);
    assert_eq!(
        (held.len(), &held[0]["state"], &held[0]["held"]),
        (1, &"pending".into(), &true.into()),
        "{held:?}"
    );
    assert_eq!(held[0]["attempts"], 0);
    let resumed = site.ask(&["thread", "resume", &thread]);
    assert_eq!(resumed["status"], "active");
    assert_eq!(finished_wakes(&site, &thread)[0]["result"], "triggered");
    assert!(bodies(&site, &thread).contains(&"done by worker".to_owned()));
}

#[test]
fn two_instances_work_side_by_side_and_share_nothing() {
    let sites = [Site::with_instance(""), Site::with_instance("")];
    let servers = [sites[0].up(&[]), sites[1].up(&[])];
    assert_ne!(servers[0].url, servers[1].url);
    let jobs = sites.each_ref().map(|site| {
        add_agent(site, "worker", &script(ANSWER));
        let thread = thread_with(site, "worker");
        site.ask(&["thread", "post", &thread, "please do it"]);
        thread
    });
    for (site, thread) in sites.iter().zip(&jobs) {
        assert_eq!(finished_wakes(site, thread)[0]["result"], "triggered");
        assert_eq!(bodies(site, thread), ["please do it", "done by worker"]);
        let threads = site.ask(&["thread", "list"]);
        assert_eq!(threads["threads"].as_array().unwrap().len(), 1, "{threads}");
    }
    sites[0].run(&["thread", "show", &jobs[1]]).failed(1, "THREAD_NOT_FOUND");
    // The token of one is worth nothing at the other.
    let token = sites[0].ask(&["token", "issue", "--name", "anna", "--role", "operator"]);
    let mut foreign = sites[0].command(&["thread", "list", "--server", &servers[1].url]);
    foreign.env("INTERLOCK_TOKEN", token["token"].as_str().unwrap());
    assert_eq!(crate::world::finish(&mut foreign, b"").code, 3);
    sites[0].ask(&["stop"]);
    assert_eq!(sites[1].ask(&["thread", "list"])["threads"].as_array().unwrap().len(), 1);
}

#[test]
fn a_second_server_is_refused_with_the_first_named() {
    let site = Site::with_instance("");
    let first = site.up(&[]);
    let before = std::fs::read(site.path(".interlock/run.json")).unwrap();
    let problem = site.run(&["up", "--json"]).failed(1, "SERVER_RUNNING").only_json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("process {} ", first.running.id())), "{detail}");
    assert!(detail.contains(&first.url), "{detail}");
    assert_eq!(std::fs::read(site.path(".interlock/run.json")).unwrap(), before);
    site.ask(&["thread", "create", "Talk"]);
    // One that was killed leaves nothing that would have to be cleared away.
    let mut first = first;
    first.running.kill();
    let second = site.up(&["--listen", first.address()]);
    assert_eq!(second.url, first.url);
    assert_eq!(site.ask(&["thread", "list"])["threads"].as_array().unwrap().len(), 1);
}

/// Runs until it is told not to, the first time; the second time it does its work.
const LONG_AT_FIRST: &str = "echo awake\nif ! test -e begun; then echo >begun; sleep 600; fi\n";

#[test]
fn stop_halts_a_running_agent_and_its_wake_is_done_after_the_next_start() {
    let site = Site::with_instance("");
    let mut server = site.up(&[]);
    let answer = ANSWER.replace("echo working on it", "");
    add_agent(&site, "worker", &(LONG_AT_FIRST.to_owned() + &script(&answer)));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "please do it"]);
    until("the agent to be awake", || site.path("begun").exists().then_some(()));
    let stopped = site.ask(&["stop"]);
    assert_eq!((&stopped["stopped"], &stopped["agents_halted"]), (&true.into(), &1.into()));
    assert!(server.running.wait().success());
    assert_eq!(site.processes(), []);
    let server: Server = site.up(&[]);
    let wake = finished_wakes(&site, &thread).remove(0);
    assert_eq!((&wake["result"], wakes(&site, &thread).len()), (&"triggered".into(), 1), "{wake}");
    assert_eq!(bodies(&site, &thread), ["please do it", "done by worker"]);
    // Ctrl-C is as good as `stop`.
    let mut running = server.running;
    running.signal(Signal::INT);
    assert!(running.wait().success());
    site.until_quiet();
}

#[test]
fn a_person_finds_what_was_said() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    let thread = site.ask(&["thread", "create", "Work"])["thread_id"].as_str().unwrap().to_owned();
    for text in ["the parser is broken", "lunch", "the parser is whole again"] {
        site.ask(&["thread", "post", &thread, text]);
    }
    let found = |words: &[&str]| {
        let answer = site.ask(&[&["thread", "search"], words].concat());
        let messages = answer["messages"].as_array().unwrap().iter();
        messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&["parser"]), ["the parser is whole again", "the parser is broken"]);
    assert_eq!(found(&["pars*", "broken", "--since", "1h"]), ["the parser is broken"]);
    assert_eq!(found(&["parser", "--until", "1h"]), [""; 0]);
    assert_eq!(found(&["--limit", "1", "\"is broken\""]), ["the parser is broken"]);
    let text = site.run(&["thread", "search", "parser"]).ok().out;
    assert!(text.contains(&thread) && text.contains("whole again"), "{text}");
    drop(server);
}

#[test]
fn an_agent_stops_nobody() {
    let site = Site::with_instance("");
    let _server = site.up(&[]);
    let tries = [
        "\"$binary\" stop --json || :",
        // Nor as somebody else: the keys are there, and it has a token of its own.
        "\"$binary\" --as anna stop --json || :",
        "\"$binary\" --instance \"$PWD/.interlock\" thread list --json || :",
        "\"$binary\" token issue --name anna --role operator --json || :",
    ];
    add_agent(&site, "rogue", &script(&tries.join("\n")));
    let thread = thread_with(&site, "rogue");
    site.ask(&["thread", "post", &thread, "go"]);
    let wake = finished_wakes(&site, &thread).remove(0);
    let said = site.run(&["log", wake["wake_id"].as_str().unwrap()]).ok().out;
    let times = |reason: &str| said.matches(&format!("\"reason\":\"{reason}\"")).count();
    assert_eq!((times("ROLE_MISSING"), times("OWN_TOKEN_REQUIRED")), (1, 3), "{said}");
    assert_eq!(site.ask(&["status"])["is_halted"], false);
    let denied = site.ask(&["denial", "list", "--actor", "rogue"]);
    assert_eq!(denied["denials"][0]["operation"], "halt_agents", "{denied}");
}

#[test]
fn messages_are_named_by_their_numbers() {
    let site = Site::with_instance("");
    let _server = site.up(&["--server-only"]);
    let thread = site.ask(&["thread", "create", "Talk"])["thread_id"].as_str().unwrap().to_owned();
    let first = site.ask(&["thread", "post", &thread, "measure twice"])["message_id"].clone();
    let terms = ["--in-reply-to", "1", "--parent", "#1", "--expires-in", "2h"];
    site.ask(&[&["thread", "post", &thread, "cut once"], &terms[..]].concat());
    site.ask(&["thread", "post", &thread, "cut never", "--instead-of", "#2"]);
    let page = site.ask(&["thread", "read", &thread]);
    let second = &page["messages"][1];
    assert_eq!(
        (&second["in_reply_to"], &second["parents"][0], &second["state"]),
        (&first, &first, &"superseded".into())
    );
    assert_eq!(site.ask(&["thread", "delivery", &thread, "1"])["message_id"], first);
    assert_eq!(site.ask(&["thread", "cancel", &thread, "#1"])["state"], "cancelled");
    site.run(&["thread", "delivery", &thread, "9"]).failed(1, "MESSAGE_NOT_FOUND");
    site.run(&["thread", "delivery", &thread, "first"]).failed(2, "USAGE_INVALID");
}
