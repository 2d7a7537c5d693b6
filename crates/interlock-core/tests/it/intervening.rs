//! People who ask for a wake again, or end one.

use interlock_core::actor::Role;
use interlock_core::agent::Runtime;
use interlock_core::command::{Command, InterveneWake};
use interlock_core::id::WakeId;
use interlock_core::limits::{REASON_BYTES_MAX, WAKE_ATTEMPTS_KEPT_MAX};
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Door, Outcome, WakeResult, WakeState};
use interlock_core::{Reason, Reply};

use crate::refused;
use crate::world::{Claim, Post, World, name};

/// The executor's wake, whose process runs.
fn running() -> (World, Claim) {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    (w, claim)
}

/// The executor's wake after all its attempts have failed, so that its thread is blocked.
fn failed() -> (World, Claim) {
    let (mut w, first) = running();
    w.exits(&first, 1);
    let mut last = first;
    for pause_ms in [2_000, 4_000] {
        w.advance_ms(pause_ms);
        last = w.run_one("sup");
        w.exits(&last, 1);
    }
    assert_eq!(w.wake(last.wake_id).result, Some(WakeResult::Failed));
    (w, last)
}

#[test]
fn a_wake_that_failed_is_asked_for_again_as_a_new_one_that_names_it() {
    let (mut w, old) = failed();
    let done = w.retries("olga", old.wake_id).unwrap();
    assert_eq!(done.kinds(), ["wake.requested", "wake.retry_requested"]);
    let Reply::Wake(id) = done.reply else { panic!("{done:?}") };
    let fresh = w.wake(id).clone();
    assert_eq!((fresh.retries, fresh.attempts, fresh.state), (Some(old.wake_id), 0, WakeState::Pending));
    let retried = fresh.retried.unwrap();
    assert_eq!((retried.by, retried.text.as_str(), retried.at), (name("olga"), "look again", w.now()));
    assert!(fresh.held, "its thread is blocked, because the first one failed");
    assert_eq!(w.claim("sup"), []);
    w.status("olga", Status::Active).unwrap();
    let claim = w.run_one("sup");
    assert_eq!(claim.wake_id, id);
    w.does_its_turn(&claim);
    assert_eq!(w.wake(id).result, Some(WakeResult::Triggered));
    assert_eq!(refused(w.retries("olga", id)), Reason::WakeWrongState, "it did what it was for");
    assert_eq!(w.wake(old.wake_id).result, Some(WakeResult::Failed), "what was stays what it was");
}

#[test]
fn a_wake_that_waits_for_its_next_attempt_is_due_at_once() {
    let (mut w, claim) = running();
    w.exits(&claim, 1);
    assert_eq!(w.claim("sup"), [], "2 s are not over");
    let done = w.retries("reviewer", claim.wake_id).unwrap();
    assert_eq!(done.kinds(), ["wake.retry_requested"]);
    assert_eq!(done.reply, Reply::Wake(claim.wake_id));
    assert_eq!(w.retries("reviewer", claim.wake_id).unwrap().events, [], "it is due already");
    assert_eq!(w.run_one("sup").wake_id, claim.wake_id);
    assert_eq!(w.wake(claim.wake_id).attempts, 2, "what failed before still counts");
    assert_eq!(refused(w.retries("olga", claim.wake_id)), Reason::WakeWrongState, "it runs");
}

#[test]
fn whoever_is_woken_in_the_thread_already_is_not_woken_twice() {
    let (mut w, old) = failed();
    w.status("olga", Status::Active).unwrap();
    w.post("olga", Post::chat("again").to(&["executor"])).unwrap();
    let later = w.pending_of("executor")[0].wake_id;
    let done = w.retries("olga", old.wake_id).unwrap();
    assert_eq!((done.events.len(), done.reply), (0, Reply::Wake(later)));
}

#[test]
fn who_has_read_everything_need_not_read_it_again() {
    let (mut w, old) = failed();
    let seq = w.thread().seq;
    w.ack("executor", seq).unwrap();
    w.status("olga", Status::Active).unwrap();
    let seq = w.thread().seq;
    w.ack("executor", seq).unwrap();
    w.retries("olga", old.wake_id).unwrap();
    let claim = w.run_one("sup");
    w.exits(&claim, 0);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
}

#[test]
fn who_may_intervene_and_with_which_words() {
    for (who, role, wanted) in [
        ("olga", Role::Operator, None),
        ("reviewer", Role::Participant, None),
        ("executor", Role::Participant, Some(Reason::NotCoordinator)),
        ("carl", Role::Coordinator, None),
        ("axel", Role::Auditor, Some(Reason::NotCoordinator)),
        ("paul", Role::Participant, Some(Reason::WakeNotFound)),
    ] {
        let (mut w, claim) = running();
        w.person(who, role);
        assert_eq!(w.ends(who, claim.wake_id).err().map(|refusal| refusal.reason), wanted, "{who}");
    }
    for (text, wanted) in [
        ("  ".to_owned(), Reason::ParameterInvalid),
        ("x".repeat(REASON_BYTES_MAX + 1), Reason::LimitExceeded),
    ] {
        let (mut w, claim) = running();
        let command = InterveneWake { wake_id: claim.wake_id, text };
        assert_eq!(refused(w.give("olga", Command::CancelWake(command.clone()))), wanted);
        assert_eq!(refused(w.give("olga", Command::RetryWake(command))), wanted);
    }
}

