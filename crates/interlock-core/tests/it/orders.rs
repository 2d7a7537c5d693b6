//! Messages on terms: urgent ones, those whose time is over, those taken back.

use interlock_core::limits::{EXPIRES_IN_MS_MAX, PARENTS_MAX, REASON_BYTES_MAX, WAKE_ASKS_MAX};
use interlock_core::text::digest;
use interlock_core::thread::{MessageState, Priority, ThreadRole};
use interlock_core::wake::{WakeResult, WakeState};
use interlock_core::{Event, Reason, Reply};

use crate::refused;
use crate::world::{Done, Post, World, name};

fn order(w: &mut World, post: Post) -> Done {
    w.post("olga", post.to(&["executor"])).unwrap()
}

fn state(w: &World, seq: u64) -> MessageState {
    w.rows.messages[&(w.thread_id, seq)].0.state(w.now())
}

fn end(w: &World, agent: &str) -> (Option<WakeResult>, Option<Reason>) {
    let wakes = w.wakes_of(agent);
    let wake = wakes.last().unwrap();
    assert_eq!(wake.state, WakeState::Finished, "{wake:?}");
    (wake.result, wake.reason)
}

const EXPIRED: (Option<WakeResult>, Option<Reason>) =
    (Some(WakeResult::Expired), Some(Reason::MessageExpired));
const WITHDRAWN: (Option<WakeResult>, Option<Reason>) =
    (Some(WakeResult::Superseded), Some(Reason::MessageWithdrawn));

#[test]
fn an_order_that_is_over_wakes_nobody() {
    let mut w = World::pair();
    let seq = order(&mut w, Post::chat("now").expires_in(1_000)).seq();
    w.advance_ms(999);
    assert_eq!(state(&w, seq), MessageState::Live);
    w.advance_ms(1);
    assert_eq!(state(&w, seq), MessageState::Expired);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(end(&w, "executor"), EXPIRED);
}

#[test]
fn also_between_claim_and_start() {
    let mut w = World::pair();
    order(&mut w, Post::chat("now").expires_in(1_000));
    let claim = w.claim_one("sup");
    w.advance_ms(1_000);
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(end(&w, "executor"), EXPIRED);
    // The agent is free for what still counts.
    order(&mut w, Post::chat("go"));
    w.run_one("sup");
}

#[test]
fn also_between_attempts() {
    let mut w = World::pair();
    order(&mut w, Post::chat("now").expires_in(10_000));
    let claim = w.run_one("sup");
    w.exits(&claim, 1);
    assert_eq!(w.pending_of("executor").len(), 1, "its time is not over");
    w.advance_ms(2_000);
    let claim = w.run_one("sup");
    w.advance_ms(8_000);
    assert_eq!(w.wake(claim.wake_id).state, WakeState::Running, "what runs may finish");
    let done = w.exits(&claim, 1);
    assert_eq!(done.kinds(), ["wake.attempt_failed", "wake.finished"]);
    assert_eq!(end(&w, "executor"), EXPIRED);
}

#[test]
fn a_wake_is_wanted_as_long_as_one_of_its_messages_counts() {
    let mut w = World::pair();
    order(&mut w, Post::chat("soon over").expires_in(1_000));
    let stays = order(&mut w, Post::chat("stays")).message_id();
    w.advance_ms(5_000);
    assert_eq!(w.claim("sup").len(), 1);
    w.cancels("olga", stays).unwrap();
    assert_eq!(end(&w, "executor"), EXPIRED, "one of them expired, the other was taken back");
}

#[test]
fn a_message_is_taken_back_by_its_sender_or_by_whoever_leads() {
    for (by, wanted) in
        [("executor", None), ("reviewer", None), ("olga", None), ("tester", Some(Reason::NotCoordinator))]
    {
        let mut w = World::pair();
        w.agent("tester").managed();
        w.adds("olga", "tester", ThreadRole::Participant).unwrap();
        let posted = w.post("executor", Post::chat("look").to(&["reviewer"])).unwrap();
        let done = w.cancels(by, posted.message_id());
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{by}");
        let state = state(&w, posted.seq());
        assert_eq!(state == MessageState::Cancelled, wanted.is_none());
        if wanted.is_none() {
            assert_eq!(end(&w, "reviewer"), WITHDRAWN);
            assert_eq!(
                w.cancels(by, posted.message_id()).unwrap().reply,
                Reply::Unchanged,
                "twice is no change"
            );
        }
    }
}

