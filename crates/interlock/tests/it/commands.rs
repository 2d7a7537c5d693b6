//! What each command asks of the server, and what it makes of the answer.

use serde_json::{Value, json};

use crate::stub::{Asked, Stub};
use crate::world::{World, finish};

const THREAD: &str = "thr_00000000000000000000000001";

fn thread() -> Value {
    json!({
        "thread_id": THREAD, "title": "Make it green", "kind": "workflow", "status": "blocked",
        "reason": "PAUSED", "owner": "anna", "created_by": "anna", "created_at": "2026-01-01T12:00:00.000Z",
        "updated_at": "2026-01-02T11:58:00.000Z", "last_seq": 7, "turns_without_progress": 0, "turns": 5,
        "participants": [{"agent": "anna", "role": "coordinator", "managed": false, "acked_seq": 7}],
    })
}

/// Run one command against a server that gives this answer; what the server was asked, and the JSON line.
#[track_caller]
fn asked_with(answer: Value, words: &[&str], input: &[u8]) -> (Asked, Value) {
    let stub = Stub::always(200, answer);
    let world = World::with_server(&stub.url);
    let mut words: Vec<&str> = words.to_vec();
    words.insert(0, "--json");
    let ran = world.run_with(&words, input).ok();
    assert!(ran.err.is_empty(), "{ran:?}");
    let mut asked = stub.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    (asked.remove(0), ran.only_json())
}

#[track_caller]
fn asked(answer: Value, words: &[&str]) -> (Asked, Value) {
    asked_with(answer, words, b"")
}

#[test]
fn threads_are_opened_with_their_participants() {
    let words = ["thread", "create", "Make it green", "--with", "executor", "--with", "reviewer:coordinator"];
    let (asked, json) = asked(thread(), &words);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/threads"));
    assert_eq!(
        asked.body,
        json!({"title": "Make it green", "kind": "workflow", "participants": [
            {"agent": "executor", "role": "participant"}, {"agent": "reviewer", "role": "coordinator"},
        ]})
    );
    assert!(asked.key.is_some());
    assert_eq!(json, thread());
}

#[test]
fn pausing_and_resuming_are_changes_of_status() {
    let (pause, _) = asked(thread(), &["thread", "pause", THREAD, "--reason", "lunch", "--key", "k-1"]);
    assert_eq!(pause.target, format!("/v1/threads/{THREAD}/status"));
    assert_eq!(pause.body, json!({"status": "blocked", "reason": "PAUSED", "text": "lunch"}));
    assert_eq!(pause.key.as_deref(), Some("k-1"));
    let (resume, _) = asked(thread(), &["thread", "resume", THREAD]);
    assert_eq!(resume.body, json!({"status": "active", "reason": "BY_REQUEST", "text": ""}));
    let (status, _) = asked(thread(), &["thread", "status", THREAD, "blocked", "--owner", "anna"]);
    assert_eq!(
        status.body,
        json!({"status": "blocked", "reason": "BY_REQUEST", "text": "", "owner": "anna"})
    );
}

#[test]
fn participants_come_and_go_and_reopening_says_why() {
    let (added, _) = asked(thread(), &["thread", "add", THREAD, "reviewer:coordinator"]);
    assert_eq!(added.target, format!("/v1/threads/{THREAD}/participants"));
    assert_eq!(added.body, json!({"agent": "reviewer", "role": "coordinator"}));
    let answer = json!({"thread_id": THREAD, "agent": "reviewer"});
    let (removed, json) = asked(answer.clone(), &["thread", "remove", THREAD, "reviewer", "--key", "k-2"]);
    assert_eq!(removed.target, format!("/v1/threads/{THREAD}/participants/remove"));
    assert_eq!((removed.body, removed.key.as_deref()), (json!({"agent": "reviewer"}), Some("k-2")));
    assert_eq!(json, answer);
    let (resume, _) = asked(thread(), &["thread", "resume", THREAD, "--reason", "the build is red"]);
    assert_eq!(resume.body["text"], "the build is red");
}

#[test]
fn a_summary_is_asked_for_and_handed_on_whole() {
    let summary = json!({
        "thread_id": THREAD, "title": "Make it green", "status": "active", "last_seq": 1, "task": "mend it",
        "open_findings": [], "decisions": [], "participants": [], "from_seq": 1,
    });
    let (asked, json) = asked(summary.clone(), &["thread", "summary", THREAD]);
    assert_eq!((asked.method.as_str(), asked.target), ("GET", format!("/v1/threads/{THREAD}/summary")));
    assert_eq!(json, summary);
}

