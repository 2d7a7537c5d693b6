//! Runtimes that speak in events: what counts as one, and what does not.

use interlock_core::agent::Runtime;
use serde_json::json;

use crate::rig::Rig;
use crate::server::problem;
use crate::wait::{is_alive, pids};

const BEGAN: &str = r#"{"type":"thread.started","thread_id":"0199a213-81c0-7800-8aa1-bbab2a035a53"}"#;

/// Wake an agent whose Codex is this shell script.
fn codex(rig: &Rig, n: u32, script: &str) -> String {
    let launch = json!({ "command": ["sh", "-c", script], "directory": rig.path("").to_str() });
    rig.wake_with("executor", n, "", &json!({ "launch": launch, "runtime": Runtime::Codex }))
}

/// Words on standard error in the middle of an event do not tear it apart, and a tool's quoted event is none.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_standard_error_is_no_event_and_tears_none_apart() {
    let mut rig = Rig::running().await;
    let script = format!(
        "echo '{BEGAN}'; printf '{{\"type\":\"turn.star'; echo 'a warning' >&2; printf 'ted\"}}\n'; \
         printf '{{\"type\":\"turn.comp'; echo '{{\"type\":\"turn.failed\"}}' >&2; printf 'leted\"}}\n'"
    );
    let wake_id = codex(&rig, 1, &script);
    rig.until_reports(&["started", "accepted by event", "exited 0"]).await;
    let log = rig.log(&wake_id);
    assert!(log.contains("a warning\n") && log.contains("{\"type\":\"turn.failed\"}\n"), "{log}");
    // A result on the wrong stream is a result that was not heard.
    rig.server.script().calls.clear();
    codex(
        &rig,
        2,
        &format!(
            "echo '{BEGAN}'; echo '{{\"type\":\"turn.started\"}}'; echo '{{\"type\":\"turn.completed\"}}' >&2"
        ),
    );
    rig.until_reports(&["started", "accepted by event", "turn_failed"]).await;
    let ended = rig.server.script().of("report").pop().unwrap();
    assert_eq!(ended.body["report"]["outcome"]["fault"], "turn_incomplete", "{ended:?}");
    rig.stop().await.unwrap();
}

/// Why a program gives up stands on standard error.
#[tokio::test(flavor = "multi_thread")]
async fn why_a_program_gives_up_is_heard_on_standard_error() {
    let mut rig = Rig::running().await;
    codex(&rig, 1, "echo 'Error: no rollout found for thread id x' >&2; exit 1");
    rig.until_reports(&["started", "session_gone"]).await;
    rig.stop().await.unwrap();
}

/// The server does not want it started any more: its process ends, and the wake need not wait for its lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_refused_gives_the_wake_back() {
    let mut rig = Rig::running().await;
    let refusal = problem(409, "CONFLICT", "WAKE_WRONG_STATE");
    rig.server.script().refused_steps.insert("started", refusal);
    rig.wake("executor", 1, "echo $$ >> pids; echo here; exec sleep 1000");
    rig.until_reports(&["started", "not_started"]).await;
    // It was ended before that was told, maybe before it could write its number down.
    let pids = pids(&rig.path("pids"), 1).unwrap_or_default();
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    // One that ends before the refusal is known has not run for the server either.
    rig.server.script().calls.clear();
    rig.wake("executor", 2, "echo here; exit 3");
    rig.until_reports(&["started", "not_started"]).await;
    rig.stop().await.unwrap();
}
