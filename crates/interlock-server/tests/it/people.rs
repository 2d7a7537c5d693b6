//! What people are told when agents are stuck: why somebody is woken or not, who must act, what became of a review.

use interlock_api::operations as op;
use interlock_api::v1::agent::StandingView;
use interlock_api::v1::explain::ExplainWakesResponse;
use interlock_api::v1::review::{CollectVerdictsResponse, Verdict};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::agent::AgentState;
use interlock_core::id::FindingId;
use interlock_core::wake::Why;
use serde_json::{Value, json};

use crate::world::{LONG_MS, Stage, World, call, says};

async fn explained(world: &World, stage: &Stage, agent: &str) -> (u32, Vec<(Why, Option<Reason>)>) {
    let asked = json!({"thread_id": stage.thread, "agent": agent});
    let answer: ExplainWakesResponse =
        call::<op::ExplainWakes>(&world.client(Role::Auditor), &asked, "").await.unwrap();
    assert_eq!(answer.participants.len(), 1);
    let one = &answer.participants[0];
    assert_eq!(one.agent.as_str(), agent);
    (one.unread, one.because.iter().map(|because| (because.why, because.reason)).collect())
}

async fn state(world: &World, name: &str, role: Role) -> StandingView {
    let list = call::<op::ListAgents>(&world.client(role), &json!({}), "").await.unwrap();
    list.agents.into_iter().find(|agent| agent.name.as_str() == name).unwrap().now.unwrap()
}

async fn claimed(world: &World) -> Value {
    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
    let claimed = call::<op::ClaimWakes>(&world.client(Role::Supervisor), &claim, "").await.unwrap();
    json!({"wake_id": claimed.wakes[0].wake.wake_id, "incarnation": "1", "fence": claimed.wakes[0].fence})
}

async fn reports(world: &World, claim: &Value, report: Value, key: &str) {
    let mut params = claim.clone();
    params["report"] = report;
    call::<op::ReportWake>(&world.client(Role::Supervisor), &params, key).await.unwrap();
}

/// The same story as explanation and as the agent's state, from the wake's first moment to after its end.
#[tokio::test]
async fn a_wake_is_explained_at_every_step() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, operator) = (world.client(Role::Coordinator), world.client(Role::Operator));
    assert_eq!(explained(&world, &stage, "executor").await, (1, vec![(Why::Due, None)]));
    assert_eq!(state(&world, "executor", Role::Operator).await.state, AgentState::Waiting);
    assert_eq!(explained(&world, &stage, "participant").await, (1, vec![(Why::Unmanaged, None)]));
    assert_eq!(state(&world, "participant", Role::Operator).await.state, AgentState::Dormant);

    call::<op::HaltAgents>(&operator, &json!({}), "halt").await.unwrap();
    let halted = vec![(Why::Halted, Some(Reason::Halted)), (Why::Due, None)];
    assert_eq!(explained(&world, &stage, "executor").await, (1, halted));
    let stopped = state(&world, "executor", Role::Operator).await;
    assert_eq!(
        (stopped.state, stopped.by.as_ref().map(interlock_core::actor::AgentName::as_str)),
        (AgentState::Stopped, Some("operator"))
    );
    assert!(stopped.since.is_some());
    call::<op::ResumeAgents>(&operator, &json!({}), "resume").await.unwrap();

    let claim = claimed(&world).await;
    reports(&world, &claim, json!({"step": "started", "lane": "trigger"}), "started").await;
    assert_eq!(explained(&world, &stage, "executor").await, (1, vec![(Why::Runs, None)]));
    let active = state(&world, "executor", Role::Operator).await;
    assert_eq!((active.state, active.thread_id), (AgentState::Active, Some(stage.thread)));
    let hidden = state(&world, "executor", Role::Participant).await;
    assert_eq!((hidden.state, hidden.thread_id, hidden.wake_id), (AgentState::Active, None, None));

    let exit = json!({"step": "ended", "outcome": {"kind": "exited", "code": 1}});
    reports(&world, &claim, exit, "ended").await;
    let failed = Some(Reason::ExitedWithError);
    assert_eq!(explained(&world, &stage, "executor").await, (1, vec![(Why::Waits, failed)]));
    let waiting = state(&world, "executor", Role::Operator).await;
    assert_eq!((waiting.state, waiting.reason), (AgentState::Waiting, failed));
    assert!(waiting.until.is_some());

    let blocked = json!({"thread_id": stage.thread, "text": "look at it"});
    call::<op::EscalateThread>(&operator, &blocked, "block").await.unwrap();
    let held = vec![(Why::Held, Some(Reason::ByRequest))];
    assert_eq!(explained(&world, &stage, "executor").await, (1, held));

    let end = json!({"wake_id": stage.wake, "text": "not now"});
    let wake = call::<op::CancelWake>(&lead, &end, "end").await.unwrap();
    assert_eq!(wake.history.len(), 1);
    assert_eq!((wake.history[0].reason, wake.history[0].exit_code), (failed, Some(1)));
    let ended = vec![(Why::NotAsked, None), (Why::Ended, Some(Reason::WakeCancelled))];
    assert_eq!(explained(&world, &stage, "executor").await, (1, ended.clone()));
    assert_eq!(state(&world, "executor", Role::Operator).await.state, AgentState::Dormant);

    let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));
    call::<op::AckRead>(&executor, &json!({"thread_id": stage.thread, "seq": 2}), "ack").await.unwrap();
    let read = vec![(Why::NothingUnread, None), ended[1]];
    assert_eq!(explained(&world, &stage, "executor").await, (0, read));
}

