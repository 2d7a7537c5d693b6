//! Doors and truth over the wire: what a fresh session is told, which claim a token belongs to, and how wakes are counted.

use interlock_api::operations as op;
use interlock_api::v1::wake::{ClaimWakesResponse, ClaimedWake, WakeView};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::{SessionId, ThreadId};
use interlock_core::policy::Policy;
use interlock_core::wake::{Door, WakeResult};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::world::{World, call, says};

const SESSION: SessionId = SessionId::from_u128(7);

/// A thread with an agent `clerk` whose program is Claude Code.
async fn thread(world: &World) -> ThreadId {
    let (operator, lead) = (world.client(Role::Operator), world.client(Role::Coordinator));
    let clerk = json!({"name": "clerk", "runtime": "claude"});
    call::<op::RegisterAgent>(&operator, &clerk, "clerk").await.unwrap();
    let thread = json!({"title": "the books", "participants": [{"agent": "clerk"}]});
    call::<op::CreateThread>(&lead, &thread, "thread").await.unwrap().thread_id
}

/// `clerk` is asked for something, and a supervisor claims its wake.
async fn asked(world: &World, thread: ThreadId, body: &str) -> ClaimedWake {
    says(&world.client(Role::Coordinator), thread, body, body).await.unwrap();
    claimed(world).await
}

async fn claimed(world: &World) -> ClaimedWake {
    let params = json!({"supervisor": "keeper", "incarnation": "1", "limit": 8});
    let mut answer: ClaimWakesResponse =
        call::<op::ClaimWakes>(&world.client(Role::Supervisor), &params, "").await.unwrap();
    assert_eq!(answer.wakes.len(), 1);
    answer.wakes.remove(0)
}

async fn reports(world: &World, claim: &ClaimedWake, report: Value) -> WakeView {
    let key = format!("{} {} {report}", claim.wake.wake_id, claim.fence);
    let params = json!({
        "wake_id": claim.wake.wake_id, "incarnation": "1", "fence": claim.fence, "report": report,
    });
    call::<op::ReportWake>(&world.client(Role::Supervisor), &params, &key).await.unwrap()
}

async fn ends(world: &World, claim: &ClaimedWake, outcome: Value) -> WakeView {
    reports(world, claim, json!({"step": "ended", "outcome": outcome})).await
}

/// The agent of this claim begins in this session, reads everything and ends well.
async fn does_its_turn(world: &World, claim: &ClaimedWake) -> WakeView {
    reports(world, claim, json!({"step": "started", "lane": "trigger"})).await;
    reports(world, claim, json!({"step": "accepted", "evidence": "event", "session_id": SESSION})).await;
    let ack = json!({"thread_id": claim.wake.thread_id, "seq": claim.wake.seq});
    let key = format!("ack {}", claim.fence);
    call::<op::AckRead>(&world.client_with(claim.token.clone()), &ack, &key).await.unwrap();
    ends(world, claim, json!({"kind": "exited", "code": 0})).await
}

/// S002-84: what a fresh session is told differs, and what it is sent to holds what it needs.
#[tokio::test]
async fn a_fresh_session_is_sent_to_the_summary_and_finds_there_what_it_needs() {
    let world = World::new().await;
    let thread = thread(&world).await;
    let first = asked(&world, thread, "please keep the books").await;
    assert_eq!((first.door, first.resume), (Some(Door::Spawn), None));
    assert!(
        first.prompt.contains("fresh session") && first.prompt.contains("summarize_thread"),
        "{}",
        first.prompt
    );
    assert_eq!(does_its_turn(&world, &first).await.result, Some(WakeResult::Triggered));

    let resumed = asked(&world, thread, "and the receipts").await;
    assert_eq!((resumed.door, resumed.resume), (Some(Door::Resume), Some(SESSION)));
    assert!(
        !resumed.prompt.contains("fresh") && !resumed.prompt.contains("summarize_thread"),
        "{}",
        resumed.prompt
    );
    reports(&world, &resumed, json!({"step": "started", "lane": "trigger"})).await;
    ends(&world, &resumed, json!({"kind": "session_gone"})).await;

    let finding = json!({
        "finding_id": "fnd_00000000000000000000000001", "path": "books.csv", "line": 3, "rule": "sum", "severity": "high",
        "message": "does not add up",
    });
    let event = json!({"thread_id": thread, "kind": "event", "event_type": "finding_reported", "data": finding, "body": "look"});
    call::<op::PostMessage>(&world.client(Role::Coordinator), &event, "finding").await.unwrap();
    let fresh = claimed(&world).await;
    assert_eq!((fresh.door, fresh.resume, fresh.wake.seq), (Some(Door::Spawn), None, 3));
    assert!(fresh.prompt.contains("The session you had before could not be used"), "{}", fresh.prompt);
    assert!(
        !fresh.prompt.contains("receipts") && !fresh.prompt.contains("add up"),
        "ids only: {}",
        fresh.prompt
    );
    assert_eq!(i64::from(fresh.run_ms_max), Policy::default().fallback_run_ms_max);

    // What the agent does that reads its prompt.
    let agent = world.client_with(fresh.token.clone());
    let read = json!({"thread_id": fresh.wake.thread_id});
    let summary = call::<op::SummarizeThread>(&agent, &read, "").await.unwrap();
    assert_eq!((summary.task.as_str(), summary.open_findings.len()), ("please keep the books", 1));
    assert_eq!(summary.open_findings[0].message, "does not add up");
    let one = |name: &str| summary.participants.iter().find(|one| one.agent.as_str() == name).unwrap();
    assert_eq!((one("clerk").acked_seq, one("clerk").unread), (1, 2), "what it owes");
    let last = one("coordinator").last_word.as_ref().unwrap();
    assert_eq!((last.seq, last.text.as_str()), (3, "look"));
    let over = does_its_turn(&world, &fresh).await;
    assert_eq!(over.result, Some(WakeResult::FallbackSpawned));
    let change = over.door_changes[0];
    assert_eq!((change.from, change.to, change.reason), (Door::Resume, Door::Spawn, Reason::SessionGone));
}

