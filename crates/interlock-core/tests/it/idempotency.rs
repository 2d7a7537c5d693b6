//! The same key and request give the same answer and change nothing (S002-25).

use interlock_core::actor::Role;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::{Envelope, Reason};

use crate::refused;
use crate::world::{Done, Post, World};

fn keyed(w: &mut World, key: &str, by: &str, body: &str) -> Envelope {
    w.key = Some(key.into());
    let mut post = Post::chat(body);
    post.0.thread_id = w.thread_id;
    w.envelope(by, Role::Participant, interlock_core::Command::PostMessage(post.0))
}

#[test]
fn a_retry_gets_the_first_answer_and_no_events() {
    let mut w = World::pair();
    let envelope = keyed(&mut w, "k", "reviewer", "hello");
    let first = w.run(&envelope).unwrap();
    let entries = w.entries.len();
    w.advance_ms(60_000);
    w.says("executor", "meanwhile");
    // Another attempt has other entropy: nothing of it may matter.
    let retry = keyed(&mut w, "k", "reviewer", "hello");
    let again = w.run(&retry).unwrap();
    assert_eq!((again.reply, again.events), (first.reply, vec![]));
    assert_eq!(again.replayed, Some(u64::try_from(entries).unwrap() - 1));
    assert_eq!(w.entries.len(), entries + 1);
}

#[test]
fn another_request_with_the_same_key_is_refused() {
    let mut w = World::pair();
    let envelope = keyed(&mut w, "k", "reviewer", "hello");
    w.run(&envelope).unwrap();
    let other = keyed(&mut w, "k", "reviewer", "something else");
    assert_eq!(refused(w.run(&other)), Reason::KeyReused);
}

#[test]
fn keys_belong_to_one_actor() {
    let mut w = World::pair();
    for by in ["reviewer", "executor"] {
        let envelope = keyed(&mut w, "k", by, "hello");
        assert_eq!(w.run(&envelope).unwrap().replayed, None, "{by}");
    }
}

#[test]
fn keys_belong_to_one_operation() {
    let mut w = World::pair();
    let envelope = keyed(&mut w, "k", "reviewer", "hello");
    w.run(&envelope).unwrap();
    w.key = Some("k".into());
    assert_eq!(w.ack("reviewer", 1).unwrap().replayed, None);
}

#[test]
fn a_refusal_does_not_use_the_key_up() {
    let mut w = World::pair();
    w.status("olga", Status::Resolved).unwrap();
    let envelope = keyed(&mut w, "k", "reviewer", "hello");
    assert_eq!(refused(w.run(&envelope)), Reason::ThreadWrongStatus);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.run(&envelope).unwrap().replayed, None);
    assert!(w.run(&envelope).unwrap().replayed.is_some());
}

#[test]
fn a_retry_is_answered_after_things_have_moved_on() {
    let mut w = World::pair();
    w.key = Some("s".into());
    let first = w.status("reviewer", Status::Blocked).unwrap();
    w.status("olga", Status::Active).unwrap();
    w.key = Some("s".into());
    let again = w.status("reviewer", Status::Blocked).unwrap();
    assert_eq!(again.reply, first.reply);
    assert_eq!(w.thread().status, Status::Active, "the retry does not block it again");
}

/// Also where what happened is mostly said by other events of the same entry.
#[test]
fn joining_and_waking_are_answered_alike_again() {
    let mut w = World::pair();
    w.agent("newcomer").managed();
    let twice = |w: &mut World, what: &dyn Fn(&mut World) -> Done| {
        w.key = Some("k".into());
        let first = what(w);
        w.key = Some("k".into());
        let again = what(w);
        assert!(again.replayed.is_some() && first.replayed.is_none());
        assert_eq!(again.reply, first.reply);
    };
    twice(&mut w, &|w| w.adds("olga", "newcomer", ThreadRole::Participant).unwrap());
    w.post("olga", Post::chat("now").to(&["newcomer"]).expires_in(1)).unwrap();
    w.advance_ms(5);
    // What it waits for is over; now somebody asks for it without a message.
    twice(&mut w, &|w| w.trigger("olga", "newcomer").unwrap());
}