/// Where people look for the reason why agents wake each other, they see how far from a person that is.
#[tokio::test]
async fn what_agents_ask_of_each_other_says_how_far_from_a_person_it_is() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, operator) = (world.client(Role::Coordinator), world.client(Role::Operator));
    let agent = json!({"name": "second", "runtime": "command", "launch": {"command": ["true"]}});
    call::<op::RegisterAgent>(&operator, &agent, "second").await.unwrap();
    let join = json!({"thread_id": stage.thread, "agent": "second"});
    call::<op::AddParticipant>(&lead, &join, "join").await.unwrap();
    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
    let mut claimed = call::<op::ClaimWakes>(&world.client(Role::Supervisor), &claim, "").await.unwrap();
    let claimed = claimed.wakes.remove(0);
    let held = json!({"wake_id": claimed.wake.wake_id, "incarnation": "1", "fence": claimed.fence});
    reports(&world, &held, json!({"step": "started", "lane": "trigger"}), "started").await;

    let executor = world.client_with(claimed.token);
    let post = json!({"thread_id": stage.thread, "body": "and you?", "to": ["second"]});
    let seq = call::<op::PostMessage>(&executor, &post, "post").await.unwrap().seq;
    let read = json!({"thread_id": stage.thread});
    let messages = call::<op::ReadMessages>(&lead, &read, "").await.unwrap().messages;
    let hops = |seq: u64| messages.iter().find(|message| message.seq == seq).unwrap().hops;
    assert_eq!((hops(1), hops(seq)), (0, 1));
    let asked = json!({"thread_id": stage.thread, "agent": "second"});
    let explained = call::<op::ExplainWakes>(&lead, &asked, "").await.unwrap();
    let because = &explained.participants[0].because;
    assert_eq!((because[0].why, because[0].hops), (Why::Due, 1), "{because:?}");
}

#[tokio::test]
async fn an_explanation_waits_for_a_change_and_knows_only_participants() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let asked = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    let looking = call::<op::ExplainWakes>(&lead, &asked, "");
    let poster = world.client(Role::Participant);
    let posting = async {
        // As often as it takes: the look may not have begun with the first.
        for n in 0_u32.. {
            says(&poster, stage.thread, "news", &format!("k{n}")).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = looking => answer.unwrap(),
        () = posting => unreachable!(),
    };
    assert_eq!(answer.participants.len(), 3, "all of them");
    let stranger = json!({"thread_id": stage.thread, "agent": "stranger"});
    let problem = call::<op::ExplainWakes>(&lead, &stranger, "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ParticipantMissing));
}

/// An agent says of itself that it is at work; that counts for three minutes.
#[tokio::test]
async fn who_says_that_it_is_at_work_is_active_for_a_while() {
    let world = World::new().await;
    world.stage().await;
    let participant = world.client(Role::Participant);
    call::<op::HeartbeatSession>(&participant, &json!({"state": "active"}), "").await.unwrap();
    assert_eq!(state(&world, "participant", Role::Operator).await.state, AgentState::Active);
    call::<op::HeartbeatSession>(&participant, &json!({"state": "idle"}), "").await.unwrap();
    assert_eq!(state(&world, "participant", Role::Operator).await.state, AgentState::Dormant);
}

#[tokio::test]
async fn wakes_are_found_by_how_they_ended_and_whether_they_are_due() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let count = async |filter: Value| {
        call::<op::ListWakes>(&world.client(Role::Auditor), &filter, "").await.unwrap().wakes.len()
    };
    assert_eq!(count(json!({"is_due": true})).await, 1);
    assert_eq!(count(json!({"result": "cancelled"})).await, 0);
    let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
    call::<op::UpdateThreadStatus>(&lead, &blocked, "block").await.unwrap();
    assert_eq!(count(json!({"is_due": true})).await, 0, "it is held back");
    call::<op::CancelWake>(&lead, &json!({"wake_id": stage.wake, "text": "no"}), "end").await.unwrap();
    assert_eq!(count(json!({"result": "cancelled"})).await, 1);
    assert_eq!(count(json!({"result": "failed"})).await, 0);
}

