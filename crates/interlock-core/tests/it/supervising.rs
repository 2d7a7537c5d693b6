//! Claims, leases, attempts: what supervisors report and what follows.

use std::collections::BTreeSet;

use interlock_core::limits::CLAIM_WAKES_MAX;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Claimant, Evidence, Outcome, RELEASES_MAX, WakeResult, WakeState};
use interlock_core::{Command, Event, Reason, Reply};

use crate::refused;
use crate::world::{Claim, Post, World, name};

/// The executor's wake, claimed and started.
fn running() -> (World, Claim) {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    (w, claim)
}

#[test]
fn a_good_turn_from_claim_to_end() {
    let (mut w, claim) = running();
    assert_eq!((claim.lease.fence, w.wake(claim.wake_id).attempts), (1, 1));
    assert_eq!(w.accepted(&claim, Evidence::Output).unwrap().kinds(), ["wake.accepted"]);
    assert_eq!(w.accepted(&claim, Evidence::Exit).unwrap().events, [], "accepted once");
    w.ack("executor", 1).unwrap();
    assert_eq!(w.exits(&claim, 0).kinds(), ["wake.finished"]);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.state, wake.result), (WakeState::Finished, Some(WakeResult::Triggered)));
    assert_eq!((wake.reason, wake.exit_code), (None, Some(0)));
    assert_eq!(w.thread().guard.turns, 1);
    assert_eq!(w.rows.leases.len(), 0);
}

#[test]
fn exit_0_is_acceptance_too() {
    let (mut w, claim) = running();
    w.ack("executor", 1).unwrap();
    assert_eq!(w.exits(&claim, 0).kinds(), ["wake.accepted", "wake.finished"]);
    assert_eq!(w.wake(claim.wake_id).ladder.evidence, Some(Evidence::Exit));
}

/// How one attempt's end is named, and whether another follows.
#[test]
fn what_each_end_means() {
    let cases = [
        (Outcome::Exited { code: 0 }, Reason::NotAcked, true),
        (Outcome::Exited { code: 75 }, Reason::TryAgain, true),
        (Outcome::Exited { code: 1 }, Reason::ExitedWithError, true),
        (Outcome::Exited { code: -1 }, Reason::ExitedWithError, true),
        (Outcome::Signalled { signal: 9 }, Reason::KilledBySignal, true),
        (Outcome::NotAccepted, Reason::NotAccepted, true),
        (Outcome::RunTimeExceeded, Reason::RunTimeExceeded, true),
        (Outcome::SpawnFailed, Reason::SpawnFailed, false),
    ];
    for (outcome, reason, tries_again) in cases {
        let (mut w, claim) = running();
        w.ended(&claim, outcome).unwrap();
        let wake = w.wake(claim.wake_id);
        assert_eq!(wake.reason, Some(reason), "{outcome:?}");
        let state = if tries_again { WakeState::Pending } else { WakeState::Finished };
        assert_eq!(wake.state, state, "{outcome:?}");
        assert_eq!(w.rows.leases.len(), 0, "{outcome:?}");
    }
}

/// S002-77, S002-78: exactly 1 + 2 attempts, 2 s and 4 s apart, then failed, and the thread waits for its owner.
#[test]
fn three_attempts_with_backoff_then_the_thread_is_blocked() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    for (attempt, backoff_ms) in [(1, 2_000), (2, 4_000)] {
        let claim = w.run_one("sup");
        w.advance_ms(8_000);
        let done = w.ended(&claim, Outcome::NotAccepted).unwrap();
        assert_eq!(done.kinds(), ["wake.attempt_failed"]);
        let wake = w.wake(claim.wake_id);
        assert_eq!((wake.attempts, wake.due_at), (attempt, w.now().plus_ms(backoff_ms)));
        w.advance_ms(backoff_ms - 1);
        assert_eq!(w.claim("sup"), [], "not a millisecond early");
        w.advance_ms(1);
    }
    let claim = w.run_one("sup");
    let done = w.ended(&claim, Outcome::NotAccepted).unwrap();
    assert_eq!(done.kinds(), ["wake.finished", "thread.status_changed", "thread.message_posted"]);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.attempts, wake.result), (3, Some(WakeResult::Failed)));
    assert_eq!(wake.reason, Some(Reason::NotAccepted));
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::WakeFailed)));
    assert_eq!(thread.owner, Some(name("olga")));
}

