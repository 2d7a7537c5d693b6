//! Wakes over the wire: claimed, reported, held, halted, and the token that comes with a claim.

use interlock_api::operations as op;
use interlock_api::v1::wake::{ClaimWakesResponse, ClaimedWake, WakeView};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::thread::Status;
use interlock_core::wake::{Evidence, WakeResult, WakeState};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::world::{LONG_MS, Stage, World, call, says, soon};

async fn claims(world: &World, incarnation: &str) -> ClaimWakesResponse {
    let params = json!({"supervisor": "keeper", "incarnation": incarnation, "limit": 8});
    call::<op::ClaimWakes>(&world.client(Role::Supervisor), &params, "").await.unwrap()
}

async fn claimed(world: &World) -> ClaimedWake {
    let mut claimed = claims(world, "1").await;
    assert_eq!(claimed.wakes.len(), 1);
    claimed.wakes.remove(0)
}

async fn reports(world: &World, claim: &ClaimedWake, report: Value) -> WakeView {
    let key = report.to_string();
    let params = json!({
        "wake_id": claim.wake.wake_id, "incarnation": "1", "fence": claim.fence, "report": report,
    });
    call::<op::ReportWake>(&world.client(Role::Supervisor), &params, &key).await.unwrap()
}

async fn wake(world: &World, stage: &Stage) -> WakeView {
    let params = json!({"wake_id": stage.wake});
    call::<op::GetWake>(&world.client(Role::Auditor), &params, "").await.unwrap()
}

/// The timeline is followed until this has happened.
async fn until(world: &World, stage: &Stage, kind: &str) {
    let auditor = world.client(Role::Auditor);
    let mut after = None;
    loop {
        let params = json!({"thread_id": stage.thread, "after": after, "wait_ms": LONG_MS});
        let read = soon(call::<op::ReadTimeline>(&auditor, &params, "")).await.unwrap();
        if read.items.iter().any(|item| item.kind == kind) {
            return;
        }
        after = read.next;
    }
}

#[tokio::test]
async fn the_token_of_a_claim_acts_as_that_agent_and_proves_acceptance() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    assert_eq!((claim.wake.wake_id, claim.launch.command.as_slice()), (stage.wake, &["true".to_owned()][..]));
    assert_eq!(claim.workspace_id, world.here);
    assert!(!claim.prompt.contains("please begin"), "prompts name ids only");
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
    assert_eq!(wake(&world, &stage).await.accepted_at, None);

    let agent = world.client_with(claim.token.clone());
    let inbox = call::<op::Inbox>(&agent, &json!({}), "").await.unwrap().threads;
    assert_eq!((inbox[0].thread_id, inbox[0].unread), (stage.thread, 1));
    until(&world, &stage, "wake.accepted").await;
    let seen = wake(&world, &stage).await;
    assert_eq!((seen.state, seen.evidence), (WakeState::Running, Some(Evidence::Call)));

    says(&agent, stage.thread, "done", "answer").await.unwrap();
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&agent, &ack, "ack").await.unwrap();
    let exited = json!({"step": "ended", "outcome": {"kind": "exited", "code": 0}});
    let over = reports(&world, &claim, exited).await;
    assert_eq!((over.state, over.result), (WakeState::Finished, Some(WakeResult::Triggered)));
    assert!(over.seen_at.is_some() && over.acted_at.is_some());
    let entry = world.ledger().await.into_iter().find(|e| e["operation"] == "ack_read").unwrap();
    assert_eq!(entry["actor"]["name"], "executor");
    assert_eq!(entry["actor"]["wake_id"], json!(stage.wake));
    assert_eq!(entry["actor"]["session_id"], json!(claim.session_id));
}

