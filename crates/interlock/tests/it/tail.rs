//! `thread tail`: every item once, over restarts.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::stub::{Reply, Stub};
use crate::world::{Ran, World};

const THREAD: &str = "thr_00000000000000000000000001";

fn item(index: u64) -> Value {
    json!({
        "position": format!("{index}.0"), "index": index, "at": "2026-01-02T11:59:55.007Z", "actor": "executor",
        "type": "thread.created", "event": {},
    })
}

fn page(items: &[Value]) -> Reply {
    let next = items.last().map(|item| item["position"].clone());
    Reply::Json(200, json!({"items": items, "next": next, "has_more": false}))
}

fn thread(status: &str) -> Reply {
    Reply::Json(
        200,
        json!({
            "thread_id": THREAD, "title": "t", "kind": "workflow", "status": status, "created_by": "anna",
            "created_at": "2026-01-01T12:00:00Z", "updated_at": "2026-01-02T11:58:00Z", "last_seq": 0,
            "turns_without_progress": 0, "turns": 0, "participants": [],
        }),
    )
}

fn positions(ran: &Ran) -> Vec<String> {
    let items = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    items.map(|item| item["position"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn a_resolved_thread_is_shown_to_its_end() {
    let stub = Stub::new(|asked| match asked.target.as_str() {
        target if target.contains("/timeline") && !target.contains("after=") => page(&[item(1), item(2)]),
        // What was written between the look at the timeline and the look at the status.
        target if target.contains("after=2.0") => page(&[item(3)]),
        target if target.contains("/timeline") => page(&[]),
        _ => thread("resolved"),
    });
    let world = World::with_server(&stub.url);
    let ran = world.run(&["thread", "tail", THREAD, "--until-done", "--json"]).ok();
    assert_eq!(positions(&ran), ["1.0", "2.0", "3.0"]);
    let ran = world.run(&["thread", "tail", THREAD, "--until-done", "--after", "2.0"]).ok();
    assert_eq!(ran.out, "11:59:55.007  executor     opened the thread\n");
}

#[test]
fn a_blocked_thread_ends_with_a_problem() {
    let stub =
        Stub::new(|asked| if asked.target.contains("timeline") { page(&[]) } else { thread("blocked") });
    let world = World::with_server(&stub.url);
    let ran = world.run(&["thread", "tail", THREAD, "--until-done", "--json"]).failed(1, "NOT_CONVERGED");
    assert_eq!(ran.only_json()["reason"], "NOT_CONVERGED");
}

#[test]
fn a_restart_at_another_address_loses_and_repeats_nothing() {
    let first = Stub::new(|asked| match asked.target.as_str() {
        target if target.contains("after=") => Reply::Nothing,
        target if target.contains("/timeline") => page(&[item(1)]),
        _ => thread("active"),
    });
    let second = Stub::new(|asked| match asked.target.as_str() {
        target if target.contains("after=1.0") => page(&[item(2)]),
        target if target.contains("/timeline") => page(&[]),
        _ => thread("resolved"),
    });
    let world = World::with_server(&first.url);
    let mut child = world.command(&["thread", "tail", THREAD, "--until-done", "--json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(serde_json::from_str::<Value>(&out.next().unwrap().unwrap()).unwrap()["position"], "1.0");
    drop(first);
    std::fs::remove_file(world.path(".interlock/run.json")).unwrap();
    world.says_server(std::process::id(), &second.url);
    let rest: Vec<String> = out.map(Result::unwrap).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest.first().unwrap().contains("\"position\":\"2.0\""), "{rest:?}");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("trying again") && ran.err.contains("connected again"), "{ran:?}");
}

#[test]
fn a_thread_that_is_not_there_is_no_reason_to_wait() {
    let problem = json!({
        "type": "docs/errors/THREAD_NOT_FOUND.md", "title": "t", "status": 404, "detail": "d",
        "code": "NOT_FOUND", "reason": "THREAD_NOT_FOUND", "retryable": false, "request_id": "r-1",
    });
    let stub = Stub::always(404, problem);
    World::with_server(&stub.url).run(&["thread", "tail", THREAD]).failed(1, "THREAD_NOT_FOUND");
}

#[test]
fn ctrl_c_ends_it_with_130_and_a_problem() {
    let stub = Stub::new(|asked| {
        if asked.target.contains("after=") {
            std::thread::park();
            Reply::Nothing
        } else {
            page(&[item(1)])
        }
    });
    let world = World::with_server(&stub.url);
    let mut child = world.command(&["thread", "tail", THREAD, "--json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    out.next().unwrap().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let last: Value = serde_json::from_str(&out.next().unwrap().unwrap()).unwrap();
    assert_eq!(last["reason"], "INTERRUPTED");
    assert_eq!(Ran::of(&child.wait_with_output().unwrap()).code, 130);
}