#[test]
fn one_that_never_spawned_is_not_tried_again() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    let done = w.ended(&claim, Outcome::SpawnFailed).unwrap();
    assert_eq!(done.kinds()[..2], ["wake.finished", "thread.status_changed"]);
}

#[test]
fn a_wake_that_fails_in_a_blocked_thread_leaves_its_reason_alone() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    w.started(&claim).unwrap();
    w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
    w.ended(&claim, Outcome::SpawnFailed).unwrap();
    assert_eq!(w.thread().reason, Some(Reason::Paused));
}

#[test]
fn a_retry_waits_while_the_thread_is_blocked() {
    let (mut w, claim) = running();
    w.status("olga", Status::Blocked).unwrap();
    w.exits(&claim, 1);
    w.advance_ms(3_600_000);
    assert_eq!(w.claim("sup"), []);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.claim_one("sup").wake_id, claim.wake_id);
}

#[test]
fn halting_consumes_no_attempt() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    for _ in 0..5 {
        let claim = w.run_one("sup");
        assert_eq!(w.wake(claim.wake_id).attempts, 1);
        assert_eq!(w.ended(&claim, Outcome::Halted).unwrap().kinds(), ["wake.released"]);
        assert_eq!((w.wake(claim.wake_id).attempts, w.thread().guard.turns), (0, 0));
    }
}

/// Agents are told to stop before the halt is recorded: a report of that may come first.
#[test]
fn a_halt_counts_whom_it_stopped_before_it_was_recorded() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.run_one("sup");
    w.post("olga", Post::chat("go").to(&["reviewer"])).unwrap();
    w.run_one("sup");
    w.ended(&first, Outcome::Halted).unwrap();
    assert_eq!(w.give("olga", Command::HaltAgents).unwrap().reply, Reply::Halted(2));
    assert_eq!(w.give("olga", Command::HaltAgents).unwrap().reply, Reply::Halted(1), "who runs still");
}

#[test]
fn a_claim_halted_before_its_process_started_never_comes_back() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.claim_one("sup");
    w.ended(&first, Outcome::Halted).unwrap();
    let second = w.claim_one("sup");
    assert!(second.lease.fence > first.lease.fence);
    assert_eq!(refused(w.started(&first)), Reason::LeaseLost);
}

#[test]
fn a_wake_is_claimed_once() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    assert_eq!(w.claim("one").len(), 1);
    assert_eq!(w.claim("two"), []);
    assert_eq!(w.claim("one"), [], "by its own holder neither");
}

#[test]
fn claims_end_at_their_limit_and_go_oldest_first() {
    let mut w = World::new();
    w.person("olga", interlock_core::actor::Role::Operator);
    let names: Vec<String> = (0..40).map(|n| format!("agent-{n:02}")).collect();
    for text in &names {
        w.agent(text).managed();
    }
    let all: Vec<_> = names.iter().map(|text| (text.as_str(), ThreadRole::Participant)).collect();
    w.open("olga", &all);
    for text in names.iter().rev() {
        w.post("olga", Post::chat("go").to(&[text])).unwrap();
        w.advance_ms(1);
    }
    assert_eq!(w.claim_in("sup", "life-1", 0), []);
    let two: Vec<_> = w.claim_in("sup", "life-1", 2).into_iter().map(|claim| claim.agent).collect();
    assert_eq!(two, [name("agent-39"), name("agent-38")]);
    let most = usize::try_from(CLAIM_WAKES_MAX).unwrap();
    assert_eq!(w.claim_in("sup", "life-1", u32::MAX).len(), most);
    assert_eq!(w.claim_in("sup", "life-1", u32::MAX).len(), 40 - 2 - most);
}

#[test]
fn an_agent_has_one_live_claim_over_all_threads() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.says("olga", "and here");
    let first = w.claim_one("one");
    assert_eq!(w.claim("two"), []);
    w.started(&first).unwrap();
    assert_eq!(w.claim("two"), []);
    w.thread_id = w.wake(first.wake_id).thread_id;
    w.does_its_turn(&first);
    assert_ne!(w.claim_one("two").wake_id, first.wake_id);
}

