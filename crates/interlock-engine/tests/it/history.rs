//! What a ledger entry says of its command, and which refusals become one.

use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::{SessionId, ThreadId};
use interlock_core::thread::Status;
use interlock_engine::read::Store as _;
use serde_json::json;

use crate::world::{World, acks, becomes, posts, registers};

#[tokio::test]
async fn an_entry_names_actor_operation_request_and_time() {
    let world = World::new().await;
    let mut who = world.lead();
    who.session_id = Some(SessionId::from_u128(5));
    world.does(&who, "agent", registers("executor")).await.unwrap();
    let entry = world.ledger().await.remove(0);
    assert_eq!(
        entry["actor"],
        json!({"name": "lead", "role": "coordinator", "session_id": SessionId::from_u128(5)})
    );
    assert_eq!(entry["operation"], "any_write");
    assert_eq!(entry["request_id"], "req-agent");
    assert_eq!(entry["ws"], json!(world.here));
    assert_eq!(entry["index"], 0);
    assert!(entry["command_id"].as_str().unwrap().starts_with("cmd_"));
    let at: interlock_core::Timestamp = serde_json::from_value(entry["at"].clone()).unwrap();
    assert!(world.engine.now().ms_since(at) < 60_000);
    // The key itself may hold anything; only its digest is kept.
    assert!(!entry.to_string().contains("\"agent\"") && entry["idempotency"]["key"].is_string());
}

#[tokio::test]
async fn entries_hold_no_free_text() {
    let world = World::new().await;
    let thread = world.thread().await;
    world.does(&world.lead(), "post", posts(thread, "the launch code is 1234")).await.unwrap();
    let all = serde_json::to_string(&world.ledger().await).unwrap();
    assert!(!all.contains("launch code") && !all.contains("a job"), "{all}");
}

/// The key, which the ledger does not have, goes into the fingerprint: nobody confirms a guess at the request.
#[tokio::test]
async fn one_request_under_two_keys_has_two_fingerprints() {
    let world = World::new().await;
    let thread = world.thread().await;
    for key in ["one", "two", "one"] {
        world.does(&world.lead(), key, posts(thread, "yes")).await.unwrap();
    }
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), 3, "the same key and the same request are done once");
    assert_ne!(ledger[1]["idempotency"]["fingerprint"], ledger[2]["idempotency"]["fingerprint"]);
}

#[tokio::test]
async fn what_an_operator_is_refused_is_recorded_and_can_be_asked_again() {
    for role in [Role::Operator, Role::Admin] {
        let world = World::new().await;
        let who = world.actor("olga", role);
        world.does(&who, "first", registers("executor")).await.unwrap();
        let refusal = world.does(&who, "second", registers("executor")).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::AgentExists);
        let ledger = world.ledger().await;
        assert_eq!(ledger.len(), 2);
        assert_eq!(
            ledger[1]["events"],
            json!([{"kind": "operator.action_refused/1", "operation": "any_write", "reason": "AGENT_EXISTS"}])
        );
        assert_eq!(ledger[1]["actor"]["name"], "olga");
        assert!(ledger[1].get("idempotency").is_none(), "a refusal does not use up the key");
        world.does(&who, "second", registers("another")).await.unwrap();
        assert_eq!(world.ledger_verifies().await, 3);
    }
}

#[tokio::test]
async fn what_others_are_refused_is_not_recorded() {
    let world = World::new().await;
    let thread = world.thread().await;
    let before = world.store.dump(world.here).await.unwrap();
    let guest = world.actor("guest", Role::Participant);
    let unknown = ThreadId::from_u128(3);
    for (who, command) in [
        (&guest, posts(thread, "let me in")),
        (&guest, posts(unknown, "hello")),
        (&world.lead(), acks(thread, 7)),
        (&world.lead(), becomes(unknown, Status::Closed)),
        (&world.lead(), posts(thread, &"x".repeat(64 * 1024))),
    ] {
        world.does(who, "key", command).await.unwrap_err();
    }
    assert_eq!(world.store.dump(world.here).await.unwrap(), before);
}

#[tokio::test]
async fn what_is_as_asked_already_makes_no_entry() {
    let world = World::new().await;
    let thread = world.thread().await;
    let before = world.ledger().await.len();
    let outcome = world.does(&world.lead(), "a", becomes(thread, Status::Active)).await.unwrap();
    assert_eq!(outcome.index, None);
    world.does(&world.lead(), "b", acks(thread, 0)).await.unwrap();
    assert_eq!(world.ledger().await.len(), before);
}