/// What an agent said last is shown with its wake, to those who see that one; a ledger and a list have no words.
#[tokio::test]
async fn the_last_words_of_a_turn_are_shown_with_its_wake() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
    let words = "all is done\nand more";
    let ended = json!({
        "step": "ended", "outcome": {"kind": "exited", "code": 1}, "last_message": format!(" {words}\u{0}\r\n"),
    });
    let over = reports(&world, &claim, ended).await;
    assert_eq!((over.state, over.last_message), (WakeState::Pending, None));

    let params = json!({"wake_id": stage.wake});
    let agent = world.client_with(claim.token.clone());
    for client in [&agent, &world.client(Role::Auditor), &world.client(Role::Operator)] {
        let shown = call::<op::GetWake>(client, &params, "").await.unwrap();
        assert_eq!(shown.last_message.as_deref(), Some(words));
    }
    let guest = world.client_with(world.token_of("guest", Role::Participant, world.here));
    let problem = call::<op::GetWake>(&guest, &params, "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::WakeNotFound));
    assert!(!problem.to_string().contains("all is done"));
    let auditor = world.client(Role::Auditor);
    let listed = call::<op::ListWakes>(&auditor, &json!({}), "").await.unwrap().wakes;
    assert_eq!(listed[0].last_message, None);

    let entry = world
        .ledger()
        .await
        .into_iter()
        .find(|e| e["operation"] == "report_wake" && e["events"][0]["kind"] == "wake.said/1");
    let entry = entry.unwrap();
    assert_eq!(entry["events"][1]["kind"], "wake.attempt_failed/1");
    assert!(
        entry["events"][0]["text_digest"].is_string() && !entry.to_string().contains("all is done"),
        "{entry}"
    );
    let thread = json!({"thread_id": stage.thread});
    let read = call::<op::ReadMessages>(&auditor, &thread, "").await.unwrap();
    assert!(read.messages.iter().all(|one| !one.body.contains("all is done")), "it is no message");

    let world = world.restart().await;
    assert_eq!(wake(&world, &stage).await.last_message.as_deref(), Some(words));
}

/// What a guard put off says why and until when, in the wake, its agent, its thread and the metrics, also after a restart.
#[tokio::test]
async fn a_wake_that_is_put_off_says_why() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
    let refused = json!({
        "step": "ended",
        "outcome": {"kind": "turn_failed", "fault": "model_rate_limited", "reset_in_ms": 600_000},
        "usage": {"input_tokens": 10, "output_tokens": 5},
    });
    let waits = reports(&world, &claim, refused).await;
    assert_eq!(
        (waits.state, waits.reason, waits.attempts),
        (WakeState::Pending, Some(Reason::ModelQuota), 0)
    );
    let text = crate::jobs::metrics(&world).await;
    for line in [
        r#"interlock_wakes_deferred_total{reason="MODEL_QUOTA"} 1"#,
        r#"interlock_wakes_deferred_total{reason="WAKE_BACKLOG"} 0"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }

    let world = world.restart().await;
    assert_eq!(claims(&world, "2").await.wakes.len(), 0);
    let auditor = world.client(Role::Auditor);
    let agents = call::<op::ListAgents>(&auditor, &json!({}), "").await.unwrap().agents;
    let agent = agents.iter().find(|agent| agent.name == waits.agent).unwrap();
    assert_eq!((agent.quota_until, agent.spent.unwrap().tokens), (Some(waits.due_at), 15));
    let thread = call::<op::GetThread>(&auditor, &json!({"thread_id": stage.thread}), "").await.unwrap();
    let budget = thread.budget.unwrap();
    assert_eq!((budget.spent.tokens(), budget.total.tokens(), budget.tokens_max), (15, 15, None));
}

#[tokio::test]
async fn the_token_of_a_claim_is_good_for_nothing_else() {
    let world = World::new().await;
    world.stage().await;
    let agent = world.client_with(claimed(&world).await.token);
    let open = json!({"title": "mine"});
    let problem = call::<op::CreateThread>(&agent, &open, "open").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::RoleMissing));
    let problem = call::<op::HaltAgents>(&agent, &json!({}), "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::RoleMissing));
}