#[test]
fn the_reason_of_a_cancellation_is_kept_beside_the_log() {
    let mut w = World::pair();
    let [with, without] = [order(&mut w, Post::chat("left")), order(&mut w, Post::chat("right"))];
    let done = w.cancels_because("olga", with.message_id(), "the wrong branch").unwrap();
    let kept = w.rows.messages[&(w.thread_id, with.seq())].0.withdrawal.clone().unwrap();
    assert_eq!((kept.text.as_str(), kept.by), ("the wrong branch", name("olga")));
    let Event::MessageWithdrawn { text_digest, .. } = &done.events[0] else { panic!("{:?}", done.events) };
    assert_eq!(*text_digest, Some(digest(&kept.text_salt, &[b"the wrong branch"])));
    assert!(!serde_json::to_string(&done.events).unwrap().contains("branch"), "the log has no free text");
    let done = w.cancels("olga", without.message_id()).unwrap();
    let Event::MessageWithdrawn { text_digest: None, .. } = &done.events[0] else {
        panic!("{:?}", done.events)
    };
    let long = order(&mut w, Post::chat("on")).message_id();
    let longer = w.cancels_because("olga", long, &"x".repeat(REASON_BYTES_MAX + 1));
    assert_eq!(refused(longer), Reason::LimitExceeded);
    assert!(w.cancels_because("olga", long, &"x".repeat(REASON_BYTES_MAX)).is_ok());
}

#[test]
fn what_is_taken_back_after_its_claim_starts_nothing() {
    let mut w = World::pair();
    let posted = order(&mut w, Post::chat("go"));
    let claim = w.claim_one("sup");
    let done = w.cancels("olga", posted.message_id()).unwrap();
    assert_eq!(done.kinds(), ["thread.message_withdrawn", "wake.finished"]);
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost);
}

#[test]
fn a_process_that_runs_may_finish() {
    let mut w = World::pair();
    let posted = order(&mut w, Post::chat("go"));
    let claim = w.run_one("sup");
    assert_eq!(w.cancels("olga", posted.message_id()).unwrap().kinds(), ["thread.message_withdrawn"]);
    w.does_its_turn(&claim);
    assert_eq!(end(&w, "executor").0, Some(WakeResult::Triggered));
}

#[test]
fn another_message_stands_in_the_place_of_an_earlier_one() {
    let mut w = World::pair();
    let old = order(&mut w, Post::chat("go left"));
    let new = order(&mut w, Post::chat("go right").instead_of(old.message_id()));
    assert_eq!((state(&w, old.seq()), state(&w, new.seq())), (MessageState::Superseded, MessageState::Live));
    let pending = w.pending_of("executor");
    assert_eq!((pending.len(), pending[0].seq), (1, new.seq()), "woken once, for the new one");
    // To somebody else: the first one is not woken at all.
    let other =
        w.post("olga", Post::chat("you do it").to(&["reviewer"]).instead_of(new.message_id())).unwrap();
    assert_eq!(end(&w, "executor"), WITHDRAWN);
    assert_eq!(w.pending_of("reviewer")[0].seq, other.seq());
    let again = w.post("olga", Post::chat("no, you").instead_of(new.message_id()));
    assert_eq!(refused(again), Reason::MessageWithdrawn);
}

#[test]
fn what_cannot_be_taken_back() {
    let mut w = World::pair();
    let expired = order(&mut w, Post::chat("now").expires_in(1));
    w.advance_ms(1);
    assert_eq!(refused(w.cancels("olga", expired.message_id())), Reason::MessageExpired);
    let instead = Post::chat("again").instead_of(expired.message_id());
    assert_eq!(refused(w.post("olga", instead)), Reason::MessageExpired);
    w.status("olga", interlock_core::thread::Status::Blocked).unwrap();
    let system = w.rows.messages[&(w.thread_id, 2)].0.head.message_id;
    assert_eq!(refused(w.cancels("olga", system)), Reason::ParameterInvalid);
    let nothing = interlock_core::id::MessageId::from_u128(9);
    assert_eq!(refused(w.cancels("olga", nothing)), Reason::MessageNotFound);
}

