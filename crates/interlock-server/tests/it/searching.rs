//! Searching messages over HTTP: what is found, by whom, and how it is paged and waited for.

use std::sync::Arc;

use interlock_api::client::Client;
use interlock_api::operations as op;
use interlock_api::v1::search::SearchMessagesResponse;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::ThreadId;
use interlock_core::limits::{INDEX_ENTRIES_MAX, SEARCH_TEXT_BYTES_MAX, SEARCH_WORDS_MAX};
use interlock_core::search::INDEX_VERSION;
use interlock_core::thread::MessageState;
use interlock_engine::read::Store as _;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::world::{LONG_MS, World, call, says, soon};

async fn search(client: &Client, params: &Value) -> SearchMessagesResponse {
    call::<op::SearchMessages>(client, params, "").await.unwrap()
}

async fn found(client: &Client, params: &Value) -> Vec<String> {
    search(client, params).await.messages.into_iter().map(|message| message.body).collect()
}

/// A thread of nobody but the one who opens it.
async fn alone(world: &World, role: Role, body: &str) -> ThreadId {
    let client = world.client(role);
    let thread = call::<op::CreateThread>(&client, &json!({"title": "alone"}), "alone").await.unwrap();
    says(&client, thread.thread_id, body, "alone-post").await.unwrap();
    thread.thread_id
}

#[tokio::test]
async fn messages_are_found_by_what_they_say_and_are() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    says(&member, stage.thread, "the parser is broken", "one").await.unwrap();
    let event = json!({"thread_id": stage.thread, "kind": "event", "event_type": "note.taken", "body": "see data",
                       "data": {"path": "src/lib.rs", "line": 12}});
    let event = call::<op::PostMessage>(&member, &event, "two").await.unwrap();
    let cases = [
        (json!({"text": "parser"}), vec!["the parser is broken"]),
        (json!({"text": "BEGIN"}), vec!["please begin"]),
        (json!({"text": "\"parser the\""}), vec![]),
        (json!({"text": "pars* broken"}), vec!["the parser is broken"]),
        (json!({"text": "src/lib.rs 12"}), vec!["see data"]),
        (json!({"event_type": "note.taken"}), vec!["see data"]),
        (json!({"from": "participant"}), vec!["see data", "the parser is broken"]),
        (json!({"from": "participant", "text": "parser"}), vec!["the parser is broken"]),
        (json!({"status": "blocked"}), vec![]),
        (json!({"status": "active", "text": "please"}), vec!["please begin"]),
        (json!({"since": event.posted_at.plus_ms(1)}), vec![]),
        (json!({"thread_id": stage.thread, "text": "data"}), vec!["see data"]),
        (json!({}), vec!["see data", "the parser is broken", "please begin"]),
    ];
    for _ in 0..2 {
        for (params, wanted) in &cases {
            assert_eq!(found(&lead, params).await, *wanted, "{params}");
            assert_eq!(found(&member, params).await, *wanted, "{params} as a participant");
        }
        // Once more, with all of them in the index.
        interlock_store::fill_index(world.store.as_ref(), world.here).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_finds_what_is_not_for_them_to_read() {
    let world = World::new().await;
    let stage = world.stage().await;
    let theirs = alone(&world, Role::Coordinator, "please keep this to yourself").await;
    let elsewhere = world.client_with(world.token_of("admin", Role::Admin, world.there));
    for _ in 0..2 {
        let please = json!({"text": "please"});
        assert_eq!(found(&world.client(Role::Participant), &please).await, ["please begin"]);
        assert_eq!(found(&world.client(Role::Auditor), &please).await.len(), 2);
        assert!(found(&elsewhere, &please).await.is_empty(), "another workspace");
        let stranger = world.client_with(world.token_of("stranger", Role::Participant, world.here));
        assert_eq!(found(&stranger, &please).await, [""; 0]);
        interlock_store::fill_index(world.store.as_ref(), world.here).await.unwrap();
    }
    let named = json!({"text": "please", "thread_id": theirs});
    let refused = call::<op::SearchMessages>(&world.client(Role::Participant), &named, "").await.unwrap_err();
    assert_eq!(refused.known_reason(), Some(Reason::ThreadNotFound));
    // Who is removed finds nothing of the thread any more.
    let gone = json!({"thread_id": stage.thread, "agent": "participant"});
    call::<op::RemoveParticipant>(&world.client(Role::Coordinator), &gone, "gone").await.unwrap();
    assert!(found(&world.client(Role::Participant), &json!({"text": "please"})).await.is_empty());
}

#[tokio::test]
async fn what_was_taken_back_is_found_with_its_state() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let cancel = json!({"thread_id": stage.thread, "message_id": stage.message});
    call::<op::CancelMessage>(&lead, &cancel, "cancel").await.unwrap();
    let all = search(&lead, &json!({"text": "begin"})).await.messages;
    assert_eq!((all.len(), all[0].state), (1, MessageState::Cancelled));
    assert_eq!(found(&lead, &json!({"text": "begin", "state": "live"})).await, [""; 0]);
    assert_eq!(found(&lead, &json!({"text": "begin", "state": "cancelled"})).await, ["please begin"]);
}