#[tokio::test]
async fn who_must_act_is_waited_for_and_known_after_a_restart() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let asked = json!({"thread_id": stage.thread, "wait_ms": LONG_MS});
    let (escalation, _) = tokio::join!(call::<op::GetEscalation>(&lead, &asked, ""), async {
        let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
        call::<op::UpdateThreadStatus>(&world.client(Role::Operator), &blocked, "block").await.unwrap()
    });
    let escalation = escalation.unwrap();
    let owner = escalation.owner.as_ref().map(interlock_core::actor::AgentName::as_str);
    assert_eq!((owner, escalation.reminders), (Some("coordinator"), 0));
    let (since, next) = (escalation.since.unwrap(), escalation.next_reminder_at.unwrap());
    assert_eq!(next, since.plus_ms(4 * 3_600_000));
    assert_eq!(world.engine.remind_due(world.here).await.unwrap(), Some(next), "nobody is told before that");
    let world = world.restart().await;
    assert_eq!(world.engine.remind_due(world.here).await.unwrap(), Some(next), "it is in the rows");
    let go_on = json!({"thread_id": stage.thread, "text": "seen to"});
    call::<op::UnblockThread>(&world.client(Role::Operator), &go_on, "go on").await.unwrap();
    assert_eq!(world.engine.remind_due(world.here).await.unwrap(), None);
}

async fn verdicts(world: &World, stage: &Stage) -> CollectVerdictsResponse {
    let asked = json!({"thread_id": stage.thread});
    call::<op::CollectVerdicts>(&world.client(Role::Coordinator), &asked, "").await.unwrap()
}

/// Where nobody says so in so many words, findings count.
#[tokio::test]
async fn findings_are_verdicts_too() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let review = json!({"thread_id": stage.thread, "commit": "abcdef1", "to": ["participant"]});
    call::<op::RequestReview>(&lead, &review, "review").await.unwrap();
    let reviewer = world.client(Role::Participant);
    let event = async |event_type: &str, data: Value, key: &str| {
        let post =
            json!({"thread_id": stage.thread, "kind": "event", "event_type": event_type, "data": data});
        call::<op::PostMessage>(&reviewer, &post, key).await.unwrap();
    };
    let one = async || {
        let answer = verdicts(&world, &stage).await;
        assert_eq!(answer.verdicts.len(), 1, "only whom it asked");
        assert_eq!(answer.verdict, answer.verdicts[0].verdict);
        (answer.verdict, answer.verdicts[0].open_findings)
    };
    assert_eq!(one().await, (Verdict::Pending, 0));
    says(&reviewer, stage.thread, "I look at it", "chat").await.unwrap();
    assert_eq!(one().await, (Verdict::Pending, 0), "that is no verdict");
    let id = FindingId::from_u128(7);
    let found =
        json!({"finding_id": id, "path": "a", "line": 1, "rule": "r", "severity": "low", "message": "m"});
    event("finding_reported", found, "found").await;
    assert_eq!(one().await, (Verdict::Rejected, 1));
    event("finding_verified", json!({"finding_id": id, "commit": "abcdef2"}), "verified").await;
    assert_eq!(one().await, (Verdict::Accepted, 0));
    let again = json!({"thread_id": stage.thread, "commit": "abcdef2", "to": ["participant"]});
    call::<op::RequestReview>(&lead, &again, "again").await.unwrap();
    assert_eq!(one().await, (Verdict::Pending, 0), "another request begins anew");
}

/// What is asked with authority is asked by those who have it.
#[tokio::test]
async fn work_is_given_by_those_who_lead() {
    let world = World::new().await;
    let stage = world.stage().await;
    let task = json!({"thread_id": stage.thread, "agent": "executor", "task": "mend it", "due_at": "2030-01-02T00:00:00Z"});
    let member = world.client(Role::Participant);
    let problem = call::<op::AssignTask>(&member, &task, "no").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::NotCoordinator));
    let review = json!({"thread_id": stage.thread, "commit": "abcdef1"});
    let problem = call::<op::RequestReview>(&member, &review, "no").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::NotCoordinator));
    let lead = world.client(Role::Coordinator);
    let given = call::<op::AssignTask>(&lead, &task, "task").await.unwrap();
    let read = json!({"thread_id": stage.thread, "after_seq": given.seq - 1});
    let message = call::<op::ReadMessages>(&lead, &read, "").await.unwrap().messages.remove(0);
    assert_eq!(message.data.get("due_at"), Some(&json!("2030-01-02T00:00:00.000Z")));
    assert_eq!(message.body, "mend it", "for people too");
    for (task, wanted) in
        [(" ".to_owned(), Reason::ParameterInvalid), ("x".repeat(2_001), Reason::LimitExceeded)]
    {
        let task = json!({"thread_id": stage.thread, "agent": "executor", "task": task});
        let problem = call::<op::AssignTask>(&lead, &task, "wrong").await.unwrap_err();
        assert_eq!(problem.known_reason(), Some(wanted));
    }
}

