//! Lost replies: the same request with the same key changes things once.

use interlock_api::operations as op;
use interlock_core::actor::Role;
use interlock_core::{Code, Reason};
use serde_json::json;

use crate::world::{World, bodies, call, says};

#[tokio::test]
async fn the_same_key_gives_the_same_message_also_after_a_restart() {
    let world = World::new().await;
    let stage = world.stage().await;
    let client = world.client(Role::Participant);
    let first = says(&client, stage.thread, "hello", "key").await.unwrap();
    assert_eq!(says(&client, stage.thread, "hello", "key").await.unwrap(), first);
    let world = world.restart().await;
    let client = world.client(Role::Participant);
    assert_eq!(says(&client, stage.thread, "hello", "key").await.unwrap(), first);
    assert_eq!(bodies(&client, stage.thread).await, ["please begin", "hello"]);
}

#[tokio::test]
async fn sixteen_retries_at_once_make_one_message() {
    let world = World::new().await;
    let stage = world.stage().await;
    let size = world.ledger().await.len();
    let mut retries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = world.client(Role::Participant);
        retries.spawn(async move { says(&client, stage.thread, "hello", "key").await.unwrap() });
    }
    let answers = retries.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(world.ledger().await.len(), size + 1);
    assert_eq!(bodies(&world.client(Role::Participant), stage.thread).await, ["please begin", "hello"]);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_a_conflict() {
    let world = World::new().await;
    let stage = world.stage().await;
    let client = world.client(Role::Participant);
    says(&client, stage.thread, "hello", "key").await.unwrap();
    let problem = says(&client, stage.thread, "another", "key").await.unwrap_err();
    assert_eq!((problem.code, problem.known_reason()), (Code::IdempotencyConflict, Some(Reason::KeyReused)));
    assert_eq!(problem.status, 409);
    // Keys belong to who uses them, and to the operation.
    let lead = world.client(Role::Coordinator);
    says(&lead, stage.thread, "another", "key").await.unwrap();
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&client, &ack, "key").await.unwrap();
    assert_eq!(bodies(&client, stage.thread).await, ["please begin", "hello", "another"]);
}

#[tokio::test]
async fn every_mutation_is_answered_alike_the_second_time() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, operator) = (world.client(Role::Coordinator), world.client(Role::Operator));
    let size = world.ledger().await.len();
    for _ in 0..2 {
        let agent = json!({"name": "newcomer"});
        let agent = call::<op::RegisterAgent>(&operator, &agent, "agent").await.unwrap();
        assert_eq!(agent.name.as_str(), "newcomer");
        let blocked = json!({"thread_id": stage.thread, "status": "blocked", "reason": "PAUSED"});
        let thread = call::<op::UpdateThreadStatus>(&lead, &blocked, "block").await.unwrap();
        assert_eq!(thread.reason, Some(Reason::Paused));
        let ack = json!({"thread_id": stage.thread, "seq": 1});
        assert_eq!(call::<op::AckRead>(&lead, &ack, "ack").await.unwrap().acked_seq, 1);
    }
    let open = json!({"title": "another job"});
    let first = call::<op::CreateThread>(&lead, &open, "open").await.unwrap();
    let again = call::<op::CreateThread>(&lead, &open, "open").await.unwrap();
    assert_eq!(first.thread_id, again.thread_id);
    assert_eq!(world.ledger().await.len(), size + 4);
}