/// The first wake is claimed and then held back; the second, in another thread, must wait for the claim's end.
#[test]
fn a_claim_held_back_by_its_thread_still_counts() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.claim_one("one");
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(refused(w.started(&first)), Reason::WakeWrongState, "nothing is dispatched while blocked");
    let blocked = w.thread_id;
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.says("olga", "and here");
    assert_eq!(w.claim("two"), []);
    w.advance_past_lease();
    assert_ne!(w.claim_one("two").wake_id, first.wake_id);
    w.thread_id = blocked;
    w.status("olga", Status::Active).unwrap();
    assert_eq!(refused(w.started(&first)), Reason::LeaseLost, "its time has run out");
}

/// Its supervisor was away while the thread was paused and resumed: what it held then starts nothing now, but keeps
/// the agent until its time is up, for its process may be there already.
#[test]
fn a_claim_from_before_a_pause_starts_nothing() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.claim_one("one");
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(w.renew(&first), []);
    w.status("olga", Status::Active).unwrap();
    assert_eq!(refused(w.started(&first)), Reason::LeaseLost);
    assert_eq!(w.renew(&first), []);
    assert_eq!(w.claim("two"), []);
    w.advance_past_lease();
    let second = w.claim_one("two");
    assert_eq!((second.wake_id, second.lease.fence), (first.wake_id, first.lease.fence + 1));
    w.started(&second).unwrap();
}

#[test]
fn a_claim_from_before_a_pause_may_be_given_back() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.claim_one("one");
    w.status("olga", Status::Blocked).unwrap();
    w.status("olga", Status::Active).unwrap();
    w.ended(&first, Outcome::Halted).unwrap();
    assert_eq!(w.claim_one("two").lease.fence, first.lease.fence + 1);
}

/// Whatever led to two claims of one agent: one of them is started.
#[test]
fn an_agent_that_is_taken_is_not_started() {
    for is_running in [true, false] {
        let mut w = World::pair();
        w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        let first = w.claim_one("one");
        w.open("olga", &[("executor", ThreadRole::Participant)]);
        w.says("olga", "and here");
        let mut second = first.clone();
        second.wake_id = w.pending_of("executor").last().unwrap().wake_id;
        second.lease.wake_id = second.wake_id;
        w.rows.leases.insert(second.wake_id, second.lease.clone());
        if is_running {
            w.rows.leases.remove(&first.wake_id);
            w.started(&second).unwrap();
            w.rows.leases.insert(first.wake_id, first.lease.clone());
        }
        assert_eq!(refused(w.started(&first)), Reason::LeaseLost);
    }
}

#[test]
fn reports_from_the_past_are_refused() {
    let (mut w, claim) = running();
    let mut wrong_fence = claim.clone();
    wrong_fence.lease.fence += 1;
    let mut wrong_life = claim.clone();
    wrong_life.lease.incarnation = "life-2".into();
    for wrong in [wrong_fence, wrong_life] {
        assert_eq!(refused(w.ended(&wrong, Outcome::Exited { code: 0 })), Reason::LeaseLost);
        assert_eq!(refused(w.accepted(&wrong, Evidence::Output)), Reason::LeaseLost);
        assert_eq!(w.renew(&wrong), []);
    }
    w.does_its_turn(&claim);
    assert_eq!(refused(w.ended(&claim, Outcome::Exited { code: 0 })), Reason::LeaseLost);
}

#[test]
fn reports_come_in_their_order() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    assert_eq!(refused(w.accepted(&claim, Evidence::Output)), Reason::WakeWrongState);
    assert_eq!(refused(w.ended(&claim, Outcome::Exited { code: 0 })), Reason::WakeWrongState);
    w.started(&claim).unwrap();
    assert_eq!(refused(w.started(&claim)), Reason::WakeWrongState);
    let mut unknown = claim;
    unknown.wake_id = interlock_core::id::WakeId::from_u128(3);
    assert_eq!(refused(w.started(&unknown)), Reason::WakeNotFound);
}