#[test]
fn urgent_wakes_go_first_and_seq_stays_as_it_is() {
    let mut w = World::pair();
    assert_eq!(w.post("olga", Post::chat("when you can").to(&["executor"])).unwrap().seq(), 1);
    w.advance_ms(10);
    assert_eq!(w.post("olga", Post::chat("at once").to(&["reviewer"]).urgent()).unwrap().seq(), 2);
    assert_eq!(w.rows.messages[&(w.thread_id, 2)].0.head.priority, Priority::Urgent);
    let claims = w.claim_in("sup", "life-1", 1);
    assert_eq!(claims[0].agent, name("reviewer"));
}

#[test]
fn an_urgent_message_makes_the_wake_that_it_joins_urgent() {
    let mut w = World::pair();
    w.post("olga", Post::chat("when you can").to(&["executor"])).unwrap();
    w.advance_ms(10);
    w.post("olga", Post::chat("when you can").to(&["reviewer"])).unwrap();
    w.post("olga", Post::chat("at once").to(&["reviewer"]).urgent()).unwrap();
    assert_eq!(w.claim_in("sup", "life-1", 1)[0].agent, name("reviewer"));
}

#[test]
fn who_is_asked_for_without_a_message_is_woken_whatever_is_taken_back() {
    let mut w = World::pair();
    let posted = order(&mut w, Post::chat("now").expires_in(1_000));
    w.advance_ms(1_000);
    w.trigger("olga", "executor").unwrap();
    assert_eq!(state(&w, posted.seq()), MessageState::Expired);
    assert_eq!(w.claim("sup").len(), 1);
}

#[test]
fn a_wake_that_was_asked_for_too_often_to_remember_is_never_over() {
    let mut w = World::pair();
    for _ in 0..=WAKE_ASKS_MAX {
        order(&mut w, Post::chat("now").expires_in(1_000));
    }
    w.advance_ms(1_000);
    assert_eq!(w.claim("sup").len(), 1);
}

/// What is wrong about a post, and the reason it is refused for.
type Try = (fn(&mut Post), Reason);

#[test]
fn terms_that_make_no_sense() {
    let mut w = World::pair();
    let known = w.says("olga", "here").message_id();
    let moment = w.now();
    let tries: [Try; 4] = [
        (|post| post.0.terms.expires_in_ms = Some(0), Reason::ParameterInvalid),
        (|post| post.0.terms.expires_in_ms = Some(EXPIRES_IN_MS_MAX + 1), Reason::LimitExceeded),
        (
            |post| post.0.terms.parents = vec![interlock_core::id::MessageId::from_u128(9)],
            Reason::MessageNotFound,
        ),
        (
            |post| post.0.terms.supersedes = Some(interlock_core::id::MessageId::from_u128(9)),
            Reason::MessageNotFound,
        ),
    ];
    for (change, wanted) in tries {
        let mut post = Post::chat("x");
        change(&mut post);
        assert_eq!(refused(w.post("olga", post)), wanted);
    }
    let mut post = Post::chat("x").expires_in(1);
    post.0.terms.expires_at = Some(moment.plus_ms(1));
    assert_eq!(refused(w.post("olga", post)), Reason::ParameterInvalid);
    let mut post = Post::chat("x");
    post.0.terms.expires_at = Some(moment);
    assert_eq!(refused(w.post("olga", post)), Reason::ParameterInvalid);
    let mut post = Post::chat("x");
    post.0.terms.parents = vec![known; PARENTS_MAX + 1];
    assert_eq!(refused(w.post("olga", post.clone())), Reason::LimitExceeded);
    post.0.terms.parents.truncate(PARENTS_MAX);
    post.0.terms.expires_in_ms = Some(EXPIRES_IN_MS_MAX);
    assert!(w.post("olga", post).is_ok());
}
