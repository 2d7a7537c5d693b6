//! Doors: which way an attempt goes, when a wake goes on through a lesser one, and when a session is given up.

use interlock_core::agent::Runtime;
use interlock_core::command::{ObserveSession, Report};
use interlock_core::id::{SessionId, WakeId};
use interlock_core::session::Observed;
use interlock_core::thread::ThreadRole;
use interlock_core::wake::{
    CAPABILITIES, Capability, Door, DoorChange, Evidence, Lane, Outcome, Repeat, TurnFault, WakeResult,
    WakeState,
};
use interlock_core::{Event, Reason};

use crate::world::{Claim, Done, Post, World};

const SESSION: SessionId = SessionId::from_u128(7);
const CRASHED: Outcome = Outcome::Exited { code: 1 };
const BUSY_MODEL: Outcome = Outcome::TurnFailed { fault: TurnFault::ModelUnavailable, reset_in_ms: None };

/// `executor` of this runtime in a thread of `olga`'s, with supervisors that know every door.
fn world(runtime: Runtime) -> World {
    let mut w = World::new();
    w.agent("executor").run_by(runtime);
    w.person("olga", interlock_core::actor::Role::Operator);
    w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.doors = Door::ALL.to_vec();
    w
}

/// The same, with a session from a first turn through the door that its supervisors knew then.
fn with_session(runtime: Runtime) -> World {
    let mut w = world(runtime);
    w.says("olga", "begin");
    let claim = w.run_one("sup");
    w.in_session(&claim, SESSION).unwrap();
    w.does_its_turn(&claim);
    w
}

/// An attempt that its runtime does not accept within its eight seconds.
fn goes_unaccepted(w: &mut World, door: Door) -> Done {
    let claim = w.claim_one("sup");
    assert_eq!(claim.lease.door, Some(door));
    w.started(&claim).unwrap();
    w.advance_ms(w.policy.accept_timeout_ms);
    w.ended(&claim, Outcome::NotAccepted).unwrap()
}

/// Nothing is due until exactly so many milliseconds have passed.
fn waits(w: &mut World, ms: i64) {
    w.advance_ms(ms - 1);
    assert_eq!(w.claim("sup"), [], "not a millisecond earlier than {ms}");
    w.advance_ms(1);
}

fn run(w: &mut World, door: Door) -> Claim {
    let claim = w.run_one("sup");
    assert_eq!(claim.lease.door, Some(door));
    claim
}

fn changes(w: &World, claim: &Claim) -> Vec<(Door, Door, Reason)> {
    w.wake(claim.wake_id).door_changes.iter().map(|one| (one.from, one.to, one.reason)).collect()
}

#[test]
fn every_runtime_has_its_doors_in_their_order() {
    let doors = |runtime| Capability::all_of(runtime).map(|one| one.door).collect::<Vec<_>>();
    assert_eq!(doors(Runtime::Codex), [Door::Live, Door::Resume, Door::Spawn]);
    assert_eq!(doors(Runtime::Claude), [Door::Resume, Door::Spawn]);
    assert_eq!(doors(Runtime::Command), [Door::Spawn]);
    assert_eq!(doors(Runtime::Unmanaged), []);
    for one in CAPABILITIES {
        assert_eq!(one.dies_with_supervisor, !one.door.outlives_supervisor(), "{one:?}");
        assert!(
            one.evidence.contains(&Evidence::Call),
            "the agent's own call proves acceptance through any: {one:?}"
        );
    }
    assert_eq!(Capability::of(Runtime::Codex, Door::Live).unwrap().repeat, Repeat::Checkable);
    assert_eq!(Capability::of(Runtime::Claude, Door::Resume).unwrap().repeat, Repeat::Refused);
}