#[tokio::test]
async fn the_token_outlives_the_deadline_only_for_the_last_report() {
    let world = World::new().await;
    world.stage().await;
    // Made in the past, so that it has run out by now.
    world.advance(-3_600_000);
    let claim = claimed(&world).await;
    world.advance(3_600_000);
    assert!(claim.deadline < world.engine.now());
    let agent = world.client_with(claim.token);
    let problem = call::<op::Inbox>(&agent, &json!({}), "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::TokenExpired));
}

#[tokio::test]
async fn a_paused_thread_wakes_nobody_until_it_goes_on() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let pause = json!({"thread_id": stage.thread, "status": "blocked", "reason": "PAUSED"});
    let thread = call::<op::UpdateThreadStatus>(&lead, &pause, "pause").await.unwrap();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::Paused)));
    says(&lead, stage.thread, "and this", "more").await.unwrap();
    assert!(wake(&world, &stage).await.held);
    assert!(claims(&world, "1").await.wakes.is_empty());
    let attention = call::<op::GetStatus>(&lead, &json!({}), "").await.unwrap().attention;
    assert_eq!((attention[0].thread_id, attention[0].reason), (stage.thread, Some(Reason::Paused)));

    let params = json!({"supervisor": "keeper", "incarnation": "1", "limit": 8, "wait_ms": LONG_MS});
    let (batches, keeper) = (world.store.batches(), world.client(Role::Supervisor));
    let poll = tokio::spawn(async move { call::<op::ClaimWakes>(&keeper, &params, "").await.unwrap() });
    soon(world.store.batches_reach(batches + 1)).await;
    let resume = json!({"thread_id": stage.thread, "status": "active"});
    call::<op::UpdateThreadStatus>(&lead, &resume, "resume").await.unwrap();
    let claimed = soon(poll).await.unwrap();
    assert_eq!(claimed.wakes[0].wake.wake_id, stage.wake);
    // One wake for all that came meanwhile.
    assert_eq!((claimed.wakes.len(), claimed.wakes[0].wake.seq >= 3), (1, true));
}

#[tokio::test]
async fn a_halt_reaches_claims_and_renewals_and_lasts_until_agents_are_let_go_on() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
    for _ in 0..2 {
        let halted = call::<op::HaltAgents>(&world.client(Role::Operator), &json!({}), "halt").await.unwrap();
        assert_eq!((halted.running, halted.was_halted), (1, false), "asked again with the same key");
        assert!(halted.since.is_some());
    }
    let read = json!({"limit": 200});
    let read = call::<op::ListEntries>(&world.client(Role::Auditor), &read, "").await.unwrap();
    let ledger = serde_json::to_string(&read).unwrap();
    assert_eq!(ledger.matches("workspace.halted/2").count(), 1, "one entry for one key: {ledger}");
    let again = claims(&world, "1").await;
    assert!(again.halt && again.wakes.is_empty());
    let held = json!({"supervisor": "keeper", "incarnation": "1",
                      "wakes": [{"wake_id": stage.wake, "fence": claim.fence}]});
    let renewed = call::<op::RenewWakes>(&world.client(Role::Supervisor), &held, "").await.unwrap();
    assert!(renewed.halt && renewed.wakes.len() == 1);
    let status = call::<op::GetStatus>(&world.client(Role::Operator), &json!({}), "").await.unwrap();
    assert!(status.is_halted);
    assert_eq!(status.supervisors[0].name, "keeper");
    let over = reports(&world, &claim, json!({"step": "ended", "outcome": {"kind": "halted"}})).await;
    assert_eq!(over.state, WakeState::Pending, "no attempt is consumed");

    let world = world.restart().await;
    let operator = world.client(Role::Operator);
    let claimed = claims(&world, "2").await;
    assert!(claimed.halt && claimed.wakes.is_empty(), "a server that starts later knows of it");
    let halted = call::<op::HaltAgents>(&operator, &json!({}), "again").await.unwrap();
    assert!(halted.was_halted);
    let since = halted.since.unwrap();

    // Another halt than the one that is meant stays.
    let other = json!({"since": since.plus_ms(1)});
    let kept = call::<op::ResumeAgents>(&operator, &other, "other").await.unwrap();
    assert!(kept.is_halted && !kept.resumed);
    assert!(claims(&world, "2").await.halt);

    // A supervisor that waits hears of it at once.
    let params = json!({"supervisor": "keeper", "incarnation": "2", "limit": 8, "wait_ms": LONG_MS});
    let resumed = call::<op::ResumeAgents>(&operator, &json!({"since": since}), "resume").await.unwrap();
    assert!(resumed.resumed && !resumed.is_halted);
    let keeper = world.client(Role::Supervisor);
    let claimed = soon(call::<op::ClaimWakes>(&keeper, &params, "")).await.unwrap();
    assert!(!claimed.halt);
    assert_eq!(claimed.wakes[0].wake.wake_id, stage.wake);
    let again = call::<op::ResumeAgents>(&operator, &json!({}), "twice").await.unwrap();
    assert!(!again.resumed && !again.is_halted);
}

