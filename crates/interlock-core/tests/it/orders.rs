//! Messages on terms: urgent ones, those whose time is over, those taken back.

use interlock_core::command::Report;
use interlock_core::id::MessageId;
use interlock_core::limits::{EXPIRES_IN_MS_MAX, PARENTS_MAX, REASON_BYTES_MAX, WAKE_ASKS_MAX};
use interlock_core::text::digest;
use interlock_core::thread::{MessageState, Priority, ThreadRole};
use interlock_core::wake::{Outcome, WakeResult, WakeState};
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
fn however_many_messages_ask_a_wake_is_over_when_all_of_them_are() {
    let mut w = World::pair();
    for n in 0..3 * WAKE_ASKS_MAX {
        order(&mut w, Post::chat("now").expires_in(1_000 + u64::try_from(n).unwrap()));
    }
    let last = i64::try_from(3 * WAKE_ASKS_MAX).unwrap() - 1;
    w.advance_ms(1_000 + last - 1);
    let wake = w.pending_of("executor").remove(0);
    assert!(wake.asks.len() <= WAKE_ASKS_MAX, "{} are remembered", wake.asks.len());
    assert_eq!(w.claim("sup").len(), 1, "the last one still counts");
    w.advance_ms(1);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(end(&w, "executor"), EXPIRED);
}

#[test]
fn however_many_are_taken_back_one_by_one() {
    let mut w = World::pair();
    let posted: Vec<_> =
        (0..3 * WAKE_ASKS_MAX).map(|_| order(&mut w, Post::chat("go")).message_id()).collect();
    let (last, others) = posted.split_last().unwrap();
    for id in others {
        w.cancels("olga", *id).unwrap();
    }
    assert_eq!(w.pending_of("executor").len(), 1, "one is left");
    w.cancels("olga", *last).unwrap();
    assert_eq!(end(&w, "executor"), WITHDRAWN);
}

#[test]
fn one_that_is_forgotten_keeps_its_wake() {
    let mut w = World::pair();
    let first = order(&mut w, Post::chat("first")).message_id();
    let others: Vec<_> =
        (0..2 * WAKE_ASKS_MAX).map(|_| order(&mut w, Post::chat("more")).message_id()).collect();
    for id in others {
        w.cancels("olga", id).unwrap();
    }
    let wake = w.pending_of("executor").remove(0);
    assert!(wake.asks.iter().all(|ask| ask.seq != 1), "it does not remember the first one");
    // Another stands in its place, for somebody else.
    w.post("olga", Post::chat("you do it").to(&["reviewer"]).instead_of(first)).unwrap();
    assert_eq!(end(&w, "executor"), WITHDRAWN);
}

/// Numbers that are the same at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// One executor, whose wake many messages ask for.
struct Crowd {
    w: World,
    asked: Vec<(u64, MessageId)>,
    life: u32,
    is_crowded: bool,
}

impl Crowd {
    fn one(&self, dice: &mut Dice) -> Option<MessageId> {
        let number = dice.below(u64::try_from(self.asked.len().max(1)).unwrap());
        self.asked.get(usize::try_from(number).unwrap()).map(|(_, id)| *id)
    }

    fn posts(&mut self, dice: &mut Dice) {
        let mut post = Post::chat("go");
        if dice.below(3) > 0 {
            post = post.expires_in(1 + dice.below(400) * 10);
        }
        if dice.below(6) == 0
            && let Some(old) = self.one(dice)
        {
            post = post.instead_of(old);
        }
        // Replacing what does not count any more is refused.
        if let Ok(done) = self.w.post("olga", post.to(&["executor"])) {
            self.asked.push((done.seq(), done.message_id()));
        }
    }

    fn cancels(&mut self, dice: &mut Dice) {
        if let Some(id) = self.one(dice) {
            // Twice, or too late: refusals are part of it.
            drop(self.w.cancels("olga", id));
        }
    }

    /// An attempt during which more is asked, and after which the wake waits again.
    fn attempts(&mut self) {
        if let Some(claim) = self.claims().pop() {
            self.w.started(&claim).unwrap();
            let done = order(&mut self.w, Post::chat("more"));
            self.asked.push((done.seq(), done.message_id()));
            let halted = Report::Ended {
                outcome: Outcome::Halted,
                usage: None,
                is_session_total: false,
                last_message: None,
            };
            self.w.report(&claim, halted).unwrap();
        }
    }

    /// What a new life of the supervisor gets: what the former one claimed is free.
    fn claims(&mut self) -> Vec<crate::world::Claim> {
        self.life += 1;
        self.w.claim_in("sup", &format!("life-{}", self.life), 8)
    }

    /// A wake waits, and is handed out, as long as one of its messages counts, as a look at all messages says.
    fn check(&mut self) -> usize {
        let live = self.asked.iter().filter(|(seq, _)| state(&self.w, *seq) == MessageState::Live).count();
        let claimed = self.claims().len();
        let pending = self.w.pending_of("executor");
        assert_eq!((claimed, pending.len()), (usize::from(live > 0), usize::from(live > 0)), "{live} live");
        assert!(pending.iter().all(|wake| wake.asks.len() <= WAKE_ASKS_MAX && !wake.is_standing));
        self.is_crowded |= pending.iter().any(|wake| wake.forgotten.is_some());
        live
    }
}

#[test]
fn wakes_are_over_exactly_when_all_that_asked_for_them_is() {
    let mut dice = Dice(3);
    let mut crowded = 0;
    for _ in 0..12 {
        let mut crowd = Crowd { w: World::pair(), asked: Vec::new(), life: 0, is_crowded: false };
        crowd.w.policy.wakes_per_minute_max = 0;
        for step in 0..160 {
            match dice.below(12) {
                0..=7 if step < 100 => crowd.posts(&mut dice),
                8 if step < 100 => crowd.attempts(),
                9 => crowd.w.advance_ms(i64::try_from(dice.below(100)).unwrap()),
                _ => crowd.cancels(&mut dice),
            }
            crowd.check();
        }
        let mut left = crowd.asked.clone();
        while !left.is_empty() {
            let place = usize::try_from(dice.below(u64::try_from(left.len()).unwrap())).unwrap();
            drop(crowd.w.cancels("olga", left.swap_remove(place).1));
            crowd.check();
        }
        crowd.w.advance_ms(10_000);
        assert_eq!(crowd.check(), 0);
        crowded += u32::from(crowd.is_crowded);
    }
    assert!(crowded > 6, "only {crowded} had more to remember than they could");
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

/// A wake that is lost while what waited behind it is over: that ends once, whoever of both is looked at first.
#[test]
fn what_waits_behind_a_lost_wake_and_is_over_ends_once() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    w.run_one("sup");
    w.post("olga", Post::chat("now").to(&["executor"]).expires_in(1)).unwrap();
    w.advance_past_lease();
    let again = w.claim("other");
    assert_eq!(again.len(), 1, "the first goes on");
    let ends = w.entries.last().unwrap().iter().filter(|event| matches!(event, Event::WakeFinished { .. }));
    assert_eq!(ends.count(), 1, "{:?}", w.entries.last());
}
