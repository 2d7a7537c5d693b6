//! Sessions over the wire: who may say what was seen, and what a session is told.

use interlock_api::Problem;
use interlock_api::operations::{GetStatus, ObserveSession};
use interlock_api::v1::session::{ObserveSessionResponse, ToldThread};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::SessionId;
use interlock_core::session::{Activity, Place};
use serde_json::{Value, json};

use crate::world::{World, call};

async fn observe(world: &World, role: Role, params: &Value) -> Result<ObserveSessionResponse, Problem> {
    call::<ObserveSession>(&world.client(role), params, "").await
}

#[tokio::test]
async fn only_a_supervisor_speaks_for_an_agent_that_is_run_here() {
    let world = World::new().await;
    world.stage().await;
    let of = |agent: &str| json!({"agent": agent, "observed": "human_prompt"});
    let cases = [
        (Role::Participant, of("executor"), Some(Reason::RoleMissing)),
        (Role::Coordinator, of("executor"), Some(Reason::RoleMissing)),
        (Role::Operator, of("executor"), Some(Reason::RoleMissing)),
        (Role::Admin, of("executor"), Some(Reason::RoleMissing)),
        (Role::Auditor, json!({"observed": "opened"}), Some(Reason::RoleMissing)),
        (Role::Supervisor, of("nobody"), Some(Reason::AgentNotFound)),
        (Role::Supervisor, of("participant"), Some(Reason::RuntimeUnmanaged)),
        (Role::Supervisor, of("executor"), None),
        (Role::Participant, of("participant"), None),
        (Role::Participant, json!({"observed": "opened", "ago_ms": 86_400_001}), Some(Reason::LimitExceeded)),
    ];
    for (role, params, wanted) in cases {
        let answer = observe(&world, role, &params).await;
        let reason = answer.err().map(|problem| problem.reason);
        assert_eq!(reason.as_deref(), wanted.map(Reason::as_str), "{role} {params}");
    }
}

/// Ids and numbers; nobody is told what waits for somebody else.
#[tokio::test]
async fn a_session_is_told_what_waits_for_its_own_agent() {
    let world = World::new().await;
    let stage = world.stage().await;
    let session = SessionId::from_u128(7);
    let seen =
        json!({"session_id": session, "runtime": "claude", "observed": "human_prompt", "deliver": true});
    let told = observe(&world, Role::Participant, &seen).await.unwrap();
    let waits = ToldThread { thread_id: stage.thread, unread: 1, is_minimum: false };
    assert_eq!((told.told, told.is_ours), (vec![waits], false));
    let by_supervisor = json!({"agent": "executor", "observed": "turn_ended", "deliver": true});
    assert_eq!(observe(&world, Role::Supervisor, &by_supervisor).await.unwrap().told, []);
    let status = call::<GetStatus>(&world.client(Role::Operator), &json!({}), "").await.unwrap();
    let me = status.agents.iter().find(|agent| agent.name.as_str() == "participant").unwrap();
    let [view] = me.sessions.as_slice() else { panic!("{:?}", me.sessions) };
    assert_eq!(
        (view.session_id, view.place, view.activity),
        (Some(session), Place::Terminal, Activity::Busy)
    );
    assert!(view.is_open && view.is_held && view.human_ago_ms.is_some(), "{view:?}");
    assert!(me.presence.is_none(), "it has said nothing of itself");
}