#[test]
fn the_best_door_that_the_supervisor_knows_is_taken() {
    for (runtime, session, known, door) in [
        (Runtime::Codex, true, Door::ALL, Door::Live),
        (Runtime::Codex, false, Door::ALL, Door::Live),
        (Runtime::Codex, true, &Door::OF_EVERY_SUPERVISOR, Door::Resume),
        (Runtime::Codex, false, &Door::OF_EVERY_SUPERVISOR, Door::Spawn),
        (Runtime::Claude, true, Door::ALL, Door::Resume),
        (Runtime::Claude, false, Door::ALL, Door::Spawn),
        (Runtime::Command, false, Door::ALL, Door::Spawn),
    ] {
        let mut w = if session { with_session(runtime) } else { world(runtime) };
        w.doors = known.to_vec();
        w.says("olga", "go on");
        let claim = w.run_one("sup");
        assert_eq!(claim.lease.door, Some(door), "{runtime} {session}");
        let last = w.entries.last().unwrap();
        assert!(matches!(last.last(), Some(Event::WakeDispatched { door: Some(used), .. }) if *used == door));
        assert_eq!(w.wake(claim.wake_id).door, Some(door));
        assert_eq!(changes(&w, &claim), [], "what was never to be used is not left");
    }
}

/// S002-77 and S002-78, X5: the worst way to learn that a runtime does not accept takes 8 + 2 + 8 + 4 + 8 = 30 seconds.
#[test]
fn a_command_that_never_accepts_is_tried_three_times_in_thirty_seconds() {
    let mut w = world(Runtime::Command);
    w.says("olga", "begin");
    let began = w.now();
    assert_eq!(goes_unaccepted(&mut w, Door::Spawn).kinds(), ["wake.attempt_failed"]);
    waits(&mut w, 2_000);
    goes_unaccepted(&mut w, Door::Spawn);
    waits(&mut w, 4_000);
    let over = goes_unaccepted(&mut w, Door::Spawn);
    assert_eq!(w.now().ms_since(began), 30_000);
    assert_eq!(&over.kinds()[..2], ["wake.finished", "thread.status_changed"]);
    let owner = w.thread().owner.clone();
    assert_eq!((w.thread().reason, owner.unwrap().as_str()), (Some(Reason::WakeFailed), "olga"));
}

/// S002-84 and the whole way down: three through the live door, two resumes, then a fresh session.
#[test]
fn what_is_not_accepted_goes_on_from_door_to_door() {
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    let began = w.now();
    goes_unaccepted(&mut w, Door::Live);
    waits(&mut w, 2_000);
    goes_unaccepted(&mut w, Door::Live);
    waits(&mut w, 4_000);
    let left = goes_unaccepted(&mut w, Door::Live);
    assert_eq!(left.kinds(), ["wake.attempt_failed", "wake.door_changed"]);
    assert_eq!(w.now().ms_since(began), 30_000);

    goes_unaccepted(&mut w, Door::Resume);
    waits(&mut w, 2_000);
    let left = goes_unaccepted(&mut w, Door::Resume);
    assert_eq!(left.kinds(), ["wake.attempt_failed", "session.released", "wake.door_changed"]);
    assert_eq!(w.session("executor"), None);
    assert_eq!(w.now().ms_since(began), 30_000 + 18_000);

    let claim = run(&mut w, Door::Spawn);
    w.in_session(&claim, SessionId::from_u128(8)).unwrap();
    w.does_its_turn(&claim);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.attempts), (Some(WakeResult::FallbackSpawned), 6));
    assert_eq!(
        changes(&w, &claim),
        [(Door::Live, Door::Resume, Reason::NotAccepted), (Door::Resume, Door::Spawn, Reason::ResumeFailed),]
    );
}

#[test]
fn the_fresh_session_has_its_own_attempts_and_then_a_person_is_told() {
    let mut w = with_session(Runtime::Claude);
    w.says("olga", "go on");
    goes_unaccepted(&mut w, Door::Resume);
    waits(&mut w, 2_000);
    goes_unaccepted(&mut w, Door::Resume);
    goes_unaccepted(&mut w, Door::Spawn);
    waits(&mut w, 2_000);
    goes_unaccepted(&mut w, Door::Spawn);
    waits(&mut w, 4_000);
    let over = goes_unaccepted(&mut w, Door::Spawn);
    assert_eq!(&over.kinds()[..2], ["wake.finished", "thread.status_changed"]);
    assert!(w.thread().owner.is_some(), "somebody has to act");
    assert_eq!(w.thread().members[&crate::world::name("executor")].cursor, 1, "it stays unread");
}