#[test]
fn somebody_who_cannot_be_woken_any_more_is_not_asked_for_again() {
    let (mut w, old) = failed();
    w.removes("olga", "executor").unwrap();
    assert_eq!(refused(w.retries("olga", old.wake_id)), Reason::ParticipantMissing);
    w.adds("olga", "executor", ThreadRole::Participant).unwrap();
    w.status("olga", Status::Closed).unwrap();
    assert_eq!(refused(w.retries("olga", old.wake_id)), Reason::ThreadWrongStatus);
}

#[test]
fn a_wake_that_waits_ends_at_once() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    let done = w.ends("olga", claim.wake_id).unwrap();
    assert_eq!(done.kinds(), ["wake.cancel_requested", "wake.finished"]);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Cancelled), Some(Reason::WakeCancelled)));
    assert_eq!(wake.cancelled.as_ref().unwrap().text, "not now");
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost, "its process is ended before it does anything");
    assert_eq!(refused(w.ends("olga", claim.wake_id)), Reason::WakeWrongState);
    assert_eq!(w.thread().guard.turns, 0, "no turn was taken");
    assert_eq!(w.thread().status, Status::Active);
}

#[test]
fn a_wake_that_runs_ends_when_its_process_is_gone() {
    let (mut w, claim) = running();
    assert_eq!(w.told_to_stop("sup"), []);
    assert_eq!(w.ends("olga", claim.wake_id).unwrap().kinds(), ["wake.cancel_requested"]);
    assert_eq!(w.ends("olga", claim.wake_id).unwrap().events, [], "once is enough");
    assert_eq!(w.told_to_stop("another"), [], "not the one that holds it");
    assert_eq!(w.told_to_stop("sup"), [claim.wake_id]);
    assert_eq!(w.told_to_stop("sup"), [], "a claim that waits is not answered for it twice");
    w.post("olga", Post::chat("another matter").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), [], "the agent runs as long as its process does");
    let done = w.ended(&claim, Outcome::Halted).unwrap();
    assert_eq!(done.kinds(), ["wake.finished"]);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Cancelled));
    assert_ne!(w.claim_one("sup").wake_id, claim.wake_id, "no attempt follows; the other matter does");
}

/// Both doors of the race between a person who ends a wake and its end: what comes first in the ledger counts.
#[test]
fn the_first_of_two_ends_counts() {
    let (mut w, claim) = running();
    w.does_its_turn(&claim);
    assert_eq!(refused(w.ends("olga", claim.wake_id)), Reason::WakeWrongState);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));

    let (mut w, claim) = running();
    w.ends("olga", claim.wake_id).unwrap();
    w.does_its_turn(&claim);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.exit_code), (Some(WakeResult::Cancelled), Some(0)));
    assert!(wake.ladder.seen_at.is_some(), "that it was read stays true");
}

#[test]
fn a_wake_that_was_ended_is_not_taken_over_when_its_supervisor_dies() {
    let (mut w, claim) = running();
    w.ends("olga", claim.wake_id).unwrap();
    w.advance_ms(w.policy.lease_ms + w.policy.takeover_grace_ms);
    assert_eq!(w.claim("another"), []);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Cancelled));
    assert_eq!(refused(w.ended(&claim, Outcome::Halted)), Reason::LeaseLost);
    let Reply::Wake(again) = w.retries("olga", claim.wake_id).unwrap().reply else { panic!() };
    assert_eq!(w.claim_one("sup").wake_id, again, "a person may think again");
}

/// Whose lease ran out is told by its next renewal that the wake is lost; a claim does not give it back.
#[test]
fn a_wake_that_was_ended_is_over_with_its_lease() {
    let (mut w, claim) = running();
    w.ends("olga", claim.wake_id).unwrap();
    w.advance_ms(w.policy.lease_ms + 1);
    assert_eq!(w.told_to_stop("sup"), []);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Cancelled));
    assert_eq!(w.renew(&claim), []);
}

