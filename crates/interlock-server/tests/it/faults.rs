//! A store that fails at any call of any operation, before or after it was done: the caller is told that it may try again,
//! nothing is half done, and the same request with the same key is then done, once.

use interlock_api::{Media, OPERATIONS, Operation, operations as op};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_testkit::faults::Fault;
use serde_json::json;

use crate::access::allowed;
use crate::ask::{Answer, Ask, fresh, sample};
use crate::world::{Stage, World, call};

/// What the operation needs besides what stands there anyway.
async fn prepared(world: &World, row: &Operation) -> Stage {
    let stage = world.stage().await;
    if matches!(row.id, "report_wake" | "renew_wakes") {
        let keeper = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
        call::<op::ClaimWakes>(&world.client(Role::Supervisor), &keeper, "").await.unwrap();
    }
    if row.id == "resume_agents" {
        call::<op::HaltAgents>(&world.client(Role::Operator), &json!({}), "halt").await.unwrap();
    }
    stage
}

fn asks(world: &World, row: &Operation, stage: &Stage, key: &str) -> Ask {
    let role = if Role::Coordinator.may(row.permission) { Role::Coordinator } else { allowed(row) };
    let ask = Ask::of(row, &sample(row, stage)).token(&world.token(role));
    if row.mutates { ask.key(key) } else { ask }
}

/// The kinds of events of every entry, in order.
async fn kinds(world: &World) -> Vec<Vec<String>> {
    let kinds = |entry: &serde_json::Value| {
        let events = entry["events"].as_array().unwrap().iter();
        events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    };
    world.ledger().await.iter().map(kinds).collect()
}

/// One operation, with a fault at its `n`th call; says whether there was so much to fail at.
async fn fails_at(world: &World, row: &Operation, n: u64, fault: Fault, whole: &[Vec<String>]) -> bool {
    let stage = prepared(world, row).await;
    let (key, case) = (fresh("key"), format!("{} at {n}, {fault:?}", row.id));
    world.store.fail_call(n, fault);
    let first: Answer = asks(world, row, &stage, &key).send(world).await;
    let is_ahead = world.store.is_fault_ahead();
    world.store.heal();
    if let Some(reason) = first.reason() {
        assert_eq!(reason, Reason::StoreUnavailable, "{case}: {}", first.text());
        assert!(!is_ahead, "{case}: {}", first.text());
    }
    asks(world, row, &stage, &key).send(world).await.done();
    assert_eq!(kinds(world).await, whole, "{case}");
    !is_ahead
}

/// What calls of the store are not counted of: presence stands in memory, the policy is configuration, tokens are made
/// of a key, and the index of words is read and filled beside everything else.
const AWAY: [&str; 4] = ["heartbeat_session", "get_policy", "renew_token", "search_messages"];

async fn at_every_call(mut world: World) {
    let mut workspace = 100;
    for row in OPERATIONS.iter().filter(|row| row.media == Media::Json) {
        workspace += 1;
        world.moves(workspace).await;
        let stage = prepared(&world, row).await;
        asks(&world, row, &stage, "whole").send(&world).await.done();
        let whole = kinds(&world).await;
        for fault in [Fault::Before, Fault::After] {
            let mut n = 1;
            loop {
                workspace += 1;
                world.moves(workspace).await;
                if !fails_at(&world, row, n, fault, &whole).await {
                    break;
                }
                n += 1;
            }
            assert!(n > 1 || AWAY.contains(&row.id), "`{}` never calls the store", row.id);
        }
    }
}

/// Searching reads what the others do not: it is told too when the store is away, and finds everything afterwards.
#[tokio::test]
async fn a_search_while_the_store_is_away() {
    let world = World::new().await;
    let stage = world.stage().await;
    let row = OPERATIONS.iter().find(|row| row.id == "search_messages").unwrap();
    let before = asks(&world, row, &stage, "").send(&world).await.done();
    world.store.set_down(true);
    asks(&world, row, &stage, "").send(&world).await.refused(Reason::StoreUnavailable);
    world.store.heal();
    assert_eq!(asks(&world, row, &stage, "").send(&world).await.done(), before);
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_of_any_operation() {
    at_every_call(World::new().await).await;
}

#[tokio::test]
async fn postgresql_that_fails_at_any_call_of_any_operation() {
    let test = "postgresql_that_fails_at_any_call_of_any_operation";
    if let Some(world) = World::on_postgres(test).await {
        at_every_call(world).await;
    }
}