#[test]
fn a_session_resumed_after_the_live_door_failed_has_a_label_of_its_own() {
    let mut w = with_session(Runtime::Codex);
    w.policy.wake_retries_max = 0;
    w.says("olga", "go on");
    goes_unaccepted(&mut w, Door::Live);
    let claim = run(&mut w, Door::Resume);
    w.in_session(&claim, SESSION).unwrap();
    w.does_its_turn(&claim);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::FallbackResumed));
}

#[test]
fn a_door_that_is_not_there_costs_no_attempt_and_no_time() {
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    let claim = w.claim_one("sup");
    let back = w.ended(&claim, Outcome::DoorUnavailable).unwrap();
    assert_eq!(back.kinds(), ["wake.door_changed", "wake.released"]);
    let claim = run(&mut w, Door::Resume);
    w.in_session(&claim, SESSION).unwrap();
    w.does_its_turn(&claim);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.attempts), (Some(WakeResult::Triggered), 1), "nothing has failed");
    assert_eq!(changes(&w, &claim), [(Door::Live, Door::Resume, Reason::DoorUnavailable)]);
}

/// A supervisor may find out right before the start, and go on without asking again: it says so, and that is recorded.
#[test]
fn the_next_door_may_be_used_at_once_when_the_report_says_so() {
    let through = |w: &mut World, claim: &Claim, door| {
        w.report(claim, Report::Started { lane: Lane::Trigger, door: Some(door) })
    };
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    let claim = w.claim_one("sup");
    let wrong = through(&mut w, &claim, Door::Spawn).unwrap_err();
    assert_eq!(wrong.reason, Reason::WakeWrongState, "there is a session to go on in");
    assert_eq!(
        through(&mut w, &claim, Door::Resume).unwrap().kinds(),
        ["wake.door_changed", "wake.dispatched"]
    );
    let change = w.wake(claim.wake_id).door_changes[0];
    let expected =
        DoorChange { from: Door::Live, to: Door::Resume, reason: Reason::DoorUnavailable, at: change.at };
    assert_eq!(change, expected);

    let mut w = with_session(Runtime::Claude);
    w.says("olga", "go on");
    let claim = w.claim_one("sup");
    let wrong = through(&mut w, &claim, Door::Spawn).unwrap_err();
    assert_eq!(wrong.reason, Reason::WakeWrongState, "a session is not left without a word");
}

#[test]
fn a_supervisor_that_lacks_the_door_of_the_attempt_before_leaves_it_in_writing() {
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    goes_unaccepted(&mut w, Door::Live);
    w.advance_ms(2_000);
    w.doors = Door::OF_EVERY_SUPERVISOR.to_vec();
    let claim = run(&mut w, Door::Resume);
    assert_eq!(changes(&w, &claim), [(Door::Live, Door::Resume, Reason::DoorUnavailable)]);
}

/// What fails after it was accepted fails through every door: it is tried again where it was, and never spawns.
#[test]
fn a_failure_after_acceptance_stays_in_its_door() {
    for outcome in [BUSY_MODEL, CRASHED, Outcome::Signalled { signal: 9 }, Outcome::RunTimeExceeded] {
        for (runtime, door) in [(Runtime::Codex, Door::Live), (Runtime::Claude, Door::Resume)] {
            let mut w = with_session(runtime);
            w.says("olga", "go on");
            for pause in [2_000, 4_000] {
                let claim = run(&mut w, door);
                w.in_session(&claim, SESSION).unwrap();
                assert_eq!(w.ended(&claim, outcome).unwrap().kinds(), ["wake.attempt_failed"]);
                waits(&mut w, pause);
            }
            let claim = run(&mut w, door);
            w.in_session(&claim, SESSION).unwrap();
            w.ended(&claim, outcome).unwrap();
            assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Failed), "{outcome:?}");
            assert_eq!(changes(&w, &claim), []);
            assert_eq!(w.session("executor"), Some(SESSION), "the session is kept");
        }
    }
}

