//! `events`: every event once, over broken streams and restarts.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::stub::{Asked, Reply, Stub};
use crate::world::World;

const THREAD: &str = "thr_00000000000000000000000001";

fn block(index: u64) -> String {
    let event = json!({
        "specversion": "1.0", "id": format!("{index}.0"), "source": "interlock:ws_1", "type": "wake.acted/1",
        "subject": THREAD, "time": "2026-01-02T11:59:55.007Z", "datacontenttype": "application/json",
        "actor": "supervisor",
        "data": {"event": {"kind": "wake.acted/1", "thread_id": THREAD, "agent": "executor"}},
    });
    format!("id: {index}.0\ndata: {event}\n\n")
}

fn stream(blocks: &[String], is_cut: bool) -> Reply {
    Reply::Bytes(format!("retry: 1000\nid: start\n\n{}", blocks.concat()).into_bytes(), is_cut)
}

fn is_probe(asked: &Asked) -> bool {
    asked.target.contains("after=now")
}

fn ids(out: &str) -> Vec<String> {
    let events = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_stream_that_breaks_is_gone_on_with_where_it_was() {
    let stub = Stub::new(|asked| match asked.target.as_str() {
        _ if is_probe(asked) => stream(&[], false),
        target if target.contains("after=start") => {
            // The last event is torn apart and comes again.
            let torn: String = block(2).chars().take(60).collect();
            stream(&[block(0), ": still here\n\n".to_owned(), block(1), torn], true)
        }
        target if target.contains("after=1.0") => stream(&[block(2), "id: 7.0\n\n".to_owned()], true),
        target if target.contains("after=7.0") => stream(&[block(8)], false),
        other => panic!("{other}"),
    });
    let world = World::with_server(&stub.url);
    let ran = world.run(&["events", "--until-now", "--json", "--type", "wake."]).ok();
    assert_eq!(ids(&ran.out), ["0.0", "1.0", "2.0", "8.0"]);
    assert!(ran.err.contains("trying again") && ran.err.contains("connected again"), "{ran:?}");
    assert!(stub.asked().iter().all(|asked| asked.target.contains("type=wake.")));
}

#[test]
fn people_read_a_line_for_each_event() {
    let stub = Stub::new(|_| stream(&[block(0)], false));
    let ran = World::with_server(&stub.url).run(&["events", "--until-now"]).ok();
    assert_eq!(ran.out, format!("11:59:55.007  executor     has acted  {THREAD}\n"));
}

#[test]
fn a_restart_at_another_address_loses_and_repeats_nothing() {
    let first = Stub::new(|asked| {
        if asked.target.contains("after=start") { stream(&[block(0)], true) } else { Reply::Nothing }
    });
    let second = Stub::new(|asked| {
        if asked.target.contains("after=0.0") { stream(&[block(1)], true) } else { stream(&[], false) }
    });
    let world = World::with_server(&first.url);
    let mut child = world.command(&["events", "--json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(ids(&out.next().unwrap().unwrap()), ["0.0"]);
    drop(first);
    std::fs::remove_file(world.path(".interlock/run.json")).unwrap();
    world.says_server(std::process::id(), &second.url);
    assert_eq!(ids(&out.next().unwrap().unwrap()), ["1.0"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_the_server_refuses_is_no_reason_to_wait() {
    let problem = json!({
        "type": "docs/errors/THREAD_NOT_FOUND.md", "title": "t", "status": 404, "detail": "d",
        "code": "NOT_FOUND", "reason": "THREAD_NOT_FOUND", "retryable": false, "request_id": "r-1",
    });
    let stub = Stub::always(404, problem);
    World::with_server(&stub.url).run(&["events", "--thread", THREAD]).failed(1, "THREAD_NOT_FOUND");
    World::with_server("http://127.0.0.1:1").run(&["events"]).failed(4, "SERVER_UNREACHABLE");
}
