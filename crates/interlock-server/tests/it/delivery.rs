//! The delivery ladder over the wire: each step with its proof.

use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::delivery::{AddresseeView, DeliveryView, Standing};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::thread::MessageState;
use interlock_core::wake::Evidence;
use serde_json::{Value, json};

use crate::world::{LONG_MS, Stage, World, call, says, soon};

async fn delivery(client: &Client, stage: &Stage) -> DeliveryView {
    let params = json!({"thread_id": stage.thread, "message_id": stage.message});
    call::<op::GetDelivery>(client, &params, "").await.unwrap()
}

fn of<'d>(view: &'d DeliveryView, agent: &str) -> &'d AddresseeView {
    view.addressees.iter().find(|one| one.agent.as_str() == agent).unwrap()
}

async fn report(world: &World, stage: &Stage, report: Value) {
    let params = json!({"wake_id": stage.wake, "incarnation": "1", "fence": 1, "report": report});
    call::<op::ReportWake>(&world.client(Role::Supervisor), &params, &report.to_string()).await.unwrap();
}

#[tokio::test]
async fn every_step_has_its_time_and_its_proof() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, keeper) = (world.client(Role::Coordinator), world.client(Role::Supervisor));
    let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));

    let view = delivery(&lead, &stage).await;
    assert_eq!((view.seq, view.addressees.len()), (1, 2));
    assert_eq!(of(&view, "executor").standing, Standing::WakeRequested);
    assert_eq!(of(&view, "executor").wake.as_ref().unwrap().wake_id, stage.wake);
    assert_eq!(of(&view, "participant").standing, Standing::Stored, "nobody wakes it");

    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
    call::<op::ClaimWakes>(&keeper, &claim, "").await.unwrap();
    report(&world, &stage, json!({"step": "started", "lane": "trigger"})).await;
    assert_eq!(of(&delivery(&lead, &stage).await, "executor").standing, Standing::Unknown);
    report(&world, &stage, json!({"step": "accepted", "evidence": "output"})).await;
    let view = delivery(&lead, &stage).await;
    let wake = of(&view, "executor").wake.as_ref().unwrap();
    assert_eq!((of(&view, "executor").standing, wake.evidence), (Standing::Accepted, Some(Evidence::Output)));
    assert!(wake.accepted_at.is_some());

    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&executor, &ack, "ack").await.unwrap();
    let view = delivery(&lead, &stage).await;
    let seen = of(&view, "executor").seen.unwrap();
    assert_eq!((of(&view, "executor").standing, seen.acked_seq), (Standing::Seen, 1));
    assert!(seen.at.is_some() && seen.no_later_than.is_none());

    let answer = json!({"thread_id": stage.thread, "body": "done", "in_reply_to": stage.message});
    let answer = call::<op::PostMessage>(&executor, &answer, "answer").await.unwrap();
    let view = delivery(&lead, &stage).await;
    assert_eq!(of(&view, "executor").standing, Standing::Acted);
    assert_eq!(of(&view, "executor").acted.as_ref().unwrap().message_id, answer.message_id);
}

#[tokio::test]
async fn what_was_taken_back_and_what_nobody_could_be_woken_for_is_told_so() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
    call::<op::ClaimWakes>(&world.client(Role::Supervisor), &claim, "").await.unwrap();
    report(&world, &stage, json!({"step": "ended", "outcome": {"kind": "spawn_failed"}})).await;
    let view = delivery(&lead, &stage).await;
    let executor = of(&view, "executor");
    assert_eq!(executor.standing, Standing::Dead);
    assert_eq!(executor.wake.as_ref().unwrap().reason, Some(Reason::SpawnFailed));
    let cancel = json!({"thread_id": stage.thread, "message_id": stage.message});
    call::<op::CancelMessage>(&lead, &cancel, "cancel").await.unwrap();
    assert_eq!(of(&delivery(&lead, &stage).await, "participant").standing, Standing::Superseded);
}

#[tokio::test]
async fn a_sender_waits_until_all_have_seen_it() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let params = json!({"thread_id": stage.thread, "message_id": stage.message, "wait_ms": LONG_MS});
    let poll = tokio::spawn(async move { call::<op::GetDelivery>(&lead, &params, "").await });
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    for name in ["executor", "participant"] {
        assert!(!poll.is_finished());
        let who = world.client_with(world.token_of(name, Role::Participant, world.here));
        call::<op::AckRead>(&who, &ack, "ack").await.unwrap();
    }
    let view = soon(poll).await.unwrap().unwrap();
    assert!(view.addressees.iter().all(|one| one.standing == Standing::Seen));
}

#[tokio::test]
async fn an_acknowledgement_too_long_ago_is_told_as_no_later_than() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    for n in 1..=10 {
        let ack = json!({"thread_id": stage.thread, "seq": n});
        call::<op::AckRead>(&member, &ack, &format!("ack-{n}")).await.unwrap();
        crate::world::says(&lead, stage.thread, "more", &format!("more-{n}")).await.unwrap();
    }
    let view = delivery(&lead, &stage).await;
    let seen = of(&view, "participant").seen.unwrap();
    assert!(seen.at.is_none() && seen.no_later_than.is_some(), "{seen:?}");
    assert_eq!(seen.acked_seq, 10);
}