#[test]
fn what_is_no_fault_of_the_door_does_not_use_it_up() {
    let mut w = with_session(Runtime::Codex);
    w.doors = Door::OF_EVERY_SUPERVISOR.to_vec();
    w.says("olga", "go on");
    let down = Outcome::TurnFailed { fault: TurnFault::ToolsUnavailable, reset_in_ms: None };
    for pause in [2_000, 4_000] {
        let claim = run(&mut w, Door::Resume);
        w.ended(&claim, down).unwrap();
        waits(&mut w, pause);
    }
    let claim = run(&mut w, Door::Resume);
    w.ended(&claim, down).unwrap();
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Failed));
    assert_eq!(w.session("executor"), Some(SESSION));
}

#[test]
fn a_session_that_is_gone_moves_on_at_once() {
    for runtime in [Runtime::Codex, Runtime::Claude] {
        let mut w = with_session(runtime);
        w.says("olga", "go on");
        let claim = w.run_one("sup");
        let door = claim.lease.door.unwrap();
        let gone = w.ended(&claim, Outcome::SessionGone).unwrap();
        assert_eq!(gone.kinds(), ["session.released", "wake.door_changed", "wake.released"]);
        let claim = run(&mut w, Door::Spawn);
        assert_eq!(w.wake(claim.wake_id).attempts, 1, "no attempt is lost");
        assert_eq!(changes(&w, &claim), [(door, Door::Spawn, Reason::SessionGone)]);
    }
}

/// S002-85: twelve hours resume, a moment more begins a fresh session. The time runs from the last sign of life.
#[test]
fn a_session_is_stale_after_twelve_hours_and_not_before() {
    const HALF_DAY: i64 = 12 * 60 * 60 * 1_000;
    for (ms, door) in [(HALF_DAY, Door::Resume), (HALF_DAY + 1, Door::Spawn), (HALF_DAY + 1_000, Door::Spawn)]
    {
        let mut w = with_session(Runtime::Claude);
        assert_eq!(w.policy.session_stale_ms, HALF_DAY);
        w.advance_ms(ms);
        w.says("olga", "good morning");
        let claim = run(&mut w, door);
        let is_stale = door == Door::Spawn;
        let change = (Door::Resume, Door::Spawn, Reason::SessionStale);
        assert_eq!(changes(&w, &claim), Vec::from_iter(is_stale.then_some(change)));
        assert_eq!(w.session("executor").is_some(), !is_stale);
        w.in_session(&claim, SESSION).unwrap();
        w.does_its_turn(&claim);
        let result = if is_stale { WakeResult::FallbackSpawned } else { WakeResult::Triggered };
        assert_eq!(w.wake(claim.wake_id).result, Some(result));
    }
}

#[test]
fn every_turn_moves_the_stale_cut_off() {
    let mut w = with_session(Runtime::Claude);
    let hours = |w: &mut World| w.advance_ms(w.policy.session_stale_ms - 1);
    for n in 0..3 {
        hours(&mut w);
        w.says("olga", "go on");
        let claim = run(&mut w, Door::Resume);
        match n {
            // Accepted by the agent's own call, without a word of its runtime.
            0 => {
                w.give("executor", interlock_core::Command::NoteCall { wake_id: claim.wake_id }).unwrap();
                let member = &w.thread().members[&claim.agent];
                assert_eq!(member.session_at, Some(w.now()));
            }
            _ => drop(w.in_session(&claim, SESSION).unwrap()),
        }
        w.does_its_turn(&claim);
    }
    // An attempt that was never accepted is none.
    hours(&mut w);
    w.says("olga", "go on");
    let claim = run(&mut w, Door::Resume);
    w.ended(&claim, Outcome::NotAccepted).unwrap();
    w.advance_ms(2_000);
    run(&mut w, Door::Spawn);
}