#[test]
fn somebody_is_woken_on_request_and_a_failed_wake_is_an_exit_code() {
    let wake = json!({
        "wake_id": "wak_00000000000000000000000002", "agent": "executor", "thread_id": THREAD, "seq": 3,
        "cause": "anna", "state": "finished", "held": false, "attempts": 3, "result": "failed",
        "reason": "NOT_ACKED", "requested_at": "2026-01-02T11:59:00.000Z", "due_at": "2026-01-02T11:59:00.000Z",
        "dispatched_at": "2026-01-02T11:59:01.000Z", "finished_at": "2026-01-02T11:59:02.500Z",
    });
    let answer = json!({"result": "triggered", "wake": wake});
    let words = ["thread", "trigger", THREAD, "executor", "--wait", "5", "--key", "k-3"];
    let (asked, json) = asked(answer.clone(), &words);
    assert_eq!(asked.target, format!("/v1/threads/{THREAD}/trigger"));
    assert_eq!((asked.body, asked.key.as_deref()), (json!({"agent": "executor", "wait_ms": 5}), Some("k-3")));
    assert_eq!(json, answer);
    let stub = Stub::always(200, json!({"result": "failed", "wake": wake}));
    let ran = World::with_server(&stub.url).run(&["thread", "trigger", THREAD, "executor"]);
    assert_eq!(
        (ran.code, ran.out.lines().next()),
        (
            1,
            Some(
                "executor is done after 1.5s: failed (NOT_ACKED: the agent's process ended well but never acknowledged its messages)"
            )
        )
    );
}

#[test]
fn messages_are_searched_for_until_the_page_is_full() {
    let words =
        ["thread", "search", "the parser", "bro*", "--from", "anna", "--status", "active", "--limit", "9"];
    let times = ["--since", "2026-01-01T00:00:00Z", "--event-type", "fix_pushed", "--thread", THREAD];
    let (search, json) = asked(json!({"messages": []}), &[&words[..], &times[..]].concat());
    assert_eq!(search.method, "GET");
    let (path, query) = search.target.split_once('?').unwrap();
    assert_eq!(path, "/v1/messages/search");
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    assert_eq!(
        query,
        [
            "event_type=fix_pushed",
            "from=anna",
            "limit=9",
            "since=2026-01-01T00%3A00%3A00.000Z",
            "status=active",
            "text=the%20parser%20bro%2A",
            &format!("thread_id={THREAD}"),
        ]
    );
    assert_eq!(json, json!({"messages": []}));
}

#[test]
fn messages_are_posted_on_terms_taken_back_and_followed() {
    const MESSAGE: &str = "msg_00000000000000000000000003";
    let posted = json!({
        "message_id": MESSAGE, "thread_id": THREAD, "seq": 4, "posted_at": "2026-01-02T11:59:55.000Z",
        "ledger_index": 9,
    });
    let terms = ["--urgent", "--expires-in", "60000", "--instead-of", MESSAGE, "--parent", MESSAGE];
    let (asked_for, _) = asked(posted, &[&["thread", "post", THREAD, "now"], &terms[..]].concat());
    assert_eq!(
        (&asked_for.body["priority"], &asked_for.body["expires_in_ms"]),
        (&json!("urgent"), &json!(60_000))
    );
    assert_eq!(
        (&asked_for.body["supersedes"], &asked_for.body["parents"]),
        (&json!(MESSAGE), &json!([MESSAGE]))
    );
    let message = json!({
        "message_id": MESSAGE, "thread_id": THREAD, "seq": 4, "kind": "chat", "event_version": 1,
        "schema_version": 1, "from": "anna", "to": [], "state": "cancelled",
        "posted_at": "2026-01-02T11:59:55.000Z", "body": "now",
    });
    let words = ["thread", "cancel", THREAD, MESSAGE, "--reason", "wrong branch"];
    let (why, _) = asked(message.clone(), &words);
    assert_eq!(why.body, json!({"message_id": MESSAGE, "text": "wrong branch"}));
    let (cancel, json) = asked(message.clone(), &["thread", "cancel", THREAD, MESSAGE]);
    assert_eq!(cancel.target, format!("/v1/threads/{THREAD}/messages/cancel"));
    assert_eq!((cancel.body, json), (json!({"message_id": MESSAGE}), message));
    let delivery = json!({
        "message_id": MESSAGE, "thread_id": THREAD, "seq": 4, "state": "live",
        "stored_at": "2026-01-02T11:59:55.000Z", "ledger_index": 9,
        "addressees": [{"agent": "reviewer", "standing": "stored"}],
    });
    let (look, json) = asked(delivery.clone(), &["thread", "delivery", THREAD, MESSAGE, "--wait", "5"]);
    assert_eq!(
        look.target,
        format!("/v1/threads/{THREAD}/delivery?message_id={MESSAGE}&until=seen&wait_ms=5")
    );
    assert_eq!(json, delivery);
}

