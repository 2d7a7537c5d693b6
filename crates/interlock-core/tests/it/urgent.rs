//! What cannot wait until a turn is over: which turns are told of it, and what becomes of its wake.

use interlock_core::actor::Role;
use interlock_core::agent::Runtime;
use interlock_core::command::{Command, ObserveSession, Report};
use interlock_core::id::{SessionId, WakeId};
use interlock_core::session::Observed;
use interlock_core::thread::ThreadRole;
use interlock_core::wake::{Door, Evidence, WakeResult, WakeState};
use interlock_core::{Reason, Reply};

use crate::world::{Claim, Done, Post, World, name};

const SESSION: SessionId = SessionId::from_u128(7);

/// A turn of `executor` runs, which a server of its runtime was told of and took.
fn running() -> (World, Claim) {
    let mut w = World::new();
    w.agent("executor").run_by(Runtime::Codex);
    w.person("olga", Role::Operator);
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.doors = Door::ALL.to_vec();
    w.says("olga", "begin");
    let claim = w.run_one("sup");
    w.in_session(&claim, SESSION).unwrap();
    w.does_its_turn(&claim);
    w.says("olga", "go on");
    let claim = w.run_one("sup");
    assert_eq!(claim.lease.door, Some(Door::Live));
    w.in_session(&claim, SESSION).unwrap();
    (w, claim)
}

/// Something urgent is said to it; gives its wake and up to which message that is.
fn calls_out(w: &mut World) -> (WakeId, u64) {
    w.post("olga", Post::chat("stop that").urgent()).unwrap();
    let wake = w.pending_of("executor")[0];
    (wake.wake_id, wake.seq)
}

fn takes_in(w: &mut World, claim: &Claim, (wake_id, seq): (WakeId, u64)) -> Done {
    w.report(claim, Report::Told { wake_id, seq }).unwrap()
}

#[test]
fn a_turn_that_runs_is_told_once_takes_it_in_and_acknowledges() {
    let (mut w, claim) = running();
    let urgent = calls_out(&mut w);
    assert_eq!(w.told_of("other"), [], "it runs elsewhere");
    assert_eq!(w.told_of("sup"), [urgent]);
    assert_eq!(w.told_of("sup"), [], "once");
    let kept = w.renewed(&claim);
    let told = kept[0].urgent.as_ref().unwrap();
    assert_eq!((told.running, told.wake.wake_id), (claim.wake_id, urgent.0), "renewals tell always");
    assert_eq!(takes_in(&mut w, &claim, urgent).kinds(), ["wake.accepted", "wake.deferred"]);
    let wake = w.wake(urgent.0);
    assert_eq!((wake.state, wake.ladder.evidence), (WakeState::Pending, Some(Evidence::Turn)));
    assert_eq!((wake.reason, wake.attempts), (Some(Reason::ToldInTurn), 0));
    assert_eq!(takes_in(&mut w, &claim, urgent).kinds(), Vec::<String>::new(), "nothing new is nothing");
    assert!(w.renewed(&claim)[0].urgent.is_none());
    w.ack("executor", urgent.1).unwrap();
    assert_eq!(w.wake(urgent.0).result, Some(WakeResult::AlreadyActive));
}

/// Nothing came of it: the wake is due as if nobody had tried, and only then.
#[test]
fn what_a_turn_heard_and_did_not_acknowledge_wakes_its_agent() {
    let (mut w, claim) = running();
    let urgent = calls_out(&mut w);
    takes_in(&mut w, &claim, urgent);
    w.ack("executor", urgent.1 - 1).unwrap();
    w.exits(&claim, 0);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
    w.advance_ms(w.policy.ack_timeout_ms - 1);
    assert_eq!(w.claim("sup"), [], "not a millisecond earlier");
    w.advance_ms(1);
    assert_eq!(w.claim_one("sup").wake_id, urgent.0);
}

/// The turn refused it, or its supervisor has never said a word: it is a wake like any other.
#[test]
fn what_no_turn_took_in_is_due_when_the_turn_is_over() {
    let (mut w, claim) = running();
    let urgent = calls_out(&mut w);
    w.told_of("sup");
    w.ack("executor", urgent.1 - 1).unwrap();
    w.exits(&claim, 0);
    let next = w.claim_one("sup");
    assert_eq!((next.wake_id, w.wake(urgent.0).ladder.evidence), (urgent.0, None));
}

/// A message that comes after what was told is told too; a report of the former says nothing of it.
#[test]
fn a_later_message_is_told_too() {
    let (mut w, claim) = running();
    let first = calls_out(&mut w);
    w.told_of("sup");
    let second = calls_out(&mut w);
    assert_eq!((first.0, first.1 + 1), second, "it joins the wake that waits");
    assert_eq!(takes_in(&mut w, &claim, first).kinds(), Vec::<String>::new());
    assert_eq!(w.told_of("sup"), [second]);
    takes_in(&mut w, &claim, second);
    let third = calls_out(&mut w);
    assert_eq!(w.told_of("sup"), [third], "what was told waits, what is new does not");
    assert_eq!(takes_in(&mut w, &claim, third).kinds(), ["wake.accepted", "wake.deferred"]);
}

#[test]
fn only_what_cannot_wait_is_told_and_only_to_a_turn_that_can_be() {
    // What is not urgent waits.
    let (mut w, _) = running();
    w.says("olga", "no hurry");
    assert_eq!(w.told_of("sup"), []);
    // A supervisor that knows no such door.
    let (mut w, _) = running();
    calls_out(&mut w);
    w.doors = Door::OF_EVERY_SUPERVISOR.to_vec();
    assert_eq!(w.told_of("sup"), []);
    // A turn that somebody ends.
    let (mut w, claim) = running();
    calls_out(&mut w);
    w.ends("olga", claim.wake_id).unwrap();
    assert_eq!(w.told_to_stop("sup"), [claim.wake_id]);
    assert_eq!(w.told_of("sup"), []);
    // A process of its own.
    let (mut w, claim) = running();
    w.does_its_turn(&claim);
    w.doors = Door::OF_EVERY_SUPERVISOR.to_vec();
    w.says("olga", "go on");
    let claim = w.run_one("sup");
    w.in_session(&claim, SESSION).unwrap();
    w.doors = Door::ALL.to_vec();
    calls_out(&mut w);
    assert_eq!((w.told_of("sup"), w.renewed(&claim)[0].urgent.is_none()), (vec![], true));
    // A turn that has not begun.
    let (mut w, claim) = running();
    w.does_its_turn(&claim);
    w.says("olga", "go on");
    let claim = w.run_one("sup");
    let urgent = calls_out(&mut w);
    assert_eq!(w.told_of("sup"), []);
    w.in_session(&claim, SESSION).unwrap();
    assert_eq!(w.told_of("sup"), [urgent]);
}

/// What a person's hooks see of such words in the agent's session is no person's.
#[test]
fn words_that_tell_a_turn_are_no_persons() {
    let seen_of = |wake_id| ObserveSession {
        wake_id: Some(wake_id),
        ..World::sight("executor", 7, Observed::HumanPrompt)
    };
    let is_ours = |w: &mut World, wake_id| {
        let done = w.give("executor", Command::ObserveSession(seen_of(wake_id))).unwrap();
        matches!(done.reply, Reply::Observed { is_ours: true, .. })
    };
    let (mut w, claim) = running();
    let (urgent, _) = calls_out(&mut w);
    assert!(is_ours(&mut w, urgent));
    w.does_its_turn(&claim);
    assert_eq!(w.wake(urgent).agent, name("executor"));
    assert!(!is_ours(&mut w, urgent), "no turn runs that it could be told to");
}