/// A person who works in the agent's session keeps it alive, whether it is open still or was closed since; another session
/// of the agent, and a supervisor's word that comes from before, say nothing of it.
#[test]
fn what_is_seen_in_a_session_moves_its_stale_cut_off() {
    let seen = |number: u128, last: Observed, ago_ms: u64| {
        let mut w = with_session(Runtime::Claude);
        w.advance_ms(w.policy.session_stale_ms - 1_000);
        w.sees("executor", number, Observed::HumanPrompt);
        w.observes("executor", &ObserveSession { ago_ms, ..World::sight("executor", number, last) }).unwrap();
        w.advance_ms(w.policy.session_stale_ms);
        w.says("olga", "go on");
        w
    };
    for last in [Observed::TurnEnded, Observed::Closed] {
        let mut w = seen(7, last, 0);
        run(&mut w, Door::Resume);
        assert_eq!(w.session("executor"), Some(SESSION));
        let mut w = seen(7, last, 0);
        w.advance_ms(1);
        run(&mut w, Door::Spawn);
        let mut w = seen(8, last, 0);
        run(&mut w, Door::Spawn);
    }
}

/// Three failed attempts of a session within a quarter of an hour: a new wake does not resume it.
#[test]
fn a_session_that_crashes_again_and_again_is_left() {
    let fails_for_good = |w: &mut World, outcome: Outcome| {
        w.says("olga", "go on");
        for pause in [2_000, 4_000, 1] {
            let claim = run(w, Door::Resume);
            w.in_session(&claim, SESSION).unwrap();
            w.ended(&claim, outcome).unwrap();
            w.advance_ms(pause);
        }
        w.status("olga", interlock_core::thread::Status::Active).unwrap();
    };
    let last = 1;
    for (outcome, later, door) in [
        (CRASHED, 0, Door::Spawn),
        // The first of the three was 6,000 ms before the last.
        (CRASHED, 900_000 - 6_000 - last, Door::Spawn),
        (CRASHED, 900_000 - 6_000 - last + 1, Door::Resume),
        (BUSY_MODEL, 0, Door::Resume),
    ] {
        let mut w = with_session(Runtime::Claude);
        fails_for_good(&mut w, outcome);
        w.advance_ms(later);
        w.says("olga", "and now?");
        let claim = run(&mut w, door);
        let change = (Door::Resume, Door::Spawn, Reason::CrashLoop);
        let is_left = door == Door::Spawn;
        assert_eq!(changes(&w, &claim), Vec::from_iter(is_left.then_some(change)), "{outcome:?} {later}");
    }
}

#[test]
fn a_good_turn_ends_a_crash_loop() {
    let mut w = with_session(Runtime::Claude);
    w.says("olga", "go on");
    for n in 0..2 {
        let claim = run(&mut w, Door::Resume);
        w.in_session(&claim, SESSION).unwrap();
        w.ended(&claim, CRASHED).unwrap();
        w.advance_ms(2_000 << n);
    }
    let claim = run(&mut w, Door::Resume);
    w.does_its_turn(&claim);
    assert_eq!(w.thread().members[&claim.agent].session_failures, []);
    w.says("olga", "go on");
    run(&mut w, Door::Resume);
}