/// An agent that leads a thread cannot let it go on after a guard has blocked it; a person does, as ever.
#[tokio::test]
async fn what_a_guard_blocked_waits_for_a_person() {
    let world = World::new().await;
    world.stage().await;
    let lead = world.client(Role::Coordinator);
    let people = json!([{"agent": "executor", "role": "coordinator"}, {"agent": "participant"}]);
    let thread = json!({"title": "led by an agent", "participants": people});
    let thread = call::<op::CreateThread>(&lead, &thread, "thread").await.unwrap().thread_id;
    let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));
    for n in 1..=3 {
        let data = json!({"finding_id": FindingId::from_u128(n), "path": "src/lib.rs", "line": n, "rule": "test",
            "severity": "high", "message": "red"});
        let finding =
            json!({"thread_id": thread, "kind": "event", "event_type": "finding_reported", "data": data});
        call::<op::PostMessage>(&executor, &finding, &format!("finding-{n}")).await.unwrap();
    }
    let go_on = json!({"thread_id": thread, "status": "active", "text": "we know better"});
    let refused = call::<op::UpdateThreadStatus>(&executor, &go_on, "go on").await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.status), ("PERSON_REQUIRED", 403));
    assert!(
        refused.detail.contains("IDENTICAL_FINDINGS") && refused.detail.contains("`coordinator` must act")
    );
    let go_on = json!({"thread_id": thread, "text": "coordinator_override: we know better"});
    let refused = call::<op::UnblockThread>(&executor, &go_on, "override").await.unwrap_err();
    assert_eq!(refused.reason, "PERSON_REQUIRED");
    let close = json!({"thread_id": thread, "status": "closed"});
    let refused = call::<op::UpdateThreadStatus>(&executor, &close, "close").await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.status), ("PERSON_REQUIRED", 403));
    let hand_on = json!({"thread_id": thread, "owner": "executor", "text": "I do it"});
    let refused = call::<op::AssignEscalationOwner>(&executor, &hand_on, "hand on").await.unwrap_err();
    assert_eq!(refused.reason, "PERSON_REQUIRED");
    let entrusted = call::<op::AssignEscalationOwner>(&lead, &hand_on, "entrust").await.unwrap();
    assert_eq!(entrusted.owner.unwrap().as_str(), "executor");
    let go_on = json!({"thread_id": thread, "status": "active"});
    call::<op::UpdateThreadStatus>(&executor, &go_on, "entrusted").await.unwrap();
    let block = json!({"thread_id": thread, "status": "blocked", "reason": "PAUSED"});
    call::<op::UpdateThreadStatus>(&lead, &block, "pause").await.unwrap();
    let refused = call::<op::UpdateThreadStatus>(&executor, &go_on, "not yours").await.unwrap_err();
    assert_eq!(refused.reason, "PERSON_REQUIRED");
    call::<op::UpdateThreadStatus>(&lead, &go_on, "resume").await.unwrap();
}

/// A supervised agent with the role operator may pull the brake, and not let it go.
#[tokio::test]
async fn what_people_stopped_no_agent_lets_go_on() {
    let world = World::new().await;
    world.stage().await;
    let operator = world.client(Role::Operator);
    let agent = world.client_with(world.token_of("executor", Role::Operator, world.here));
    call::<op::HaltAgents>(&operator, &json!({}), "halt").await.unwrap();
    let refused = call::<op::ResumeAgents>(&agent, &json!({}), "go on").await.unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.status), ("PERSON_REQUIRED", 403));
    assert!(call::<op::GetStatus>(&agent, &json!({}), "").await.unwrap().is_halted);
    let resumed = call::<op::ResumeAgents>(&operator, &json!({}), "resume").await.unwrap();
    assert!(resumed.resumed && !resumed.is_halted);
    call::<op::HaltAgents>(&agent, &json!({}), "its own").await.unwrap();
    let refused = call::<op::ResumeAgents>(&agent, &json!({}), "its own, undone").await.unwrap_err();
    assert_eq!(refused.reason, "PERSON_REQUIRED");
}