#[test]
fn a_lease_is_kept_by_renewing_it() {
    let (mut w, claim) = running();
    for _ in 0..10 {
        w.advance_ms(w.policy.lease_ms - 1);
        assert_eq!(w.renew(&claim), [(claim.wake_id, false)]);
        assert_eq!(w.claim("other"), []);
    }
    w.accepted(&claim, Evidence::Output).unwrap();
    assert_eq!(w.renew(&claim), [(claim.wake_id, true)]);
}

#[test]
fn a_lease_that_ran_out_goes_to_another_supervisor() {
    let (mut w, claim) = running();
    // Its own supervisor has some time more, to notice the end of its lease and to end the process.
    w.advance_ms(w.policy.lease_ms + w.policy.takeover_grace_ms - 1);
    assert_eq!(w.claim("other"), []);
    w.advance_ms(1);
    let second = w.claim_one("other");
    assert_eq!(w.entries.last().unwrap().len(), 1);
    assert!(matches!(w.entries.last().unwrap()[0], Event::WakeReleased { reason: Reason::LeaseExpired, .. }));
    assert_eq!((second.wake_id, second.lease.fence), (claim.wake_id, claim.lease.fence + 1));
    assert_eq!(w.wake(claim.wake_id).attempts, 0, "no fault of the agent's");
    assert_eq!(refused(w.ended(&claim, Outcome::Exited { code: 0 })), Reason::LeaseLost);
    assert_eq!(w.renew(&claim), []);
    w.started(&second).unwrap();
    w.does_its_turn(&second);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
}

/// A supervisor that was away while nobody else looked goes on where it was: its agent still runs.
#[test]
fn a_late_renewal_keeps_what_nobody_else_took() {
    let (mut w, claim) = running();
    w.advance_ms(10 * w.policy.lease_ms);
    assert_eq!(w.renew(&claim), [(claim.wake_id, false)]);
    assert_eq!(w.claim("other"), []);
    w.does_its_turn(&claim);
}

/// Its machine slept, or the server's clock was set: a supervisor that says that it has the wake still has its agent, and
/// is not given it a second time.
#[test]
fn a_supervisor_that_slept_keeps_what_it_holds() {
    for is_started in [true, false] {
        let mut w = World::pair();
        w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        let claim = w.claim_one("sup");
        if is_started {
            w.started(&claim).unwrap();
        }
        w.advance_ms(10 * w.policy.lease_ms);
        let holds = Some(BTreeSet::from([(claim.wake_id, claim.lease.fence)]));
        w.claimants.insert("sup".into(), Claimant { holds, ..Claimant::default() });
        let written = w.entries.len();
        assert_eq!(w.claim("sup"), []);
        assert_eq!(w.entries.len(), written);
        assert_eq!(w.claim("other"), [], "its lease goes on");
        assert_eq!(w.renew(&claim), [(claim.wake_id, false)]);
        if !is_started {
            w.started(&claim).unwrap();
        }
        w.does_its_turn(&claim);
        assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Triggered));
        assert_eq!(w.claim("sup"), [], "what is over is not held by being said to be");
    }
    // Another life holds nothing of it.
    let (mut w, claim) = running();
    let holds = Some(BTreeSet::from([(claim.wake_id, claim.lease.fence)]));
    w.claimants.insert("sup".into(), Claimant { holds, ..Claimant::default() });
    assert_eq!(w.claim_in("sup", "life-2", 32).len(), 1);
}

/// Before the process is started there is nothing to go on with: the claim is over when its time is.
#[test]
fn a_claim_that_ran_out_before_the_start_is_over() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    w.advance_past_lease();
    assert_eq!(w.renew(&claim), []);
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost);
    assert_eq!(w.claim_one("other").lease.fence, 2);
}

#[test]
fn a_new_life_of_the_same_supervisor_takes_over_at_once() {
    let (mut w, claim) = running();
    let taken = w.claim_in("sup", "life-2", 32);
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].wake_id, taken[0].lease.fence), (claim.wake_id, claim.lease.fence + 1));
    assert_eq!(refused(w.ended(&claim, Outcome::Exited { code: 0 })), Reason::LeaseLost);
    assert_eq!(w.renew(&claim), []);
}