#[tokio::test]
async fn whoever_joined_later_is_no_addressee() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let one = json!({"thread_id": stage.thread, "agent": "participant"});
    call::<op::RemoveParticipant>(&lead, &one, "gone").await.unwrap();
    call::<op::AddParticipant>(&lead, &one, "back").await.unwrap();
    let view = delivery(&lead, &stage).await;
    assert_eq!(view.addressees.len(), 1);
    assert_eq!(view.addressees[0].agent.as_str(), "executor");
}

#[tokio::test]
async fn the_wake_of_a_message_is_found_however_many_came_after_it() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, keeper) = (world.client(Role::Coordinator), world.client(Role::Supervisor));
    let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));
    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
    call::<op::ClaimWakes>(&keeper, &claim, "").await.unwrap();
    report(&world, &stage, json!({"step": "started", "lane": "trigger"})).await;
    // While its process runs, the executor reads and reads: each of these wakes ends before it was handed out.
    let wakes_max = u64::from(interlock_core::limits::PAGE_ROWS_MAX) + 5;
    for n in 2..=wakes_max {
        crate::world::says(&lead, stage.thread, "more", &format!("more-{n}")).await.unwrap();
        let ack = json!({"thread_id": stage.thread, "seq": n});
        call::<op::AckRead>(&executor, &ack, &format!("ack-{n}")).await.unwrap();
    }
    let wake = |view: &DeliveryView| of(view, "executor").wake.clone().unwrap();
    assert_eq!(wake(&delivery(&lead, &stage).await).wake_id, stage.wake);
    // Its attempt fails, and it takes in the wake of the last message: that is delivered by it.
    let last = crate::world::says(&lead, stage.thread, "last", "last").await.unwrap();
    let of_last = Stage { message: last.message_id, ..stage };
    assert_ne!(wake(&delivery(&lead, &of_last).await).wake_id, stage.wake);
    report(&world, &stage, json!({"step": "ended", "outcome": {"kind": "exited", "code": 1}})).await;
    let view = delivery(&lead, &of_last).await;
    assert_eq!(wake(&view).wake_id, stage.wake);
    assert_eq!(of(&view, "executor").standing, Standing::WakeRequested);
}

/// However much was said in between, and however often somebody answers: its first answer is found.
#[tokio::test]
async fn an_answer_is_found_however_late_it_comes() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));
    let mut talk = tokio::task::JoinSet::new();
    for n in 0..1_100 {
        let (lead, thread) = (lead.clone(), stage.thread);
        talk.spawn(async move { says(&lead, thread, "meanwhile", &format!("talk-{n}")).await.unwrap() });
    }
    talk.join_all().await;
    assert!(of(&delivery(&lead, &stage).await, "executor").acted.is_none());
    let waiting = {
        let lead = lead.clone();
        let params = json!({"thread_id": stage.thread, "message_id": stage.message, "until": "acted", "wait_ms": LONG_MS});
        tokio::spawn(async move { call::<op::GetDelivery>(&lead, &params, "").await.unwrap() })
    };
    let mut answers = Vec::new();
    for (n, answer) in
        [json!({"parents": [stage.message]}), json!({"in_reply_to": stage.message})].iter().enumerate()
    {
        let mut params = json!({"thread_id": stage.thread, "body": "done"});
        params.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        answers.push(call::<op::PostMessage>(&executor, &params, &format!("answer-{n}")).await.unwrap());
    }
    // The participant answers too, and last.
    let member = json!({"thread_id": stage.thread, "body": "me too", "in_reply_to": stage.message});
    let member = call::<op::PostMessage>(&world.client(Role::Participant), &member, "member").await.unwrap();
    let view = soon(waiting).await.unwrap();
    for (name, answer) in [("executor", &answers[0]), ("participant", &member)] {
        let acted = of(&view, name).acted.as_ref().unwrap();
        assert_eq!((acted.seq, acted.message_id), (answer.seq, answer.message_id), "{name}");
        assert_eq!((acted.at, of(&view, name).standing), (answer.posted_at, Standing::Acted), "{name}");
    }
}

/// Nobody has to do anything for a message to be over: whoever waits is told at its time, and not at the end of the wait.
#[tokio::test]
async fn who_waits_is_told_when_a_message_is_over_by_itself() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let order = json!({"thread_id": stage.thread, "body": "while it is hot", "expires_in_ms": 200});
    let order = call::<op::PostMessage>(&lead, &order, "order").await.unwrap();
    let params = json!({"thread_id": stage.thread, "message_id": order.message_id, "wait_ms": LONG_MS});
    let view = soon(call::<op::GetDelivery>(&lead, &params, "")).await.unwrap();
    assert_eq!(view.state, MessageState::Expired);
    assert!(view.addressees.iter().all(|one| one.standing == Standing::Expired), "{view:?}");
    assert_eq!(view.addressees.len(), 2);
}
