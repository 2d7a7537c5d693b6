//! The whole supervisor with real agents and a scripted server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_supervisor::{Credential, SupervisorConfig, holder, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::sync::watch;

use crate::rig::Rig;
use crate::server::problem;
use crate::wait::{is_alive, until_async};

/// Says that it lives, then lives until it is told to end.
const SLEEPER: &str = "echo $$ >> pids; exec sleep 1000";
/// The same, and accepts by output.
const TALKER: &str = "echo $$ >> pids; echo here; exec sleep 1000";

async fn until_gone(pids: &[i32]) {
    until_async("the agents' end", || (!pids.iter().any(|pid| is_alive(*pid))).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_is_claimed_started_accepted_and_ended() {
    let mut rig = Rig::running().await;
    let launch = json!({ "launch": {
        "command": ["sh", "-c", "tr '\\0' '\\n' < /proc/$$/environ; echo $TOLD"], "repository": "/usr",
        "directory": rig.path("").to_str(),
        "environment": [{"name": "TOLD", "value": "hush-hush"}, {"name": "OWN"}, {"name": "NOWHERE"}],
    }});
    let wake_id = rig.wake_with("executor", 1, "", &launch);
    rig.until_reports(&["started", "accepted by output", "exited 0"]).await;
    let log = rig.log(&wake_id);
    let path = std::env::var("PATH").unwrap();
    let want = [
        "INTERLOCK_AGENT=executor",
        "INTERLOCK_CONTRACT=1",
        "INTERLOCK_DEADLINE=2026-01-02T03:19:05.678Z",
        "INTERLOCK_PROMPT=the prompt",
        "INTERLOCK_REPO=/usr",
        "INTERLOCK_SESSION=ses_00000000000000000000000001",
        "INTERLOCK_THREAD=thr_00000000000000000000000001",
        "INTERLOCK_TOKEN=[redacted]",
        &format!("INTERLOCK_URL={}", rig.server.url),
        &format!("INTERLOCK_WAKE={wake_id}"),
        "INTERLOCK_WAKE_SEQ=7",
        "INTERLOCK_WORKSPACE=ws_00000000000000000000000001",
        "OWN=own",
        &format!("PATH={path}"),
        "TOLD=[redacted]",
        "[redacted]",
    ];
    assert_eq!(log.lines().skip(1).collect::<Vec<_>>(), want);
    let reports = rig.server.script().of("report");
    let keys: BTreeSet<_> = reports.iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys.len(), 3);
    assert!(reports.iter().all(|call| call.wake_id == wake_id && call.body["fence"] == 1));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_reported_as_what_it_was() {
    let mut rig = Rig::running().await;
    for (n, script, want) in [(1, "exit 75", "exited 75"), (2, "kill -TERM $$", "signalled 15")] {
        rig.server.script().calls.clear();
        rig.wake("executor", n, script);
        rig.until_reports(&["started", want]).await;
    }
    rig.server.script().calls.clear();
    let wake_id = rig.wake_with("executor", 3, "", &json!({"launch": {"command": ["no-such-command"]}}));
    rig.until_reports(&["cannot_run"]).await;
    assert!(rig.log(&wake_id).contains("`no-such-command` cannot be executed"), "{}", rig.log(&wake_id));
    rig.server.script().calls.clear();
    rig.wake_with("executor", 4, SLEEPER, &json!({"run_ms_max": 1_500}));
    rig.until_reports(&["started", "run_time_exceeded"]).await;
    until_gone(&rig.pids("pids", 1).await).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_does_not_work_is_a_failure_and_not_an_endless_loop() {
    for program in ["/bin/false", "/no/such/shim"] {
        let mut rig = Rig::idle().await;
        rig.config.shim = vec![program.into()];
        rig.start();
        let wake_id = rig.wake("executor", 1, "exit 0");
        rig.until_reports(&["spawn_failed"]).await;
        assert!(rig.log(&wake_id).contains("the shim"), "{}", rig.log(&wake_id));
        rig.stop().await.unwrap();
    }
}

/// The plan lies in the shim's pipe before the shim begins, as far as the pipe has room for it; the rest follows.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_be_given_more_than_a_pipe_holds() {
    let mut rig = Rig::idle().await;
    for name in ["ONE", "TWO"] {
        rig.config.environment.insert(name.into(), name.repeat(30_000).into());
    }
    rig.start();
    let launch = json!({"launch": {
        "command": ["sh", "-c", "echo ${#ONE} ${#TWO}"], "environment": [{"name": "ONE"}, {"name": "TWO"}],
    }});
    let wake_id = rig.wake_with("executor", 1, "", &launch);
    rig.until_reports(&["started", "accepted by output", "exited 0"]).await;
    assert!(rig.log(&wake_id).contains("90000 90000"), "{}", rig.log(&wake_id));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_survive_a_server_that_is_down() {
    let mut rig = Rig::running().await;
    let wake = "echo $$ >> pids; until [ -e go ]; do sleep 0.01; done; echo done; echo $$ >> done";
    rig.wake("executor", 1, wake);
    rig.until_reports(&["started"]).await;
    rig.server.script().is_down = true;
    std::fs::write(rig.path("go"), "").unwrap();
    until_gone(&rig.pids("done", 1).await).await;
    rig.server.script().is_down = false;
    rig.until_reports(&["started", "accepted by output", "exited 0"]).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_answer_was_lost_is_repeated_with_its_key() {
    let mut rig = Rig::running().await;
    rig.server.script().unanswered.insert("report");
    rig.wake("executor", 1, "exit 0");
    rig.until("the report to be repeated", |script| script.of("report").len() >= 3).await;
    rig.server.script().unanswered.clear();
    rig.until_reports(&["started", "exited 0"]).await;
    let reports = rig.server.script().of("report");
    assert_eq!(reports[0].key, reports[2].key);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_released_by_a_new_life() {
    let mut rig = Rig::idle().await;
    rig.server.script().unanswered.insert("claim");
    rig.start();
    rig.until("a claim", |script| !script.of("claim").is_empty()).await;
    rig.server.script().unanswered.clear();
    rig.wake("executor", 1, "exit 0");
    rig.until_reports(&["started", "exited 0"]).await;
    let claims = rig.server.script().of("claim");
    assert_eq!(claims[0].body["supervisor"], claims[1].body["supervisor"]);
    assert_ne!(claims[0].body["incarnation"], claims[1].body["incarnation"]);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lease_ends_the_process_without_a_word() {
    let mut rig = Rig::running().await;
    rig.wake(
        "executor",
        1,
        "echo $$ >> pids; until [ -e go ]; do sleep 0.01; done; echo here; exec sleep 1000",
    );
    let pids = rig.pids("pids", 1).await;
    rig.until_reports(&["started"]).await;
    rig.server.script().refused.insert("report", problem(409, "CONFLICT", "LEASE_LOST"));
    std::fs::write(rig.path("go"), "").unwrap();
    until_gone(&pids).await;
    rig.server.script().refused.clear();
    // The slot is free again, and the agent too.
    rig.wake("executor", 2, "exit 0");
    rig.until_reports(&["started", "accepted by output", "started", "exited 0"]).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_in_one_call_at_a_third_of_their_time() {
    let mut rig = Rig::running().await;
    let short = json!({ "lease_ms": 1_800 });
    let first = rig.wake_with("executor", 1, TALKER, &short);
    let second = rig.wake_with("reviewer", 2, TALKER, &short);
    let pids = rig.pids("pids", 2).await;
    let start = Instant::now();
    let both = |script: &crate::server::Script| {
        let renewals = script.of("renew");
        renewals.iter().filter(|call| call.body["wakes"].as_array().unwrap().len() == 2).count() >= 3
    };
    rig.until("three renewals", both).await;
    assert!(start.elapsed().as_millis() >= 1_100, "{:?}", start.elapsed());
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    // What an answer no longer names is ended; the other goes on.
    rig.server.script().lost.insert(first);
    until_async("one end", || (pids.iter().filter(|pid| is_alive(**pid)).count() == 1).then_some(())).await;
    rig.server.script().lost.insert(second);
    until_gone(&pids).await;
    assert!(!rig.server.script().reports().iter().any(|report| report == "halted"));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_lease_cannot_be_renewed_is_ended_by_the_supervisor_itself() {
    let mut rig = Rig::running().await;
    rig.wake_with("executor", 1, TALKER, &json!({ "lease_ms": 600 }));
    let pids = rig.pids("pids", 1).await;
    rig.server.script().is_down = true;
    until_gone(&pids).await;
    rig.server.script().is_down = false;
    rig.wake("executor", 2, "exit 0");
    rig.until("the next wake", |script| script.reports().last().is_some_and(|last| last == "exited 0")).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_lives_when_the_server_saw_its_call() {
    let mut rig = Rig::running().await;
    let quick = json!({ "accept_timeout_ms": 1_000 });
    let wake_id = rig.wake_with("executor", 1, SLEEPER, &quick);
    rig.server.script().accepted.insert(wake_id);
    rig.until("the question", |script| !script.of("renew").is_empty()).await;
    rig.wake_with("reviewer", 2, "echo $$ >> silent; exec sleep 1000", &quick);
    let silent = rig.pids("silent", 1).await;
    rig.until_reports(&["started", "started", "not_accepted"]).await;
    assert!(!is_alive(silent[0]));
    assert!(is_alive(rig.pids("pids", 1).await[0]));
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_stops_everything_and_starts_nothing_until_it_is_lifted() {
    let mut rig = Rig::idle().await;
    // All slots are taken: no claim is open that would tell of the halt.
    rig.config.concurrency_max = 1;
    rig.start();
    rig.wake("executor", 1, "trap '' INT; echo $$ >> pids; echo here; while :; do sleep 0.01; done");
    let pids = rig.pids("pids", 1).await;
    rig.until_reports(&["started", "accepted by output"]).await;
    rig.server.script().is_halted = true;
    until_gone(&pids).await;
    rig.until_reports(&["started", "accepted by output", "halted"]).await;
    rig.wake("executor", 2, "exit 0");
    let seen = rig.server.script().of("claim").len();
    rig.until("claims that give nothing", |script| script.of("claim").len() > seen + 1).await;
    assert_eq!(rig.server.script().reports().len(), 3);
    rig.server.script().is_halted = false;
    rig.until_reports(&["started", "accepted by output", "halted", "started", "exited 0"]).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_every_agent_and_says_so() {
    let mut rig = Rig::running().await;
    rig.wake("executor", 1, TALKER);
    rig.wake("reviewer", 2, "trap '' INT TERM; echo $$ >> pids; echo here; while :; do sleep 0.01; done");
    let pids = rig.pids("pids", 2).await;
    rig.until("both to be accepted", |script| script.reports().len() == 4).await;
    rig.stop().await.unwrap();
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    assert_eq!(rig.server.script().reports()[4..], ["halted", "halted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_server_that_is_gone() {
    let mut rig = Rig::running().await;
    rig.wake("executor", 1, TALKER);
    let pids = rig.pids("pids", 1).await;
    rig.server.script().is_down = true;
    rig.stop().await.unwrap();
    assert!(!is_alive(pids[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_die_with_their_supervisor_and_the_next_one_starts_clean() {
    let mut rig = Rig::running().await;
    let family = "setsid sh -c 'echo $$ >> pids; exec sleep 1000' & echo $$ >> pids; echo here; wait";
    rig.wake("executor", 1, family);
    let pids = rig.pids("pids", 2).await;
    rig.kill().await;
    rig.wake("executor", 2, "exit 0");
    rig.server.script().calls.clear();
    rig.start();
    rig.until_reports(&["started", "exited 0"]).await;
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_is_killed_takes_its_agent_along() {
    let mut rig = Rig::running().await;
    let family =
        "setsid sh -c 'echo $$ >> pids; exec sleep 1000' & echo $$ >> pids; echo $PPID >> shim; wait";
    rig.wake("executor", 1, family);
    let pids = rig.pids("pids", 2).await;
    let shim = rig.pids("shim", 1).await[0];
    kill_process(Pid::from_raw(shim).unwrap(), Signal::KILL).unwrap();
    rig.until_reports(&["started", "signalled 9"]).await;
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_agents_run_than_there_are_slots() {
    let mut rig = Rig::idle().await;
    rig.config.concurrency_max = 2;
    rig.start();
    for (n, agent) in ["a", "b", "c"].iter().enumerate() {
        let script = "echo $$ >> pids; until [ -e go ]; do sleep 0.01; done";
        rig.wake(agent, u32::try_from(n).unwrap() + 1, script);
    }
    rig.pids("pids", 2).await;
    rig.until_reports(&["started", "started"]).await;
    assert!(rig.server.script().of("claim").iter().all(|call| call.body["limit"].as_u64().unwrap() <= 2));
    assert_eq!(rig.server.script().wakes.len(), 1);
    std::fs::write(rig.path("go"), "").unwrap();
    rig.until("all ends", |script| script.reports().len() == 6).await;
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_has_one_supervisor_with_a_name_that_stays() {
    let mut rig = Rig::running().await;
    rig.until("a claim", |script| !script.of("claim").is_empty()).await;
    let first = rig.server.script().of("claim")[0].body.clone();
    let state = rig.config.state_dir.clone();
    assert_eq!(holder(&state).unwrap().pid, std::process::id());
    let (_stop, stopped) = watch::channel(false);
    let refused = run(rig.config.clone(), stopped).await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::SupervisorRunning));
    assert!(refused.detail.contains(&std::process::id().to_string()), "{refused}");
    rig.stop().await.unwrap();
    assert_eq!(holder(&state), None);
    rig.server.script().calls.clear();
    rig.start();
    rig.until("a claim", |script| !script.of("claim").is_empty()).await;
    let second = rig.server.script().of("claim")[0].body.clone();
    assert_eq!(first["supervisor"], second["supervisor"]);
    assert_ne!(first["incarnation"], second["incarnation"]);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_the_server_does_not_want_says_so() {
    let mut rig = Rig::idle().await;
    rig.server.script().refused.insert("claim", problem(403, "FORBIDDEN", "ROLE_MISSING"));
    rig.start();
    assert_eq!(rig.end().await.unwrap_err().known_reason(), Some(Reason::RoleMissing));
    let config = SupervisorConfig { state_dir: "/proc/nowhere".into(), ..rig.config.clone() };
    let (_stop, stopped) = watch::channel(false);
    assert_eq!(run(config, stopped).await.unwrap_err().known_reason(), Some(Reason::PathUnwritable));
}

/// What is said of an agent that cannot be run, once and with each claim, until it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_says_what_cannot_be_run_here_as_long_as_it_cannot() {
    let mut rig = Rig::running().await;
    let tool = rig.path("tool");
    let wake_id = rig.wake_with("executor", 1, "", &json!({"launch": {"command": [tool.to_str()]}}));
    rig.until_reports(&["cannot_run"]).await;
    let report = rig.server.script().of("report").remove(0).body;
    assert_eq!(report["report"]["outcome"], json!({"kind": "cannot_run", "lacks": "program"}));
    assert!(rig.log(&wake_id).contains("not on this machine"), "{}", rig.log(&wake_id));
    let lacks = |script: &crate::server::Script| script.of("claim").pop().unwrap().body["cannot_run"].clone();
    rig.until("a claim that says so", |script| lacks(script) == json!({"executor": "program"})).await;
    std::fs::write(&tool, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    rig.until("a claim that no longer does", |script| lacks(script).is_null()).await;
    rig.wake_with("executor", 2, "", &json!({"launch": {"command": [tool.to_str()]}}));
    rig.until_reports(&["cannot_run", "started", "exited 0"]).await;
    rig.stop().await.unwrap();
}

/// While it holds another wake: the server gives out again what the supervisor does not know of.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_says_what_it_holds() {
    let mut rig = Rig::idle().await;
    rig.config.labels = ["gpu".parse().unwrap()].into();
    rig.start();
    let wake_id = rig.wake("executor", 1, TALKER);
    rig.until_reports(&["started", "accepted by output"]).await;
    let known = json!([{"wake_id": wake_id, "fence": 1}]);
    let holds =
        |call: &crate::server::Call| call.body["holds"] == known && call.body["labels"] == json!(["gpu"]);
    rig.until("a claim with it", |script| script.of("claim").last().is_some_and(holds)).await;
    assert_eq!(rig.server.script().of("claim")[0].body["holds"], json!([]));
    rig.stop().await.unwrap();
}

/// Not even when the server refuses the start because of a halt does the wake wait for the end of its lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_refused_gives_the_claim_back() {
    let mut rig = Rig::running().await;
    rig.server.script().refused_steps.insert("started", problem(409, "CONFLICT", "HALTED"));
    rig.wake("executor", 1, TALKER);
    rig.until_reports(&["started", "not_started"]).await;
    rig.stop().await.unwrap();
}

/// The token's own place: what is read from it, and what was kept in it.
#[derive(Debug, Default)]
struct Purse(Mutex<Vec<String>>);

impl Credential for Purse {
    fn read(&self) -> Result<String, Problem> {
        let kept = self.0.lock().unwrap().last().cloned();
        kept.ok_or_else(|| Problem::new(Reason::TokenMissing, "there is none", ""))
    }

    fn keep(&self, token: &str) -> Result<(), Problem> {
        self.0.lock().unwrap().push(token.to_owned());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_at_half_of_its_time_and_kept() {
    let mut rig = Rig::idle().await;
    let purse = Arc::new(Purse::default());
    rig.config.credential = Some(Arc::<Purse>::clone(&purse));
    {
        let mut script = rig.server.script();
        script.ttl_ms = 600;
        script.taken = Some(["supervisor-token".to_owned()].into());
    }
    rig.start();
    rig.until("three renewals", |script| script.renewed >= 3).await;
    let kept = purse.0.lock().unwrap().clone();
    assert_eq!(kept[..2], ["renewed-1", "renewed-2"]);
    assert_eq!(rig.server.script().turned_away, 0);
    rig.stop().await.unwrap();
}

/// It was asleep for longer than its token holds, or the server has new keys: a person puts another one into its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_exchanged_for_the_one_that_is_kept() {
    let mut rig = Rig::idle().await;
    let purse = Arc::new(Purse::default());
    rig.config.credential = Some(Arc::<Purse>::clone(&purse));
    rig.server.script().ttl_ms = 3_600_000;
    rig.start();
    rig.wake("executor", 1, "echo $$ >> pids; until [ -e go ]; do sleep 0.01; done");
    rig.until_reports(&["started"]).await;
    rig.server.script().taken = Some(["handed-over".to_owned()].into());
    std::fs::write(rig.path("go"), "").unwrap();
    rig.until("a refusal", |script| script.turned_away > 0).await;
    purse.keep("handed-over").unwrap();
    rig.until_reports(&["started", "exited 0"]).await;
    rig.wake("executor", 2, "exit 0");
    rig.until_reports(&["started", "exited 0", "started", "exited 0"]).await;
    rig.stop().await.unwrap();
}

/// At the start the token that was handed over comes first, then the one that was kept, then the server's refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_goes_on_with_the_kept_token_or_says_why_not() {
    let mut rig = Rig::idle().await;
    let purse = Arc::new(Purse::default());
    rig.config.credential = Some(Arc::<Purse>::clone(&purse));
    {
        let mut script = rig.server.script();
        script.ttl_ms = 3_600_000;
        script.taken = Some(["kept".to_owned()].into());
    }
    rig.start();
    assert_eq!(rig.end().await.unwrap_err().known_reason(), Some(Reason::TokenExpired));
    purse.keep("kept").unwrap();
    rig.start();
    rig.until("a claim", |script| !script.of("claim").is_empty()).await;
    rig.stop().await.unwrap();
}

/// Every text in it; members that name a time are refused.
fn texts(value: &serde_json::Value, all: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => all.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, all)),
        serde_json::Value::Object(map) => {
            for (name, item) in map {
                assert!(!name.ends_with("_at"), "{name}");
                texts(item, all);
            }
        }
        _ => {}
    }
}

/// Reports are what was observed: no clock of this machine is in them.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_tells_a_time_of_this_machine() {
    let mut rig = Rig::running().await;
    rig.wake("executor", 1, "echo here; exit 3");
    rig.until_reports(&["started", "accepted by output", "exited 3"]).await;
    let year = |text: &str| text.contains("20") && text.contains('T') && text.ends_with('Z');
    for call in &rig.server.script().calls {
        let mut all = Vec::new();
        texts(&call.body, &mut all);
        assert!(!all.iter().any(|text| year(text)), "{all:?}");
    }
    rig.stop().await.unwrap();
}