/// A coding agent that is to work in a repository begins there, unless it is told another place; a command does not.
#[test]
fn coding_agents_begin_in_their_repository() {
    let agent = json!({
        "agent_id": "agt_00000000000000000000000001", "name": "mender", "role": "participant", "runtime": "codex",
        "command": [], "created_at": "2026-01-02T11:59:55.000Z",
    });
    let stub = Stub::always(200, agent);
    let world = World::with_server(&stub.url);
    for folder in ["repo/.git", "tree"] {
        std::fs::create_dir_all(world.path(folder)).unwrap();
    }
    let repo = ["agent", "add", "mender", "--repo", "repo", "--yes"];
    world.run(&[&repo[..], &["--runtime", "codex"]].concat()).ok();
    world.run(&[&repo[..], &["--runtime", "claude", "--cwd", "tree"]].concat()).ok();
    world.run(&[&repo[..], &["--", "x"]].concat()).ok();
    let root = std::fs::canonicalize(world.path("repo")).unwrap();
    let tree = std::fs::canonicalize(world.path("tree")).unwrap();
    let places: Vec<Value> =
        stub.asked().iter().map(|asked| asked.body["launch"]["directory"].clone()).collect();
    assert_eq!(places, [json!(root), json!(tree), Value::Null]);
}

/// Nobody is asked to agree to what cannot be registered.
#[test]
fn what_an_agents_program_does_not_understand_is_refused_before_anybody_is_asked() {
    let stub = Stub::always(200, json!({}));
    let world = World::with_server(&stub.url);
    let cases: [(&[&str], &str); 2] = [
        (&["--runtime", "codex", "--allow-tool", "Bash(make:*)"], "allowed tools are for `claude`"),
        (&["--runtime", "claude", "--sandbox", "read-only", "--writable", "."], "mean nothing"),
    ];
    for (words, part) in cases {
        let ran = world.run(&[&["agent", "add", "a"], words].concat());
        assert!(ran.err.contains(part) && !ran.err.contains("will start these programs"), "{}", ran.err);
        ran.failed(2, "PARAMETER_INVALID");
    }
    assert!(stub.asked().is_empty());
}