/// The new life may get another wake of the agent than the old one held: the old claim must be over all the same.
#[test]
fn a_take_over_ends_every_claim_of_the_old_life() {
    let mut w = World::pair();
    w.post("olga", Post::chat("first").to(&["executor"])).unwrap();
    w.status("olga", Status::Blocked).unwrap();
    let first_thread = w.thread_id;
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.advance_ms(10);
    w.says("olga", "second");
    let old = w.claim_one("sup");
    w.thread_id = first_thread;
    w.status("olga", Status::Active).unwrap();
    let new = w.claim_in("sup", "life-2", 32);
    assert_eq!(new.len(), 1);
    assert_ne!(new[0].wake_id, old.wake_id, "the older wake comes first");
    assert_eq!(refused(w.started(&old)), Reason::LeaseLost);
    assert_eq!(w.renew(&old), []);
    assert!(w.started(&new[0]).is_ok());
}

/// Lose the supervisor as often as it may happen, without the last time.
fn lose_supervisors(w: &mut World, agents: usize) {
    for _ in 0..RELEASES_MAX {
        let claims = w.claim("sup");
        assert_eq!(claims.len(), agents);
        for claim in &claims {
            w.started(claim).unwrap();
        }
        w.advance_ms(w.policy.lease_ms);
    }
    for claim in w.claim("sup") {
        w.started(&claim).unwrap();
    }
    w.advance_ms(w.policy.lease_ms);
}

#[test]
fn what_kills_supervisors_does_not_for_ever() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    lose_supervisors(&mut w, 1);
    assert_eq!(w.claim("sup"), []);
    let [wake] = w.wakes_of("executor")[..] else { panic!() };
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Failed), Some(Reason::LeaseExpired)));
    assert_eq!(w.thread().reason, Some(Reason::WakeFailed));
    assert_eq!(w.rows.leases.len(), 0);
}

#[test]
fn giving_up_in_one_thread_blocks_it_once() {
    let mut w = World::pair();
    w.says("olga", "go, both of you");
    lose_supervisors(&mut w, 2);
    assert_eq!(w.claim("sup"), []);
    let changes = w.entries.last().unwrap().iter().filter(|e| matches!(e, Event::StatusChanged { .. }));
    assert_eq!(changes.count(), 1);
}

/// What a person does to everybody at once is in the ledger, with how much it hit.
#[test]
fn a_halt_is_an_entry() {
    let (mut w, _) = running();
    w.says("executor", "and one that waits");
    w.key = Some("halt".into());
    let done = w.give("olga", interlock_core::Command::HaltAgents).unwrap();
    assert_eq!(done.events, [Event::WorkspaceHalted { by: name("olga"), running: 1 }]);
    assert_eq!(done.reply, interlock_core::Reply::Halted(1));
    w.key = Some("halt".into());
    assert_eq!(w.give("olga", interlock_core::Command::HaltAgents).unwrap().reply, done.reply, "asked again");
    assert_eq!(w.entries.last().unwrap(), &done.events);
}

/// Until a person lets agents go on nothing is handed out and nothing is started; what ends meanwhile waits.
#[test]
fn while_agents_are_stopped_nothing_is_handed_out_or_started() {
    let resume = |since| interlock_core::Command::ResumeAgents { since };
    let mut w = World::pair();
    w.says("olga", "go, both of you");
    let claims = w.claim("sup");
    let (runs, claimed) = (&claims[0], &claims[1]);
    w.started(runs).unwrap();
    w.give("olga", interlock_core::Command::HaltAgents).unwrap();
    let since = w.rows.halt.as_ref().unwrap().at;
    assert_eq!(w.started(claimed).unwrap_err().reason, Reason::Halted);
    w.ended(runs, Outcome::Halted).unwrap();
    w.advance_past_lease();
    assert_eq!(w.claim_in("sup", "life-2", 8), []);
    let again = w.give("olga", interlock_core::Command::HaltAgents).unwrap();
    assert_eq!(
        (again.events.len(), again.reply),
        (0, interlock_core::Reply::Halted(0)),
        "twice is no change"
    );
    let other = w.give("olga", resume(Some(since.plus_ms(1)))).unwrap();
    assert_eq!(other.reply, interlock_core::Reply::Unchanged, "another halt is meant");
    let done = w.give("olga", resume(Some(since))).unwrap();
    assert_eq!(done.events, [Event::WorkspaceResumed { by: name("olga") }]);
    assert_eq!(w.give("olga", resume(None)).unwrap().events, []);
    assert_eq!(w.claim_in("sup", "life-2", 8).len(), 2);
}