/// Between the claim and the start everything may have been stopped.
#[tokio::test]
async fn what_was_claimed_before_a_halt_is_not_started_after_it() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    call::<op::HaltAgents>(&world.client(Role::Operator), &json!({}), "halt").await.unwrap();
    let report = json!({"step": "started", "lane": "trigger"});
    let start = json!({"wake_id": stage.wake, "incarnation": "1", "fence": claim.fence, "report": report});
    let problem = call::<op::ReportWake>(&world.client(Role::Supervisor), &start, "start").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::Halted));
    let waiting = wake(&world, &stage).await;
    assert_eq!((waiting.state, waiting.is_halted), (WakeState::Pending, true));
    call::<op::ResumeAgents>(&world.client(Role::Operator), &json!({}), "resume").await.unwrap();
    assert!(!wake(&world, &stage).await.is_halted);
}

/// Nobody is kept from stopping agents by a store that is away, and what was asked for then is over when agents are let
/// go on.
#[tokio::test]
async fn a_halt_that_cannot_be_recorded_stops_agents_all_the_same() {
    let world = World::new().await;
    world.stage().await;
    let operator = world.client(Role::Operator);
    world.store.set_down(true);
    let problem = call::<op::HaltAgents>(&operator, &json!({}), "halt").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::StoreUnavailable));
    world.store.heal();
    assert!(claims(&world, "1").await.halt);
    assert!(call::<op::GetStatus>(&operator, &json!({}), "").await.unwrap().is_halted);
    let resumed = call::<op::ResumeAgents>(&operator, &json!({}), "resume").await.unwrap();
    assert!(!resumed.is_halted);
    assert_eq!(claims(&world, "1").await.wakes.len(), 1);
}

#[tokio::test]
async fn a_wake_is_held_by_one_supervisor_and_reports_of_the_past_are_refused() {
    let world = World::new().await;
    let stage = world.stage().await;
    let claim = claimed(&world).await;
    assert!(claims(&world, "1").await.wakes.is_empty(), "it is out already");
    // The same supervisor in a new life has lost its processes.
    let next = claims(&world, "2").await.wakes.remove(0);
    assert!(next.fence > claim.fence && next.session_id != claim.session_id);
    let report = json!({"step": "started", "lane": "trigger"});
    let old = json!({"wake_id": stage.wake, "incarnation": "1", "fence": claim.fence, "report": report});
    let problem = call::<op::ReportWake>(&world.client(Role::Supervisor), &old, "old").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::LeaseLost));
    let held = json!([{"wake_id": stage.wake, "fence": claim.fence}]);
    let renew = json!({"supervisor": "keeper", "incarnation": "1", "wakes": held});
    let renewed = call::<op::RenewWakes>(&world.client(Role::Supervisor), &renew, "").await.unwrap();
    assert!(renewed.wakes.is_empty());
}

/// For how long a wake has been due that nobody takes is a number that somebody can be alarmed by.
#[tokio::test]
async fn the_age_of_the_oldest_due_wake_is_measured() {
    for is_taken in [false, true] {
        let world = World::new().await;
        world.stage().await;
        if is_taken {
            let claim = claimed(&world).await;
            reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
        }
        world.advance(90_000);
        let text = Ask::new("GET", "/metrics").send(&world).await.text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("interlock_wake_oldest_due_seconds "));
        let oldest = line.unwrap().parse::<f64>().unwrap();
        assert_eq!(oldest >= 90.0, !is_taken, "{oldest}");
        assert!(!is_taken || oldest.abs() < f64::EPSILON, "{oldest}");
    }
}