/// What a server of the runtime was told may go on without whoever told it: then nobody can say that it was stopped.
#[test]
fn a_turn_that_may_go_on_is_not_said_to_be_ended() {
    let live = || {
        let mut w = World::new();
        w.agent("executor").run_by(Runtime::Codex);
        w.person("olga", Role::Operator);
        w.open("olga", &[("executor", ThreadRole::Participant)]);
        w.doors = Door::ALL.to_vec();
        w.says("olga", "go");
        let claim = w.run_one("sup");
        w.ends("olga", claim.wake_id).unwrap();
        (w, claim)
    };
    let (mut w, claim) = live();
    assert_eq!(w.wake(claim.wake_id).door, Some(Door::Live));
    w.advance_past_lease();
    assert_eq!(w.claim("another"), []);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Unknown));
    assert_eq!(w.thread().reason, Some(Reason::WakeInDoubt), "a person has to look");
    let (mut w, claim) = live();
    let again = w.claim_in("sup", "life-2", 32).remove(0);
    assert!(again.lease.is_in_doubt, "whoever began it can look");
    w.ended(&again, Outcome::NotRunning).unwrap();
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Cancelled));
    for (outcome, result) in
        [(Outcome::InDoubt, WakeResult::Unknown), (Outcome::Halted, WakeResult::Cancelled)]
    {
        let (mut w, claim) = live();
        w.ended(&claim, outcome).unwrap();
        assert_eq!(w.wake(claim.wake_id).result, Some(result), "{outcome:?}");
        assert!(w.retries("olga", claim.wake_id).is_ok(), "{outcome:?}: a person may think again");
    }
}

/// Whoever asks for somebody whose wake is being ended asks for something new: the old wake ends as it was told to.
#[test]
fn whose_wake_is_being_ended_can_be_asked_for_again() {
    let trigger: fn(&mut World, WakeId) = |w, _| drop(w.trigger("olga", "executor").unwrap());
    let retry: fn(&mut World, WakeId) = |w, old| drop(w.retries("olga", old).unwrap());
    let unblock: fn(&mut World, WakeId) = |w, _| {
        w.status("olga", Status::Blocked).unwrap();
        w.status("olga", Status::Active).unwrap();
    };
    for (n, asks) in [trigger, retry, unblock].into_iter().enumerate() {
        let (mut w, old) = failed();
        if n == 2 {
            // What failed stays owed until it is asked for: here it is not yet.
            let owed = w.thread().members[&name("executor")].owed;
            w.status("olga", Status::Active).unwrap();
            w.rows.threads.get_mut(&w.thread_id).unwrap().members.get_mut(&name("executor")).unwrap().owed =
                owed;
        } else {
            w.status("olga", Status::Active).unwrap();
        }
        w.advance_ms(60_000);
        let running = w.run_one("sup");
        assert_ne!(running.wake_id, old.wake_id);
        w.ends("olga", running.wake_id).unwrap();
        asks(&mut w, old.wake_id);
        w.ended(&running, Outcome::Halted).unwrap();
        assert_eq!(w.wake(running.wake_id).result, Some(WakeResult::Cancelled));
        let next = w.claim_one("sup");
        assert_ne!(next.wake_id, running.wake_id, "{n}");
    }
}

/// No guard of agents' wakes throttles what a person asks for; an agent that leads the thread grants itself nothing.
#[test]
fn a_wake_that_a_guard_puts_off_is_due_when_a_person_asks_for_it_again() {
    let mut w = World::pair().calm();
    w.policy.auto_wakes_max = 1;
    for text in ["go", "and on"] {
        w.post("reviewer", Post::chat(text).to(&["executor"])).unwrap();
        if let [claim] = &w.claim("sup")[..] {
            w.started(claim).unwrap();
            w.does_its_turn(claim);
        }
    }
    let put_off = |w: &World| {
        let wake = w.pending_of("executor")[0];
        assert!(wake.due_at > w.now());
        assert_eq!(wake.reason, Some(Reason::AutoWakeBudget));
        wake.wake_id
    };
    let wake_id = put_off(&w);
    w.retries("reviewer", wake_id).unwrap();
    assert_eq!(w.claim("sup"), []);
    assert_eq!(put_off(&w), wake_id);
    w.retries("olga", wake_id).unwrap();
    assert_eq!(w.wake(wake_id).reason, None);
    assert_eq!(w.run_one("sup").wake_id, wake_id);
}

#[test]
fn a_wake_remembers_its_attempts() {
    let (w, last) = failed();
    let history = &w.wake(last.wake_id).history;
    let short: Vec<_> = history.iter().map(|a| (a.number, a.reason, a.exit_code)).collect();
    let error = Some(Reason::ExitedWithError);
    assert_eq!(short, [(1, error, Some(1)), (2, error, Some(1)), (3, error, Some(1))]);
    assert!(history.iter().all(|attempt| attempt.supervisor == "sup" && attempt.ended_at.is_some()));

    let (mut w, mut claim) = running();
    for _ in 0..WAKE_ATTEMPTS_KEPT_MAX {
        w.ended(&claim, Outcome::Halted).unwrap();
        // Sooner it would be one too many within a minute.
        w.advance_ms(10_000);
        claim = w.run_one("sup");
    }
    let history = &w.wake(claim.wake_id).history;
    assert_eq!(history.len(), WAKE_ATTEMPTS_KEPT_MAX, "the first is forgotten");
    assert_eq!(history.iter().filter(|attempt| attempt.ended_at.is_none()).count(), 1);
    assert!(history.iter().all(|attempt| attempt.number == 1), "none of them counted");
}