/// So many sessions begun in the place of others run at once; the next wake waits for one of them, for as long as it takes.
#[test]
fn fallbacks_that_run_at_once_are_limited_and_others_wait() {
    let mut w = World::new();
    w.person("olga", interlock_core::actor::Role::Operator);
    w.policy.fallbacks_running_max = 2;
    let names = ["a", "b", "c", "d"];
    for text in names {
        w.agent(text).run_by(Runtime::Claude);
    }
    w.open("olga", &names.map(|text| (text, ThreadRole::Participant)));
    w.says("olga", "begin");
    for claim in w.claim("sup") {
        w.started(&claim).unwrap();
        w.in_session(&claim, SESSION).unwrap();
        w.does_its_turn(&claim);
    }
    w.advance_ms(w.policy.session_stale_ms + 1);
    // A fresh agent is no fallback.
    w.agent("e").run_by(Runtime::Claude);
    w.adds("olga", "e", ThreadRole::Participant).unwrap();
    w.says("olga", "good morning");
    let first = w.claim("sup");
    assert_eq!(first.len(), 3);
    assert!(first.iter().any(|claim| claim.agent.as_str() == "e"), "{first:?}");
    for claim in &first {
        w.started(claim).unwrap();
    }
    let waiting = |w: &World| {
        let waits = |wake: &&interlock_core::wake::Wake| wake.reason == Some(Reason::FallbackLimit);
        w.rows.wakes.values().filter(waits).count()
    };
    assert_eq!(waiting(&w), 2);
    let written = w.entries.len();
    w.advance_ms(w.policy.lease_ms - 1);
    assert_eq!(w.claim("sup"), []);
    assert_eq!(w.entries.len(), written, "waiting is said once");
    let fresh = first.iter().find(|claim| claim.agent.as_str() == "e").unwrap();
    w.does_its_turn(fresh);
    assert_eq!(w.claim("sup"), [], "it was no fallback");
    let fallback = first.iter().find(|claim| claim.agent.as_str() != "e").unwrap();
    w.does_its_turn(fallback);
    let next = w.claim_one("sup");
    assert_eq!(w.wake(next.wake_id).attempts, 0, "no attempt is lost by waiting");
}

// In doubt.

/// A turn begun in a server of the runtime, whose supervisor is gone.
fn gone_while_live() -> (World, Claim) {
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    let claim = run(&mut w, Door::Live);
    w.in_session(&claim, SESSION).unwrap();
    (w, claim)
}

#[test]
fn the_next_life_of_the_supervisor_gets_it_back_and_looks() {
    let (mut w, claim) = gone_while_live();
    let mut again = w.claim_in("sup", "life-2", 8);
    let again = again.remove(0);
    assert_eq!(
        (again.wake_id, again.lease.is_in_doubt, again.lease.door),
        (claim.wake_id, true, Some(Door::Live))
    );
    assert!(matches!(
        w.entries.last().unwrap()[0],
        Event::WakeReleased { is_in_doubt: true, reason: Reason::LeaseExpired, .. }
    ));
    assert!(w.wake(claim.wake_id).in_doubt_since.is_some());
    w.started(&again).unwrap();
    assert_eq!(w.wake(claim.wake_id).in_doubt_since, None, "it was found, and is followed");
    w.does_its_turn(&again);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.attempts), (Some(WakeResult::Triggered), 1));
}

#[test]
fn when_even_that_life_cannot_tell_a_person_is_told() {
    let (mut w, claim) = gone_while_live();
    let again = w.claim_in("sup", "life-2", 8).remove(0);
    let over = w.ended(&again, Outcome::InDoubt).unwrap();
    assert_eq!(&over.kinds()[..2], ["wake.finished", "thread.status_changed"]);
    unknown(&w, &claim);
}

#[test]
fn what_is_proved_to_be_dead_goes_on_through_the_next_door() {
    let (mut w, claim) = gone_while_live();
    let again = w.claim_in("sup", "life-2", 8).remove(0);
    w.ended(&again, Outcome::DoorUnavailable).unwrap();
    let next = w.claim_in("sup", "life-2", 8).remove(0);
    assert_eq!((next.wake_id, next.lease.is_in_doubt), (claim.wake_id, false));
    assert_eq!(next.lease.door, Some(Door::Resume));
}

