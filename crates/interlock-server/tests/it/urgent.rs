//! What cannot wait, over the wire: what a supervisor is told for a turn that runs, and where people find that turn's session.

use interlock_api::operations as op;
use interlock_api::v1::wake::{ClaimWakesResponse, ClaimedWake, UrgentWake, WakeView};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::{SessionId, ThreadId, WakeId};
use interlock_core::wake::{Door, Evidence, WakeResult, WakeState};
use serde_json::{Value, json};

use crate::world::{World, call, says};

const SESSION: SessionId = SessionId::from_u128(7);

/// A thread with an agent `clerk`, whose sessions are kept in a server of Codex.
async fn thread(world: &World) -> ThreadId {
    let clerk = json!({"name": "clerk", "runtime": "codex", "launch": {"live": true}});
    call::<op::RegisterAgent>(&world.client(Role::Operator), &clerk, "clerk").await.unwrap();
    let thread = json!({"title": "the books", "participants": [{"agent": "clerk"}]});
    call::<op::CreateThread>(&world.client(Role::Coordinator), &thread, "thread").await.unwrap().thread_id
}

async fn claim(world: &World) -> ClaimWakesResponse {
    let doors = json!(["live", "resume", "spawn"]);
    let params = json!({"supervisor": "keeper", "incarnation": "1", "limit": 8, "doors": doors});
    call::<op::ClaimWakes>(&world.client(Role::Supervisor), &params, "").await.unwrap()
}

async fn reports(world: &World, claim: &ClaimedWake, report: Value) -> WakeView {
    let key = format!("{} {} {report}", claim.wake.wake_id, claim.fence);
    let params = json!({
        "wake_id": claim.wake.wake_id, "incarnation": "1", "fence": claim.fence, "report": report,
    });
    call::<op::ReportWake>(&world.client(Role::Supervisor), &params, &key).await.unwrap()
}

async fn renewed(world: &World, claim: &ClaimedWake) -> Option<UrgentWake> {
    let held = json!([{"wake_id": claim.wake.wake_id, "fence": claim.fence}]);
    let params = json!({"supervisor": "keeper", "incarnation": "1", "wakes": held});
    let answer = call::<op::RenewWakes>(&world.client(Role::Supervisor), &params, "").await.unwrap();
    answer.wakes.into_iter().next().unwrap().urgent
}

async fn wake(world: &World, wake_id: WakeId) -> WakeView {
    let params = json!({"wake_id": wake_id});
    call::<op::GetWake>(&world.client(Role::Operator), &params, "").await.unwrap()
}

#[tokio::test]
async fn a_turn_that_runs_is_told_and_its_session_is_shown() {
    let world = World::new().await;
    let thread = thread(&world).await;
    let lead = world.client(Role::Coordinator);
    says(&lead, thread, "please keep the books", "one").await.unwrap();
    let running = claim(&world).await.wakes.remove(0);
    assert_eq!(running.door, Some(Door::Live));
    reports(&world, &running, json!({"step": "started", "lane": "trigger"})).await;
    reports(&world, &running, json!({"step": "accepted", "evidence": "event", "session_id": SESSION})).await;
    assert_eq!(renewed(&world, &running).await, None);
    let post = json!({"thread_id": thread, "body": "the till is on fire", "priority": "urgent"});
    call::<op::PostMessage>(&lead, &post, "two").await.unwrap();
    let told = claim(&world).await;
    let [urgent] = &told.urgent[..] else { panic!("{told:?}") };
    assert_eq!((urgent.running, urgent.seq), (running.wake.wake_id, 2));
    for part in ["`clerk`", &thread.to_string(), "up to seq 2", &urgent.wake_id.to_string(), "ack_read"] {
        assert!(urgent.prompt.contains(part), "{part}: {}", urgent.prompt);
    }
    assert!(!urgent.prompt.contains("fire"), "ids only: {}", urgent.prompt);
    assert_eq!(claim(&world).await.urgent, [], "once");
    assert_eq!(renewed(&world, &running).await.as_ref(), Some(urgent), "renewals tell always");
    reports(&world, &running, json!({"step": "told", "wake_id": urgent.wake_id, "seq": urgent.seq})).await;
    let view = wake(&world, urgent.wake_id).await;
    let how = (view.state, view.evidence, view.reason, view.attempts);
    assert_eq!(how, (WakeState::Pending, Some(Evidence::Turn), Some(Reason::ToldInTurn), 0));
    let ack = json!({"thread_id": thread, "seq": 2});
    call::<op::AckRead>(&world.client_with(running.token.clone()), &ack, "ack").await.unwrap();
    assert_eq!(wake(&world, urgent.wake_id).await.result, Some(WakeResult::AlreadyActive));

    // Where to sit down in front of it: for those who may know.
    assert_eq!(wake(&world, running.wake.wake_id).await.session_id, Some(SESSION));
    for (role, wanted) in [(Role::Operator, Some(SESSION)), (Role::Participant, None)] {
        let list = call::<op::ListAgents>(&world.client(role), &json!({}), "").await.unwrap();
        let clerk = list.agents.into_iter().find(|agent| agent.name.as_str() == "clerk").unwrap();
        assert_eq!(clerk.now.unwrap().session_id, wanted, "{role}");
    }
}