#[tokio::test]
async fn a_token_of_a_claim_that_is_over_changes_nothing_and_still_reads() {
    let world = World::new().await;
    let thread = thread(&world).await;
    let claim = asked(&world, thread, "please keep the books").await;
    let agent = world.client_with(claim.token.clone());
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"})).await;
    says(&agent, thread, "at it", "one").await.unwrap();
    ends(&world, &claim, json!({"kind": "signalled", "signal": 9})).await;
    let late = says(&agent, thread, "late", "two").await.unwrap_err();
    assert_eq!(late.known_reason(), Some(Reason::LeaseLost));
    assert_eq!(crate::world::bodies(&agent, thread).await, ["please keep the books", "at it"]);
    // A retry of what was done is no change.
    says(&agent, thread, "at it", "one").await.unwrap();
}

/// S002-58: every label is there from the start, and each is counted.
#[tokio::test]
async fn wakes_are_counted_by_how_they_end() {
    let world = World::new().await;
    let thread = thread(&world).await;
    assert_eq!(counted(&world, WakeResult::ALL).await, vec![0; WakeResult::ALL.len()]);

    does_its_turn(&world, &asked(&world, thread, "one").await).await;
    let gone = asked(&world, thread, "two").await;
    ends(&world, &gone, json!({"kind": "session_gone"})).await;
    does_its_turn(&world, &claimed(&world).await).await;

    says(&world.client(Role::Coordinator), thread, "three", "three").await.unwrap();
    let own = world.client_with(world.token_of("clerk", Role::Participant, world.here));
    call::<op::AckRead>(&own, &json!({"thread_id": thread, "seq": 3}), "own").await.unwrap();

    let failed = asked(&world, thread, "four").await;
    ends(&world, &failed, json!({"kind": "spawn_failed"})).await;
    let labels =
        [WakeResult::Triggered, WakeResult::FallbackSpawned, WakeResult::AlreadyActive, WakeResult::Failed];
    assert_eq!(counted(&world, &labels).await, [1, 1, 1, 1]);
}

async fn counted(world: &World, labels: &[WakeResult]) -> Vec<u64> {
    let answer = Ask::new("GET", "/metrics").send(world).await;
    let text = answer.text();
    let value = |result: &WakeResult| {
        let start = format!("interlock_wakes_total{{result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{start} in {text}")).parse().unwrap()
    };
    labels.iter().map(value).collect()
}

#[tokio::test]
async fn an_agent_shows_the_doors_into_its_runtime() {
    let world = World::new().await;
    thread(&world).await;
    let agents = call::<op::ListAgents>(&world.client(Role::Auditor), &json!({}), "").await.unwrap();
    let clerk = agents.agents.iter().find(|one| one.name.as_str() == "clerk").unwrap();
    assert_eq!(clerk.doors.iter().map(|one| one.door).collect::<Vec<_>>(), [Door::Resume, Door::Spawn]);
    assert!(clerk.doors.iter().all(|one| one.dies_with_supervisor));
}
