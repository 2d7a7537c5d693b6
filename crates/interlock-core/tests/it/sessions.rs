//! A runtime's sessions: which one is resumed, and what happens when it cannot be used.

use interlock_core::id::SessionId;
use interlock_core::thread::Status;
use interlock_core::wake::{Evidence, Outcome, TurnFault, Usage, WakeResult, WakeState};
use interlock_core::{Event, Reason};

use crate::world::{Claim, Post, World};

fn session(number: u128) -> SessionId {
    SessionId::from_u128(number)
}

/// The executor's wake, its turn begun in this session.
fn talking(number: u128) -> (World, Claim) {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.in_session(&claim, session(number)).unwrap();
    (w, claim)
}

/// A second wake, claimed after a first turn in session 7.
fn resumed() -> (World, Claim) {
    let (mut w, first) = talking(7);
    w.does_its_turn(&first);
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    (w, claim)
}

#[test]
fn a_session_is_bound_once_and_stays_for_later_wakes() {
    let (mut w, first) = talking(7);
    assert_eq!(w.session("executor"), Some(session(7)));
    assert_eq!(w.session("reviewer"), None, "it belongs to one participant");
    assert_eq!(w.wake(first.wake_id).ladder.evidence, Some(Evidence::Event));
    assert_eq!(w.in_session(&first, session(7)).unwrap().events, [], "bound once");
    w.does_its_turn(&first);
    assert_eq!(w.session("executor"), Some(session(7)));
}

/// A call of the agent may prove acceptance before its runtime's events do.
#[test]
fn a_session_is_bound_by_a_later_report_too() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.accepted(&claim, Evidence::Call).unwrap();
    assert_eq!(w.in_session(&claim, session(7)).unwrap().kinds(), ["session.bound"]);
    assert_eq!(w.wake(claim.wake_id).ladder.evidence, Some(Evidence::Call));
}

#[test]
fn a_new_session_replaces_the_old_one() {
    let (mut w, claim) = resumed();
    w.started(&claim).unwrap();
    assert_eq!(w.in_session(&claim, session(8)).unwrap().kinds(), ["wake.accepted", "session.bound"]);
    assert_eq!(w.session("executor"), Some(session(8)));
}

/// "No such session" moves on at once: the same wake, a fresh session, no attempt lost.
#[test]
fn a_session_that_is_gone_is_given_up_at_once() {
    let (mut w, claim) = resumed();
    w.started(&claim).unwrap();
    let done = w.ended(&claim, Outcome::SessionGone).unwrap();
    assert_eq!(done.kinds(), ["session.released", "wake.released"]);
    assert_eq!((w.session("executor"), w.wake(claim.wake_id).attempts), (None, 0));
    let again = w.run_one("sup");
    assert_eq!(again.wake_id, claim.wake_id, "due at once");
    w.in_session(&again, session(9)).unwrap();
    w.does_its_turn(&again);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.attempts), (Some(WakeResult::FallbackSpawned), 1));
    assert_eq!(w.session("executor"), Some(session(9)));
    assert_eq!(w.thread().guard.turns, 2, "it was a turn");
}

/// A runtime that misses a session which nobody bound is not believed for ever.
#[test]
fn a_session_that_never_was_is_a_failed_attempt() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    assert_eq!(w.ended(&claim, Outcome::SessionGone).unwrap().kinds(), ["wake.attempt_failed"]);
    assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::SessionGone));
}

/// Looked at again every 5 s, no attempt lost; at 60 s exactly it goes on in a fresh session.
#[test]
fn a_busy_session_is_waited_for_and_then_given_up() {
    let (mut w, first) = resumed();
    let mut claim = first.clone();
    for look in 0..12 {
        let done = w.ended(&claim, Outcome::SessionBusy).unwrap();
        assert_eq!(done.kinds(), ["wake.deferred"], "look {look}");
        let wake = w.wake(first.wake_id);
        assert_eq!((wake.state, wake.attempts), (WakeState::Pending, 0));
        assert_eq!(wake.due_at, w.now().plus_ms(5_000));
        w.advance_ms(4_999);
        assert_eq!(w.claim("sup"), [], "not a millisecond early");
        w.advance_ms(1);
        claim = w.claim_one("sup");
    }
    assert_eq!(w.session("executor"), Some(session(7)));
    let done = w.ended(&claim, Outcome::SessionBusy).unwrap();
    assert_eq!(done.kinds(), ["session.released", "wake.released"]);
    assert_eq!((w.session("executor"), w.thread().status), (None, Status::Active));
    let again = w.run_one("sup");
    w.does_its_turn(&again);
    assert_eq!(w.wake(first.wake_id).result, Some(WakeResult::FallbackSpawned));
}

