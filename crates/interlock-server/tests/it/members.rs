//! Participants over the wire: added, removed, and what that does to those who wait.

use interlock_api::operations as op;
use interlock_core::Reason;
use interlock_core::actor::Role;
use serde_json::json;

use crate::world::{LONG_MS, World, call, says, soon};

#[tokio::test]
async fn whoever_is_removed_sees_the_thread_no_more_and_whoever_is_added_does() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let gone = json!({"thread_id": stage.thread, "agent": "participant"});
    let answer = call::<op::RemoveParticipant>(&lead, &gone, "remove").await.unwrap();
    assert_eq!(answer.agent.as_str(), "participant");
    let again = call::<op::RemoveParticipant>(&lead, &gone, "remove").await.unwrap();
    assert_eq!(again.thread_id, stage.thread, "a repetition is answered like the first");
    let refused = says(&member, stage.thread, "me again", "post").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ThreadNotFound));
    assert!(call::<op::ListThreads>(&member, &json!({}), "").await.unwrap().threads.is_empty());
    let thread = call::<op::AddParticipant>(&lead, &gone, "add").await.unwrap();
    let back = thread.participants.iter().find(|one| one.agent.as_str() == "participant").unwrap();
    assert_eq!(back.acked_seq, thread.last_seq, "nothing is unread for it");
    assert_eq!(call::<op::ListThreads>(&member, &json!({}), "").await.unwrap().threads.len(), 1);
}

#[tokio::test]
async fn a_long_poll_of_somebody_who_is_removed_ends() {
    let world = World::new().await;
    let stage = world.stage().await;
    let member = world.client(Role::Participant);
    let before = world.store.reads();
    let params = json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": LONG_MS});
    let poll = tokio::spawn(async move { call::<op::ReadMessages>(&member, &params, "").await });
    soon(world.store.reads_reach(before + 2)).await;
    let gone = json!({"thread_id": stage.thread, "agent": "participant"});
    call::<op::RemoveParticipant>(&world.client(Role::Coordinator), &gone, "remove").await.unwrap();
    let refused = soon(poll).await.unwrap().unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ThreadNotFound));
}

#[tokio::test]
async fn the_last_coordinator_stays_and_nobody_is_added_twice() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let last = json!({"thread_id": stage.thread, "agent": "coordinator"});
    let refused = call::<op::RemoveParticipant>(&lead, &last, "leave").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::LastCoordinator));
    let other = json!({"thread_id": stage.thread, "agent": "executor", "role": "coordinator"});
    let refused = call::<op::AddParticipant>(&lead, &other, "add").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ParticipantExists));
}
