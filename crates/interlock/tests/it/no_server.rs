//! No server, or one that does not answer.

use serde_json::json;

use crate::stub::{Reply, Stub};
use crate::world::{World, finish};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn an_instance_without_server_says_so() {
    let world = World::with_instance();
    let problem = world.run(&["thread", "list", "--json"]).failed(1, "SERVER_NOT_RUNNING").only_json();
    assert_eq!(problem["code"], "CONFLICT");
    assert_eq!(problem["hint"], "start it with: interlock up");
}

#[test]
fn a_server_that_was_killed_is_not_running_and_one_that_lives_is_unreachable() {
    let world = World::with_server(&nobody());
    let problem = world.run(&["status", "--json"]).failed(4, "SERVER_UNREACHABLE").only_json();
    assert_eq!(problem["retryable"], true);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    world.says_server(child.id(), &nobody());
    world.run(&["status"]).failed(1, "SERVER_NOT_RUNNING");
}

#[test]
fn a_mutation_with_an_open_outcome_can_be_repeated_by_its_key() {
    let stub = Stub::new(|_| Reply::Nothing);
    let world = World::with_server(&stub.url);
    let ran = world.run(&["thread", "create", "x", "--json"]).failed(4, "SERVER_UNREACHABLE");
    let hint = ran.only_json()["hint"].as_str().unwrap().to_owned();
    let key = stub.asked().first().unwrap().key.clone().unwrap();
    assert!(hint.contains(&format!("--key {key}")), "{hint}");
}

#[test]
fn a_server_named_by_its_address_needs_a_token_from_the_environment() {
    let world = World::new();
    world.run(&["status", "--server", &nobody()]).failed(3, "TOKEN_MISSING");
    let mut command = world.command(&["status", "--server", &nobody()]);
    finish(command.env("INTERLOCK_TOKEN", "a.b.c"), b"").failed(4, "SERVER_UNREACHABLE");
    let mut command = world.command(&["status", "--server", &nobody()]);
    finish(command.env("INTERLOCK_TOKEN", "a\nb"), b"").failed(3, "TOKEN_INVALID");
    for url in ["ftp://x", "http://", "127.0.0.1:80", "http://x/path", ""] {
        let mut command = world.command(&["status", "--server", url]);
        finish(command.env("INTERLOCK_TOKEN", "a.b.c"), b"").failed(2, "PARAMETER_INVALID");
    }
}

#[test]
fn a_woken_agent_acts_with_its_own_token() {
    let stub = Stub::always(404, json!({}));
    let elsewhere = Stub::always(404, json!({}));
    let world = World::with_server(&elsewhere.url);
    let mut command = world.command(&["thread", "list"]);
    command
        .env("INTERLOCK_URL", &stub.url)
        .env("INTERLOCK_TOKEN", "a.b.c")
        .env("INTERLOCK_AGENT", "executor");
    // What answers without problem details is no server of ours.
    finish(&mut command, b"").failed(4, "SERVER_UNREACHABLE");
    assert_eq!(stub.asked().first().unwrap().authorization.as_deref(), Some("Bearer a.b.c"));
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn problems_of_the_server_keep_their_code_and_exit_code() {
    let cases = [
        ("THREAD_NOT_FOUND", "NOT_FOUND", 404, 1),
        ("BODY_TOO_LARGE", "PAYLOAD_TOO_LARGE", 413, 2),
        ("ROLE_MISSING", "FORBIDDEN", 403, 3),
        ("SERVER_BUSY", "RATE_LIMITED", 429, 4),
        ("STATE_CORRUPT", "DATA_LOSS", 500, 5),
        ("INTERNAL", "INTERNAL", 500, 70),
        ("A_LATER_REASON", "CONFLICT", 409, 1),
    ];
    for (reason, code, status, exit) in cases {
        let problem = json!({
            "type": format!("docs/errors/{reason}.md"), "title": "t", "status": status, "detail": "d\u{1b}[2J",
            "code": code, "reason": reason, "retryable": false, "request_id": "r-1",
        });
        let stub = Stub::always(status, problem.clone());
        let ran = World::with_server(&stub.url).run(&["status", "--json"]).failed(exit, reason);
        assert_eq!(ran.only_json(), problem);
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
    }
}

/// A newer server tells an older program what it uses that will go.
#[test]
fn an_end_that_the_server_announces_is_told_once_beside_the_result() {
    let ends = "deprecation: @1795824000\r\nsunset: Wed, 01 Dec 2027 00:00:00 GMT\r\n\
                link: <docs/compatibility.md>; rel=\"deprecation\"; type=\"text/markdown\"; title=\"limit\"\r\n";
    let page = |next: Option<&str>| json!({"jobs": [], "next_cursor": next});
    let stub = Stub::new(move |_| Reply::Said(ends, page(None)));
    let world = World::with_server(&stub.url);
    let ran = world.run(&["job", "list", "--limit", "3", "--json"]).ok();
    assert_eq!(
        ran.err,
        "warning: `limit` of `list_jobs` is deprecated since 2026-11-28, served at least until 2027-12-01: \
         see docs/compatibility.md\n"
    );
    assert_eq!(ran.only_json()["jobs"], json!([]), "machines read what they always read");
    let silent = Stub::always(200, page(None));
    let world = World::with_server(&silent.url);
    assert_eq!(world.run(&["job", "list", "--limit", "3"]).ok().err, "");
}