/// A former process that does not end keeps the agent from starting: a person must hear of it some day.
#[test]
fn what_cannot_be_started_is_not_tried_for_ever() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    for _ in 0..RELEASES_MAX {
        let claim = w.claim_one("sup");
        assert_eq!(w.ended(&claim, Outcome::NotStarted).unwrap().kinds(), ["wake.released"]);
        assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::NotStarted));
    }
    let claim = w.claim_one("sup");
    w.ended(&claim, Outcome::NotStarted).unwrap();
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Failed), Some(Reason::NotStarted)));
    assert_eq!((wake.attempts, w.thread().reason), (0, Some(Reason::WakeFailed)));
    assert_eq!(w.thread().owner, Some(name("olga")));
    assert_eq!(w.rows.leases.len(), 0);
}

/// Whoever reads that a former process does not end looks for one. That somebody blocked the thread, or stopped all agents,
/// between claim and start is another story, is told as such, and uses nothing up.
#[test]
fn a_start_that_was_refused_says_why() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    for _ in 0..=RELEASES_MAX {
        let claim = w.claim_one("sup");
        w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
        assert_eq!(w.started(&claim).unwrap_err().reason, Reason::WakeWrongState);
        assert_eq!(w.ended(&claim, Outcome::NotStarted).unwrap().kinds(), ["wake.released"]);
        assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::HeldBack));
        w.status_for("olga", Status::Active, Reason::ByRequest, None).unwrap();
    }
    // The thread was blocked and let go again before the start: this claim may not start any more all the same.
    let claim = w.claim_one("sup");
    w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
    w.status_for("olga", Status::Active, Reason::ByRequest, None).unwrap();
    w.ended(&claim, Outcome::NotStarted).unwrap();
    assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::HeldBack));
    let claim = w.claim_one("sup");
    w.give("olga", interlock_core::Command::HaltAgents).unwrap();
    w.ended(&claim, Outcome::NotStarted).unwrap();
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.state, wake.reason), (WakeState::Pending, Some(Reason::Halted)));
    assert_eq!((wake.releases, wake.attempts), (0, 0));
}

#[test]
fn a_person_may_stop_agents_as_often_as_they_like() {
    let mut w = World::pair();
    w.policy.wakes_per_minute_max = 0;
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    for _ in 0..=RELEASES_MAX {
        let claim = w.run_one("sup");
        w.ended(&claim, Outcome::Halted).unwrap();
    }
    let [wake] = w.wakes_of("executor")[..] else { panic!() };
    assert_eq!((wake.state, wake.releases), (WakeState::Pending, 0));
}

/// Each thread gets its own announcement, with an id of its own.
#[test]
fn giving_up_in_several_threads_at_once() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.thread_id;
    w.open("olga", &[("reviewer", ThreadRole::Participant)]);
    w.says("olga", "you too");
    lose_supervisors(&mut w, 2);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(w.thread().status, Status::Blocked);
    w.thread_id = first;
    assert_eq!(w.thread().status, Status::Blocked);
}

/// An entry has a largest size: a claim that finds very many orphans takes them in portions.
#[test]
fn one_claim_releases_so_many_orphans_and_no_more() {
    let mut w = World::new();
    w.person("olga", interlock_core::actor::Role::Operator);
    let names: Vec<String> = (0..60).map(|n| format!("agent-{n:02}")).collect();
    for text in &names {
        w.agent(text).managed();
    }
    let all: Vec<_> = names.iter().map(|text| (text.as_str(), ThreadRole::Participant)).collect();
    w.open("olga", &all);
    w.says("olga", "all of you");
    let most = usize::try_from(CLAIM_WAKES_MAX).unwrap();
    for _ in 0..2 {
        for claim in w.claim("sup") {
            w.started(&claim).unwrap();
        }
    }
    w.advance_past_lease();
    let first = w.claim("other");
    assert_eq!((first.len(), w.entries.last().unwrap().len()), (most, most));
    let second = w.claim("other");
    assert_eq!((second.len(), w.entries.last().unwrap().len()), (60 - most, 60 - most));
}