#[test]
fn messages_are_posted_from_arguments_and_from_standard_input() {
    let answer = json!({
        "message_id": "msg_00000000000000000000000003", "thread_id": THREAD, "seq": 4,
        "posted_at": "2026-01-02T11:59:55.000Z", "ledger_index": 9,
    });
    let event = ["--event", "fix_pushed", "--data", r#"{"commit":"abc","branch":"b"}"#, "--to", "reviewer"];
    let words = [&["thread", "post", THREAD, "done"], &event[..]].concat();
    let (posted, json) = asked(answer.clone(), &words);
    assert_eq!(posted.body["kind"], "event");
    assert_eq!(posted.body["event_type"], "fix_pushed");
    assert_eq!(posted.body["data"], json!({"commit": "abc", "branch": "b"}));
    assert_eq!(posted.body["to"], json!(["reviewer"]));
    assert_eq!(json, answer);
    let (posted, _) =
        asked_with(answer.clone(), &["thread", "post", THREAD, "-"], "two\nlines ✓\n".as_bytes());
    assert_eq!(posted.body["body"], "two\nlines ✓\n");
    assert_eq!(posted.body["kind"], "chat");
    let (posted, _) = asked(answer, &["thread", "post", THREAD, "--event", "note"]);
    assert_eq!(posted.body["body"], "");
}

#[test]
fn standard_input_that_is_no_message_is_refused_before_it_is_sent() {
    let stub = Stub::always(200, json!({}));
    let world = World::with_server(&stub.url);
    let words = ["thread", "post", THREAD, "-", "--json"];
    world.run_with(&words, b"ok \xFF").failed(2, "PARAMETER_INVALID").only_json();
    world.run_with(&words, &vec![b'x'; 32 * 1024 + 1]).failed(2, "LIMIT_EXCEEDED").only_json();
    assert!(stub.asked().is_empty());
}

#[test]
fn reading_and_acknowledging_name_their_places() {
    let messages = json!({"messages": [], "next_seq": 3, "has_more": false, "acked_seq": 0});
    let (read, json) = asked(messages.clone(), &["thread", "read", THREAD, "--after", "3", "--wait", "10"]);
    assert_eq!(read.target, format!("/v1/threads/{THREAD}/messages?after_seq=3&limit=50&wait_ms=10"));
    assert_eq!(json, messages);
    let (ack, _) = asked(json!({"thread_id": THREAD, "acked_seq": 3}), &["thread", "ack", THREAD, "3"]);
    assert_eq!(ack.body, json!({"seq": 3}));
    assert!(ack.key.is_some());
}

#[test]
fn lists_pass_their_filters_on() {
    let (list, _) =
        asked(json!({"threads": []}), &["thread", "list", "--status", "blocked", "--cursor", "a/b"]);
    assert_eq!(list.target, "/v1/threads?cursor=a%2Fb&limit=50&status=blocked");
    let words = ["wake", "list", "--agent", "executor", "--state", "running", "--limit", "7"];
    let (list, _) = asked(json!({"wakes": []}), &words);
    assert_eq!(list.target, "/v1/wakes?agent=executor&limit=7&state=running");
    let (list, _) = asked(json!({"agents": []}), &["agent", "list"]);
    assert_eq!(list.target, "/v1/agents?limit=50");
}

fn agent() -> Value {
    json!({
        "agent_id": "agt_00000000000000000000000003", "name": "executor", "role": "participant",
        "runtime": "command", "command": ["run", "it now"], "created_at": "2026-01-02T11:59:55.000Z",
    })
}

#[test]
fn agents_are_registered_with_their_command() {
    let stub = Stub::always(200, agent());
    let world = World::with_server(&stub.url);
    std::fs::create_dir_all(world.path("repo/.git")).unwrap();
    let words = [
        "agent", "add", "executor", "--repo", "repo", "--cwd", "repo/..", "--env", "A", "--env", "B=c=d",
        "--", "run", "--json", "it now",
    ];
    world.run(&words).ok();
    let here = world.path("").canonicalize().unwrap();
    let body = stub.asked().remove(0).body;
    assert_eq!(
        body,
        json!({"name": "executor", "role": "participant", "runtime": "command", "launch": {
            "command": ["run", "--json", "it now"],
            "directory": here.to_str().unwrap(),
            "repository": here.join("repo").to_str().unwrap(),
            "environment": [{"name": "A"}, {"name": "B", "value": "c=d"}],
        }})
    );
}

#[test]
fn agents_in_places_that_are_not_there_are_refused_here_and_not_elsewhere() {
    let stub = Stub::always(200, agent());
    let world = World::with_server(&stub.url);
    world.run(&["agent", "add", "a", "--cwd", "none", "--", "x"]).failed(2, "PARAMETER_INVALID");
    world.run(&["agent", "add", "a", "--repo", ".", "--", "x"]).failed(2, "NOT_A_REPOSITORY");
    assert!(stub.asked().is_empty());
    let mut there = world.command(&["--server", &stub.url, "agent", "add", "a", "--cwd", "/none", "--", "x"]);
    finish(there.env("INTERLOCK_TOKEN", "t"), b"").ok();
    let mut there = world.command(&["--server", &stub.url, "agent", "add", "a", "--cwd", "none", "--", "x"]);
    finish(there.env("INTERLOCK_TOKEN", "t"), b"").failed(2, "PARAMETER_INVALID");
}

#[test]
fn people_read_tables_without_colours_when_it_is_no_terminal() {
    let stub = Stub::always(200, json!({"agents": [agent()]}));
    let ran = World::with_server(&stub.url).run(&["agent", "list"]).ok();
    assert!(ran.out.starts_with("NAME      ROLE         RUNTIME  COMMAND\n"), "{ran:?}");
    assert!(ran.out.contains("run 'it now'\n"), "{ran:?}");
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn a_log_is_read_from_its_end_without_obeying_it() {
    let world = World::with_instance();
    let wake = "wak_00000000000000000000000002";
    world.run(&["log", wake, "--json"]).failed(1, "LOG_NOT_FOUND").only_json();
    world.write(&format!(".interlock/logs/wakes/{wake}.log"), "\u{1b}[32mok\u{1b}[0m\n\u{1b}[2Jbye");
    assert_eq!(world.run(&["log", wake]).ok().out, "ok\n\\x1b[2Jbye\n");
    let json = world.run(&["log", wake, "--json"]).ok().only_json();
    assert_eq!(json["text"], "\u{1b}[32mok\u{1b}[0m\n\u{1b}[2Jbye");
    assert_eq!(json["is_cut"], false);
}

#[test]
fn a_closed_standard_output_ends_quietly() {
    let stub = Stub::always(200, json!({"agents": vec![agent(); 200]}));
    let world = World::with_server(&stub.url);
    let mut child = world.command(&["agent", "list"]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = crate::world::Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn a_full_standard_output_is_told() {
    let world = World::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = world.command(&["--help"]).stdout(full).output().unwrap();
    crate::world::Ran::of(&output).failed(2, "PATH_UNWRITABLE");
}

#[test]
fn tokens_are_issued_for_a_name_and_a_role() {
    let world = World::with_instance();
    let words = ["token", "issue", "--name", "ci", "--role", "auditor", "--ttl", "15m"];
    let token = world.run(&words).ok().out;
    assert!(token.starts_with("ilk_") && token.ends_with('\n') && token.lines().count() == 1, "{token}");
    let json = world.run(&[&words[..], &["--json"]].concat()).ok().only_json();
    assert_eq!((&json["name"], &json["role"]), (&json!("ci"), &json!("auditor")));
    std::fs::remove_file(world.path(".interlock/keys/issuer.pem")).unwrap();
    world.run(&words).failed(2, "INSTANCE_INVALID");
}

#[test]
fn people_intervene_for_a_reason() {
    let wake = "wak_00000000000000000000000002";
    let answer = json!({
        "wake_id": "wak_00000000000000000000000009", "agent": "executor", "thread_id": THREAD, "seq": 3,
        "cause": "anna", "state": "pending", "held": true, "attempts": 0, "retries": wake,
        "requested_at": "2026-01-02T11:59:00.000Z", "due_at": "2026-01-02T11:59:00.000Z",
    });
    let words = ["wake", "retry", wake, "--reason", "it is mended", "--key", "k-1"];
    let (retry, json) = asked(answer.clone(), &words);
    assert_eq!((retry.method.as_str(), retry.target), ("POST", format!("/v1/wakes/{wake}/retry")));
    assert_eq!((retry.body, retry.key.as_deref()), (json!({"text": "it is mended"}), Some("k-1")));
    assert_eq!(json, answer);
    let (cancel, _) = asked(answer, &["wake", "cancel", wake, "--reason", "no", "--wait", "7"]);
    assert_eq!(cancel.target, format!("/v1/wakes/{wake}/cancel"));
    assert_eq!(cancel.body, json!({"text": "no", "wait_ms": 7}));
    for (command, path) in [
        ("escalate-thread", "escalate"),
        ("unblock-thread", "unblock"),
        ("override-close-thread", "override-close"),
    ] {
        let words = [command, "--thread-id", THREAD, "--reason", "human_override: x", "--expect", "blocked"];
        let (asked, _) = asked(thread(), &words);
        assert_eq!((asked.method.as_str(), asked.target), ("POST", format!("/v1/threads/{THREAD}/{path}")));
        assert_eq!(asked.body, json!({"text": "human_override: x", "expected_status": "blocked"}));
        // Without a reason nothing is asked of the server.
        let ran = World::new().run(&[command, "--thread-id", THREAD]);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    let ran = World::new().run(&["thread", "owner", THREAD, "anna"]);
    assert_eq!(ran.code, 2, "who names somebody says why: {ran:?}");
    let words = ["wake", "list", "--result", "cancelled", "--due"];
    let (list, _) = asked(json!({"wakes": []}), &words);
    assert_eq!(list.target, "/v1/wakes?is_due=true&limit=50&result=cancelled");
}