/// Another supervisor cannot look. It waits for the one that can, and then says that it is not known.
#[test]
fn another_supervisor_does_not_begin_it_a_second_time() {
    let (mut w, claim) = gone_while_live();
    w.advance_ms(w.policy.lease_ms + w.policy.takeover_grace_ms - 1);
    assert_eq!(w.claim("other"), []);
    assert_eq!(w.wake(claim.wake_id).state, WakeState::Running);
    w.advance_ms(1);
    assert_eq!(w.claim("other"), []);
    unknown(&w, &claim);
    assert_eq!(w.claim_in("sup", "life-2", 8), [], "what is over is over");
}

#[test]
fn a_life_that_dies_before_it_has_looked_is_waited_for_as_long() {
    let (mut w, claim) = gone_while_live();
    let again = w.claim_in("sup", "life-2", 8).remove(0);
    assert!(again.lease.is_in_doubt);
    let patience = w.policy.lease_ms + w.policy.takeover_grace_ms;
    w.advance_ms(patience - 1);
    assert_eq!(w.claim("other"), []);
    let third = w.claim_in("sup", "life-3", 8).remove(0);
    assert!(third.lease.is_in_doubt, "it is in doubt until somebody has looked");
    w.advance_ms(patience);
    assert_eq!(w.claim("other"), []);
    unknown(&w, &claim);
}

/// A person may stop all agents before anybody has looked: it is in doubt after that as before.
#[test]
fn doubt_lasts_until_somebody_has_looked() {
    for outcome in [Outcome::Halted, Outcome::NotStarted] {
        let (mut w, claim) = gone_while_live();
        let again = w.claim_in("sup", "life-2", 8).remove(0);
        w.ended(&again, outcome).unwrap();
        assert_eq!(w.claim("other"), [], "{outcome:?}");
        let third = w.claim_in("sup", "life-2", 8).remove(0);
        assert_eq!((third.wake_id, third.lease.is_in_doubt), (claim.wake_id, true), "{outcome:?}");
    }
}

/// A session that stays busy may be busy with the very turn that is in doubt: no fresh one is begun beside it.
#[test]
fn what_is_in_doubt_never_goes_on_beside_a_busy_session() {
    let (mut w, claim) = gone_while_live();
    for _ in 0..=12 {
        let again = w.claim_in("sup", "life-2", 8).remove(0);
        w.ended(&again, Outcome::SessionBusy).unwrap();
        w.advance_ms(w.policy.session_recheck_ms);
    }
    unknown(&w, &claim);
    assert_eq!(w.session("executor"), Some(SESSION));
}

fn unknown(w: &World, claim: &Claim) {
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Unknown), Some(Reason::WakeInDoubt)));
    let thread = w.thread();
    assert_eq!((thread.reason, thread.owner.as_ref().unwrap().as_str()), (Some(Reason::WakeInDoubt), "olga"));
    assert_eq!(thread.members[&claim.agent].cursor, 1, "what it was for stays unread");
}

/// Agents under the shim die with their supervisor: their wakes are begun again.
#[test]
fn what_dies_with_its_supervisor_is_never_in_doubt() {
    for runtime in [Runtime::Command, Runtime::Claude] {
        let mut w = world(runtime);
        w.says("olga", "begin");
        let claim = run(&mut w, Door::Spawn);
        w.advance_past_lease();
        let again = w.claim_one("other");
        assert_eq!((again.wake_id, again.lease.is_in_doubt), (claim.wake_id, false));
    }
}