#[tokio::test]
async fn pages_give_everything_once() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    for n in 0..25 {
        says(&lead, stage.thread, &format!("number {n}"), &format!("n-{n}")).await.unwrap();
    }
    let mut bodies = Vec::new();
    let mut params = json!({"text": "number", "limit": 7});
    loop {
        let page = search(&lead, &params).await;
        bodies.extend(page.messages.into_iter().map(|message| message.body));
        let Some(cursor) = page.next_cursor else { break };
        params["cursor"] = json!(cursor);
        // A post in between is on no later page.
        says(&lead, stage.thread, "number late", &format!("late-{cursor}")).await.unwrap();
    }
    let wanted: Vec<_> = (0..25).rev().map(|n| format!("number {n}")).collect();
    assert_eq!(bodies, wanted);
}

#[tokio::test]
async fn a_search_takes_a_turn_when_the_index_is_far_behind() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    for n in 0..=INDEX_ENTRIES_MAX {
        says(&lead, stage.thread, "many", &format!("m-{n}")).await.unwrap();
    }
    assert_eq!(found(&lead, &json!({"text": "begin"})).await, ["please begin"]);
    let mark = world.store.index_mark(world.here, INDEX_VERSION).await.unwrap();
    assert_eq!(mark.mark, INDEX_ENTRIES_MAX, "one turn, and the rest was looked at itself");
}

#[tokio::test]
async fn a_search_waits_for_the_first_message_that_fits() {
    let world = Arc::new(World::new().await);
    let stage = world.stage().await;
    let (lead, member) = (world.client(Role::Coordinator), world.client(Role::Participant));
    let params = json!({"text": "answer", "wait_ms": LONG_MS});
    let waiting = tokio::spawn(async move { found(&member, &params).await });
    world.store.searches_reach(1).await;
    says(&lead, stage.thread, "not this", "not").await.unwrap();
    says(&lead, stage.thread, "the answer", "this").await.unwrap();
    assert_eq!(soon(waiting).await.unwrap(), ["the answer"]);
}

#[tokio::test]
async fn what_cannot_be_searched_for() {
    let world = World::new().await;
    let token = world.token(Role::Admin);
    let cases = [
        ("text=*", Reason::ParameterInvalid),
        ("text=", Reason::ParameterInvalid),
        (&*format!("text={}", "a".repeat(SEARCH_TEXT_BYTES_MAX + 1)), Reason::LimitExceeded),
        (&*format!("text={}", "a+".repeat(SEARCH_WORDS_MAX + 1)), Reason::LimitExceeded),
        ("cursor=7", Reason::ParameterInvalid),
        ("limit=201", Reason::LimitExceeded),
        ("since=yesterday", Reason::ParameterInvalid),
        (&*format!("event_type={}", "a".repeat(65)), Reason::ParameterInvalid),
    ];
    for (query, reason) in cases {
        let ask = Ask::new("GET", &format!("/v1/messages/search?{query}")).token(&token);
        ask.send(&world).await.refused(reason);
    }
    // Whatever databases take for an operator is only a sign between words.
    for text in [
        "NOT",
        "a+OR",
        "NEAR(a,b)",
        "%22",
        "%22a",
        "a:b",
        "%27%3B--",
        "(",
        "a%26%7C!%3Ab",
        "{a}:b",
        "^a",
        "%C2%A7a",
    ] {
        let ask = Ask::new("GET", &format!("/v1/messages/search?text=x+{text}")).token(&token);
        assert_eq!(ask.send(&world).await.done(), json!({"messages": []}), "{text}");
    }
}