/// The runtime itself may find the session in use, after it was started.
#[test]
fn a_started_process_that_finds_its_session_busy_lost_no_attempt() {
    let (mut w, claim) = resumed();
    w.started(&claim).unwrap();
    w.ended(&claim, Outcome::SessionBusy).unwrap();
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.state, wake.attempts, wake.reason), (WakeState::Pending, 0, Some(Reason::SessionBusy)));
    assert_eq!(w.thread().guard.turns, 1, "and took no turn");
}

#[test]
fn what_each_fault_of_a_turn_means() {
    let cases = [
        (TurnFault::ModelUnauthorized, Reason::ModelUnauthorized, false),
        (TurnFault::ModelRateLimited, Reason::ModelQuota, true),
        (TurnFault::ModelUnavailable, Reason::ModelUnavailable, true),
        (TurnFault::ToolsUnavailable, Reason::ToolsUnavailable, true),
        (TurnFault::TurnIncomplete, Reason::TurnIncomplete, true),
        (TurnFault::WrongSession, Reason::SessionDiffers, true),
    ];
    assert_eq!(cases.len(), TurnFault::ALL.len());
    for (fault, reason, tries_again) in cases {
        let (mut w, claim) = talking(7);
        w.ended(&claim, Outcome::TurnFailed { fault, reset_in_ms: None }).unwrap();
        let wake = w.wake(claim.wake_id);
        let state = if tries_again { WakeState::Pending } else { WakeState::Finished };
        assert_eq!((wake.reason, wake.state), (Some(reason), state), "{fault}");
        assert_eq!(w.session("executor"), Some(session(7)), "{fault}: the session is not to blame");
    }
}

#[test]
fn what_the_model_used_is_summed_over_attempts() {
    let usage = |input, cost| Usage {
        input_tokens: input,
        cached_input_tokens: 1,
        output_tokens: 2,
        cost_micro_usd: cost,
    };
    let (mut w, claim) = talking(7);
    let failed = Outcome::TurnFailed { fault: TurnFault::ModelUnavailable, reset_in_ms: None };
    let done = w.ended_with(&claim, failed, usage(100, Some(30))).unwrap();
    assert_eq!(done.kinds(), ["wake.used", "wake.attempt_failed"]);
    w.advance_ms(2_000);
    let again = w.run_one("sup");
    w.ack("executor", 1).unwrap();
    let done = w.ended_with(&again, Outcome::Exited { code: 0 }, usage(50, None)).unwrap();
    assert!(matches!(done.events.first(), Some(Event::WakeUsed { .. })), "{:?}", done.kinds());
    let sum = Usage { input_tokens: 150, cached_input_tokens: 2, output_tokens: 4, cost_micro_usd: Some(30) };
    assert_eq!(w.wake(claim.wake_id).usage, Some(sum));
}

#[test]
fn a_report_that_nothing_was_used_leaves_no_trace() {
    let (mut w, claim) = talking(7);
    w.ack("executor", 1).unwrap();
    let done = w.ended_with(&claim, Outcome::Exited { code: 0 }, Usage::default()).unwrap();
    assert_eq!(done.kinds(), ["wake.finished"]);
    assert_eq!(w.wake(claim.wake_id).usage, None);
}

/// Both programs count from the beginning of their session: each wake is charged with what came on top.
#[test]
fn what_a_session_used_before_is_not_charged_twice() {
    let total = |input: u64| Usage {
        input_tokens: input,
        output_tokens: 1,
        cost_micro_usd: Some(input * 6),
        ..Usage::default()
    };
    let (mut w, first) = talking(7);
    w.ack("executor", 1).unwrap();
    w.ended_at_total(&first, total(100)).unwrap();
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    let second = w.run_one("sup");
    w.in_session(&second, session(7)).unwrap();
    w.ack("executor", 2).unwrap();
    w.ended_at_total(&second, total(150)).unwrap();
    let used = |w: &World, claim: &Claim| {
        let usage = w.wake(claim.wake_id).usage.unwrap();
        (usage.input_tokens, usage.cost_micro_usd)
    };
    assert_eq!(used(&w, &second), (50, Some(300)));
    w.post("olga", Post::chat("still more").to(&["executor"])).unwrap();
    let third = w.run_one("sup");
    w.in_session(&third, session(8)).unwrap();
    w.ack("executor", 3).unwrap();
    w.ended_at_total(&third, total(30)).unwrap();
    assert_eq!(used(&w, &third), (30, Some(180)), "a fresh session counts from zero");
}