/// The process of a former attempt may still speak; what it says is not this attempt's.
#[test]
fn a_token_of_a_claim_that_is_over_changes_nothing() {
    let mut w = world(Runtime::Command);
    w.says("olga", "begin");
    let first = run(&mut w, Door::Spawn);
    let of = |claim: &Claim| (Some(claim.wake_id), Some(claim.lease.fence));
    in_process(&mut w, of(&first), |w| drop(w.says("executor", "I am at it")));
    w.ended(&first, CRASHED).unwrap();
    let is_refused = |w: &mut World| {
        assert_eq!(w.post("executor", Post::chat("late")).unwrap_err().reason, Reason::LeaseLost);
        assert_eq!(w.ack("executor", 1).unwrap_err().reason, Reason::LeaseLost);
    };
    in_process(&mut w, of(&first), is_refused);
    w.advance_ms(2_000);
    let second = w.claim_one("sup");
    w.started(&second).unwrap();
    in_process(&mut w, of(&first), is_refused);
    let call = interlock_core::Command::NoteCall { wake_id: second.wake_id };
    let calls = |w: &mut World| w.give("executor", call.clone()).unwrap().kinds();
    in_process(&mut w, of(&first), |w| assert_eq!(calls(w), [""; 0], "it proves nothing of the new attempt"));
    in_process(&mut w, of(&second), |w| assert_eq!(calls(w), ["wake.accepted"]));
    in_process(&mut w, of(&second), |w| drop(w.says("executor", "here is the answer")));
    w.does_its_turn(&second);
    in_process(&mut w, of(&second), is_refused);
    // Tokens from before claims were told apart hold as they did.
    in_process(&mut w, (Some(second.wake_id), None), |w| drop(w.says("executor", "as before")));
}

/// What the process with this token says: of a wake, and of a claim of it.
fn in_process(w: &mut World, token: (Option<WakeId>, Option<u64>), says: impl FnOnce(&mut World)) {
    (w.acting, w.fence) = token;
    says(w);
    (w.acting, w.fence) = (None, None);
}

/// As a server loads the session it shakes hands with our tools: that is before anything was sent, and no answer to it. And
/// whoever was to look for what may go on, and did not come to it, leaves the doubt to the next claim.
#[test]
fn through_the_live_door_a_call_counts_from_the_start_on_and_a_doubt_stays_until_somebody_looked() {
    let mut w = with_session(Runtime::Codex);
    w.says("olga", "go on");
    let claim = w.claim_one("sup");
    assert_eq!(claim.lease.door, Some(Door::Live));
    let call = interlock_core::command::Command::NoteCall { wake_id: claim.wake_id };
    w.acting = Some(claim.wake_id);
    assert_eq!(w.give("executor", call.clone()).unwrap().events, []);
    assert_eq!(w.started(&claim).unwrap().kinds(), ["wake.dispatched"], "not accepted by its handshake");
    assert_eq!(w.give("executor", call).unwrap().kinds(), ["wake.accepted"]);
    w.acting = None;
    for outcome in [Outcome::Halted, Outcome::NotStarted] {
        let again = w.claim_in("sup", &format!("life after {outcome:?}"), 1).remove(0);
        assert!(again.lease.is_in_doubt, "{outcome:?}");
        w.ended(&again, outcome).unwrap();
        assert!(w.wake(again.wake_id).in_doubt_since.is_some(), "{outcome:?}");
    }
    let again = w.claim_in("sup", "the last life", 1).remove(0);
    assert!(again.lease.is_in_doubt);
    w.ended(&again, Outcome::DoorUnavailable).unwrap();
    assert_eq!(w.wake(again.wake_id).in_doubt_since, None, "its server is gone, and the turn with it");
}

/// What people read of the doors is what the rules know of them.
#[test]
fn the_table_of_the_documentation_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runtimes.md");
    let text = std::fs::read_to_string(path).unwrap();
    let is_row = |line: &&str| line.starts_with("| `") && line.matches('|').count() == 7;
    let found: Vec<&str> = text.lines().filter(is_row).collect();
    let yes = |is: bool| if is { "yes" } else { "no" };
    let row = |one: &Capability| {
        let evidence: Vec<&str> = one.evidence.iter().map(|evidence| evidence.as_str()).collect();
        format!(
            "| `{}` | `{}` | {} | {} | {} | {} |",
            one.runtime,
            one.door,
            evidence.join(", "),
            yes(one.sees_human),
            one.repeat,
            yes(one.dies_with_supervisor)
        )
    };
    assert_eq!(found, CAPABILITIES.iter().map(row).collect::<Vec<_>>());
}
