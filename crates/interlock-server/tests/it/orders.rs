//! Messages on terms over the wire.

use interlock_api::operations as op;
use interlock_core::actor::Role;
use interlock_core::thread::MessageState;
use interlock_core::wake::WakeResult;
use serde_json::json;

use crate::world::{World, call};

#[tokio::test]
async fn a_message_taken_back_is_shown_so_counts_in_no_inbox_and_wakes_nobody() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    assert_eq!(call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads[0].unread, 1);
    let params = json!({"thread_id": stage.thread, "message_id": stage.message});
    let message = call::<op::CancelMessage>(&lead, &params, "cancel").await.unwrap();
    assert_eq!((message.state, message.seq), (MessageState::Cancelled, 1));
    assert!(call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads.is_empty());
    let read = call::<op::ReadMessages>(&member, &json!({"thread_id": stage.thread}), "").await.unwrap();
    assert_eq!(read.messages[0].state, MessageState::Cancelled);
    let wake = call::<op::GetWake>(&lead, &json!({"wake_id": stage.wake}), "").await.unwrap();
    assert_eq!(wake.result, Some(WakeResult::Superseded));
}

#[tokio::test]
async fn the_reason_of_a_cancellation_is_read_with_the_message_and_on_the_timeline() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let id = json!({"thread_id": stage.thread});
    let params = json!({"thread_id": stage.thread, "message_id": stage.message, "text": "the wrong branch"});
    let cancelled = call::<op::CancelMessage>(&lead, &params, "cancel").await.unwrap().withdrawal.unwrap();
    assert_eq!((cancelled.by.as_str(), cancelled.text.as_str()), ("coordinator", "the wrong branch"));
    // The same again changes nothing, also not the reason.
    let again = json!({"thread_id": stage.thread, "message_id": stage.message, "text": "something else"});
    let again = call::<op::CancelMessage>(&lead, &again, "again").await.unwrap().withdrawal;
    assert_eq!(again, Some(cancelled.clone()));
    let read = call::<op::ReadMessages>(&member, &id, "").await.unwrap().messages.remove(0);
    assert_eq!(read.withdrawal, Some(cancelled));
    let items = call::<op::ReadTimeline>(&member, &id, "").await.unwrap().items;
    let item = items.iter().find(|item| item.kind == "thread.message_withdrawn").unwrap();
    assert_eq!((item.text.as_deref(), item.actor.as_str()), (Some("the wrong branch"), "coordinator"));
    let ledger = serde_json::to_string(&world.ledger().await).unwrap();
    assert!(!ledger.contains("wrong branch"), "free text stays beside the log");
}

#[tokio::test]
async fn a_message_stands_in_the_place_of_another_and_says_what_it_follows_from() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let params = json!({"thread_id": stage.thread, "body": "rather this", "supersedes": stage.message,
                        "parents": [stage.message]});
    let posted = call::<op::PostMessage>(&lead, &params, "instead").await.unwrap();
    let read = call::<op::ReadMessages>(&lead, &json!({"thread_id": stage.thread}), "").await.unwrap();
    let (old, new) = (&read.messages[0], &read.messages[1]);
    assert_eq!((old.state, old.superseded_by), (MessageState::Superseded, Some(posted.message_id)));
    assert_eq!((new.supersedes, new.parents.as_slice()), (Some(stage.message), &[stage.message][..]));
    assert_eq!(new.state, MessageState::Live);
}

#[tokio::test]
async fn threads_with_something_urgent_come_first_in_an_inbox() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let other = json!({"title": "newer", "participants": [{"agent": "participant"}]});
    let newer = call::<op::CreateThread>(&lead, &other, "newer").await.unwrap().thread_id;
    let post = json!({"thread_id": newer, "body": "when you can"});
    call::<op::PostMessage>(&lead, &post, "calm").await.unwrap();
    let order = |inbox: interlock_api::v1::message::InboxResponse| -> Vec<_> {
        inbox.threads.iter().map(|item| (item.thread_id, item.urgent)).collect()
    };
    let inbox = call::<op::Inbox>(&member, &json!({}), "").await.unwrap();
    assert_eq!(order(inbox), [(newer, 0), (stage.thread, 0)]);
    let post = json!({"thread_id": stage.thread, "body": "at once", "priority": "urgent"});
    call::<op::PostMessage>(&lead, &post, "urgent").await.unwrap();
    let inbox = call::<op::Inbox>(&member, &json!({}), "").await.unwrap();
    assert_eq!(order(inbox), [(stage.thread, 1), (newer, 0)]);
}

/// However much is for others, and however much is not urgent: what is for the reader is seen, and what is urgent first.
#[tokio::test]
async fn an_inbox_shows_what_stands_behind_much_that_is_for_others() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let ack = json!({"thread_id": stage.thread, "seq": 1});
    call::<op::AckRead>(&member, &ack, "ack").await.unwrap();
    let say = async |to: &str, priority: &str, count: usize| {
        let mut posts = tokio::task::JoinSet::new();
        for n in 0..count {
            let post = json!({"thread_id": stage.thread, "body": "x", "to": [to], "priority": priority});
            let (lead, key) = (lead.clone(), format!("{to}-{priority}-{count}-{n}"));
            posts.spawn(async move { call::<op::PostMessage>(&lead, &post, &key).await.unwrap() });
        }
        posts.join_all().await;
    };
    say("executor", "normal", 450).await;
    let inbox = async || call::<op::Inbox>(&member, &json!({}), "").await.unwrap().threads;
    assert!(inbox().await.is_empty(), "nothing of that is for the member");
    say("participant", "normal", 1).await;
    let items = inbox().await;
    assert_eq!((items.len(), items[0].unread, items[0].urgent), (1, 1, 0));
    say("participant", "normal", 250).await;
    say("participant", "urgent", 2).await;
    let items = inbox().await;
    assert_eq!((items[0].unread, items[0].urgent, items[0].unread_is_minimum), (200, 2, false));
}
