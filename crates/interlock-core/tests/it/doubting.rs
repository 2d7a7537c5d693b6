//! Turns that may go on although whoever began them is gone: until somebody has looked, their agent is busy, nobody says
//! that they are over, and nothing is begun in their place.

use interlock_core::actor::Role;
use interlock_core::agent::Runtime;
use interlock_core::command::{ClaimWakes, ObserveSession};
use interlock_core::id::{SessionId, ThreadId};
use interlock_core::session::Observed;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Claimant, Door, Lane, Outcome, RELEASES_MAX, Wake, WakeResult, WakeState};
use interlock_core::{Command, Reason, Reply};

use crate::refused;
use crate::world::{Claim, Post, World};

const SESSION: SessionId = SessionId::from_u128(7);
const QUIET_MS: i64 = 20_000;

/// The executor works through the live door when its supervisor dies; what it does may go on.
struct Doubt {
    w: World,
    /// The claim of the life that died.
    claim: Claim,
    thread: ThreadId,
}

fn doubt() -> Doubt {
    let mut w = World::new().calm();
    w.agent("executor").run_by(Runtime::Codex);
    w.person("olga", Role::Operator);
    let thread = w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.doors = Door::ALL.to_vec();
    w.says("olga", "begin");
    let claim = w.run_one("sup");
    w.in_session(&claim, SESSION).unwrap();
    assert_eq!(w.wake(claim.wake_id).door, Some(Door::Live));
    Doubt { w, claim, thread }
}

impl Doubt {
    fn wake(&self) -> &Wake {
        self.w.wake(self.claim.wake_id)
    }

    /// What the next life of the supervisor is given.
    fn next_life(&mut self) -> Vec<Claim> {
        self.w.claim_in("sup", "life-2", 32)
    }

    /// The next life is given it, and only it, to look what became of it.
    #[track_caller]
    fn looks(&mut self) -> Claim {
        let mut given = self.next_life();
        assert_eq!(given.len(), 1, "{given:?}");
        let claim = given.remove(0);
        assert_eq!((claim.wake_id, claim.lease.is_in_doubt), (self.claim.wake_id, true));
        claim
    }

    /// Nobody has looked, and it waits for whoever will.
    fn waiting() -> Self {
        let mut doubt = doubt();
        let claim = doubt.looks();
        doubt.w.ended(&claim, Outcome::NotStarted).unwrap();
        doubt
    }

    /// The session is busy: it is looked at again in a while.
    fn put_off() -> Self {
        let mut doubt = doubt();
        let claim = doubt.looks();
        doubt.w.ended(&claim, Outcome::SessionBusy).unwrap();
        doubt
    }

    /// Something urgent for the same agent in another thread.
    fn asked_elsewhere(&mut self) {
        self.w.open("olga", &[("executor", ThreadRole::Participant)]);
        self.w.post("olga", Post::chat("at once").urgent()).unwrap();
        self.w.thread_id = self.thread;
    }

    #[track_caller]
    fn ends_as(&self, result: WakeResult) {
        assert_eq!(self.wake().result, Some(result), "{:?}", self.wake());
    }
}

/// Whatever else there is for its agent, and however urgent: what may go on is looked for before anything is begun.
#[test]
fn an_agent_whose_turn_may_go_on_is_not_started_elsewhere() {
    let mut day = doubt();
    day.asked_elsewhere();
    assert_eq!(day.looks().agent.as_str(), "executor");
    // While it is not looked at yet, because its session is in use.
    let mut day = Doubt::put_off();
    day.asked_elsewhere();
    assert_eq!(day.next_life(), []);
    assert_eq!(day.w.claim("other"), []);
    day.w.advance_ms(day.w.policy.session_recheck_ms);
    let claim = day.looks();
    day.w.started(&claim).unwrap();
    day.w.does_its_turn(&claim);
    assert_eq!(day.next_life().len(), 1, "and then the other");
}

/// A claim for the other wake that was made in spite of all starts nothing.
#[test]
fn nothing_is_started_beside_what_may_go_on() {
    let mut day = doubt();
    day.asked_elsewhere();
    let mut other = day.looks();
    day.w.ended(&other, Outcome::NotStarted).unwrap();
    let wakes = day.w.pending_of("executor");
    other.wake_id = wakes.iter().find(|wake| wake.wake_id != day.claim.wake_id).unwrap().wake_id;
    other.lease.wake_id = other.wake_id;
    other.lease.is_in_doubt = false;
    day.w.rows.leases.insert(other.wake_id, other.lease.clone());
    assert_eq!(refused(day.w.started(&other)), Reason::LeaseLost);
}

/// To look begins nothing, so no guard and no pause puts it off; what is found is no start either.
#[test]
fn neither_guards_nor_a_pause_keep_anybody_from_looking() {
    for is_paused in [false, true] {
        let mut day = doubt();
        day.w.policy.wakes_per_minute_max = 1;
        day.w.policy.agents_running_max = 1;
        day.asked_elsewhere();
        if is_paused {
            day.w.status("olga", Status::Blocked).unwrap();
        }
        let claim = day.looks();
        day.w.started(&claim).unwrap();
        assert_eq!(day.wake().state, WakeState::Running);
        day.w.does_its_turn(&claim);
        day.ends_as(WakeResult::Triggered);
    }
}

/// Agents' storms are no reason not to look.
#[test]
fn a_storm_does_not_put_off_the_look() {
    let mut w = World::new().calm();
    for text in ["executor", "second"] {
        w.agent(text).run_by(Runtime::Codex);
    }
    w.agent("lead").managed();
    w.person("olga", Role::Operator);
    let names = [
        ("executor", ThreadRole::Participant),
        ("second", ThreadRole::Participant),
        ("lead", ThreadRole::Coordinator),
    ];
    w.open("olga", &names);
    w.doors = Door::ALL.to_vec();
    w.post("lead", Post::chat("begin").to(&["executor", "second"])).unwrap();
    for claim in w.claim("sup") {
        w.started(&claim).unwrap();
        assert!(w.wake(claim.wake_id).chain.is_some(), "an agent asked for it");
    }
    w.policy.backlog_wakes_max = 1;
    let looks = w.claim_in("sup", "life-2", 32);
    assert_eq!(looks.len(), 2);
    assert!(looks.iter().all(|claim| claim.lease.is_in_doubt));
}

/// That nothing runs is said of what was to be looked for, and of nothing else.
#[test]
fn what_runs_is_not_said_not_to() {
    let mut day = doubt();
    assert_eq!(refused(day.w.ended(&day.claim.clone(), Outcome::NotRunning)), Reason::WakeWrongState);
    let claim = day.looks();
    assert_eq!(refused(day.w.ended(&day.claim.clone(), Outcome::NotRunning)), Reason::LeaseLost);
    day.w.started(&claim).unwrap();
    assert_eq!(refused(day.w.ended(&claim, Outcome::NotRunning)), Reason::WakeWrongState);
}

/// The thread is paused while it is looked for: the look goes on, and is told when a person ends the wake.
#[test]
fn a_pause_and_a_persons_word_come_while_it_is_looked_for() {
    let mut day = doubt();
    let claim = day.looks();
    day.w.status("olga", Status::Blocked).unwrap();
    assert_eq!(day.w.renew(&claim), [(claim.wake_id, true)]);
    day.w.ends("olga", claim.wake_id).unwrap();
    let stops = |day: &mut Doubt| {
        let command = ClaimWakes {
            supervisor: "sup".into(),
            incarnation: "life-2".into(),
            limit: 8,
            lane: Lane::Poll,
            claimant: Claimant::default(),
            doors: Door::ALL.to_vec(),
        };
        day.w.give_as("sup", Role::Supervisor, Command::ClaimWakes(command)).unwrap().reply
    };
    assert_eq!(stops(&mut day), Reply::ToStop(vec![claim.wake_id]));
    day.w.started(&claim).unwrap();
    day.w.ended(&claim, Outcome::Halted).unwrap();
    day.ends_as(WakeResult::Cancelled);
    // Nobody is told who has given it back.
    let mut day = doubt();
    let claim = day.looks();
    day.w.ended(&claim, Outcome::SessionBusy).unwrap();
    day.w.ends("olga", claim.wake_id).unwrap();
    assert_eq!(stops(&mut day), Reply::Claimed(Vec::new()));
}

/// Nobody can say that it was ended before somebody has looked; then it is what they found.
#[test]
fn a_person_ends_it_and_the_one_that_looks_sees_to_it() {
    for (outcome, result) in [
        (Outcome::InDoubt, WakeResult::Unknown),
        (Outcome::NotRunning, WakeResult::Cancelled),
        (Outcome::DoorUnavailable, WakeResult::Cancelled),
        (Outcome::SessionGone, WakeResult::Cancelled),
    ] {
        for mut day in [Doubt::waiting(), Doubt::put_off()] {
            assert_eq!(day.w.ends("olga", day.claim.wake_id).unwrap().kinds(), ["wake.cancel_requested"]);
            assert_eq!(refused(day.w.retries("olga", day.claim.wake_id)), Reason::WakeWrongState);
            day.w.advance_ms(day.w.policy.session_recheck_ms);
            let claim = day.looks();
            day.w.ended(&claim, outcome).unwrap();
            day.ends_as(result);
        }
    }
    // It runs: it is stopped like any other.
    let mut day = Doubt::waiting();
    day.w.ends("olga", day.claim.wake_id).unwrap();
    let claim = day.looks();
    day.w.started(&claim).unwrap();
    assert_eq!(day.wake().state, WakeState::Running);
    day.w.ended(&claim, Outcome::Halted).unwrap();
    day.ends_as(WakeResult::Cancelled);
    // Whoever can look does not come back.
    let mut day = Doubt::waiting();
    day.w.ends("olga", day.claim.wake_id).unwrap();
    day.w.advance_past_lease();
    assert_eq!(day.w.claim("other"), []);
    day.ends_as(WakeResult::Unknown);
    assert_eq!(day.w.thread().reason, Some(Reason::WakeInDoubt));
}

/// Ended while it ran, and then its supervisor died: its next life ends what it finds.
#[test]
fn a_turn_that_was_to_end_when_its_supervisor_died_is_looked_for() {
    let mut day = doubt();
    day.w.ends("olga", day.claim.wake_id).unwrap();
    day.w.says("olga", "something else");
    let claim = day.looks();
    day.w.ended(&claim, Outcome::DoorUnavailable).unwrap();
    day.ends_as(WakeResult::Cancelled);
    let next = day.next_life().remove(0);
    assert_ne!(next.wake_id, day.claim.wake_id, "what was said meanwhile has a wake of its own");
    assert!(!next.lease.is_in_doubt);
}

/// What is asked for while it is being ended is not covered by it.
#[test]
fn what_is_said_to_somebody_whose_turn_is_being_ended_is_not_lost() {
    let mut day = Doubt::waiting();
    day.w.ends("olga", day.claim.wake_id).unwrap();
    day.w.says("olga", "something else");
    assert_eq!(day.w.pending_of("executor").len(), 2);
    let claim = day.looks();
    day.w.ended(&claim, Outcome::DoorUnavailable).unwrap();
    assert_eq!(day.next_life().len(), 1);
}

/// That its thread has ended, that its agent left, that its messages are over: none of that ends what may go on.
#[test]
fn whatever_becomes_of_its_reason_it_is_looked_for() {
    let closed: fn(&mut Doubt) = |day| drop(day.w.status("olga", Status::Closed).unwrap());
    let removed: fn(&mut Doubt) = |day| drop(day.w.removes("olga", "executor").unwrap());
    let withdrawn: fn(&mut Doubt) = |day| {
        let message = day.w.rows.messages[&(day.thread, 1)].0.head.message_id;
        day.w.cancels("olga", message).unwrap();
    };
    let read: fn(&mut Doubt) = |day| drop(day.w.ack("executor", 1).unwrap());
    for (n, happens) in [closed, removed, withdrawn, read].into_iter().enumerate() {
        for is_released in [false, true] {
            let mut day = if is_released { Doubt::waiting() } else { doubt() };
            day.asked_elsewhere();
            happens(&mut day);
            assert_eq!(day.wake().result, None, "{n}");
            let claim = day.looks();
            day.w.ended(&claim, Outcome::DoorUnavailable).unwrap();
            if n < 3 {
                day.ends_as(WakeResult::Superseded);
            }
        }
    }
}

#[test]
fn messages_that_are_over_do_not_end_it_either() {
    let mut w = World::new().calm();
    w.agent("executor").run_by(Runtime::Codex);
    w.person("olga", Role::Operator);
    let thread = w.open("olga", &[("executor", ThreadRole::Participant)]);
    w.doors = Door::ALL.to_vec();
    w.post("olga", Post::chat("begin").expires_in(1_000)).unwrap();
    let claim = w.run_one("sup");
    let mut day = Doubt { w, claim, thread };
    day.w.advance_ms(1_000);
    let claim = day.looks();
    day.w.ended(&claim, Outcome::NotStarted).unwrap();
    let claim = day.looks();
    day.w.ended(&claim, Outcome::DoorUnavailable).unwrap();
    day.ends_as(WakeResult::Expired);
}

/// Its own session may be told what waits; that says nothing of the turn that may go on.
#[test]
fn a_hook_does_not_put_off_the_look() {
    let mut day = Doubt::waiting();
    let threads = vec![day.thread];
    let seen = ObserveSession { threads, ..World::sight("executor", 7, Observed::TurnEnded) };
    day.w.observes("executor", &seen).unwrap();
    day.looks();
}

/// Through another door nothing is begun on a claim that was made to look.
#[test]
fn a_look_starts_nothing_else() {
    let mut day = doubt();
    let claim = day.looks();
    let report = interlock_core::command::Report::Started { lane: Lane::Trigger, door: Some(Door::Resume) };
    assert_eq!(refused(day.w.report(&claim, report)), Reason::WakeWrongState);
}

/// While all are stopped nobody can look; who died with a process under its hand has lost it all the same.
#[test]
fn while_all_are_stopped_what_is_lost_is_said_to_be_lost() {
    let mut w = World::pair();
    w.says("olga", "go, both of you");
    let claims = w.claim("sup");
    for claim in &claims {
        w.started(claim).unwrap();
    }
    w.ends("olga", claims[0].wake_id).unwrap();
    w.give("olga", Command::HaltAgents).unwrap();
    assert_eq!(w.claim_in("sup", "life-2", 8), []);
    assert_eq!(w.wake(claims[0].wake_id).result, Some(WakeResult::Cancelled));
    assert_eq!(w.wake(claims[1].wake_id).state, WakeState::Pending);
    w.give("olga", Command::ResumeAgents { since: None }).unwrap();
    assert_eq!(w.claim_in("sup", "life-2", 8).len(), 1);
    // What may go on stays as it is until somebody may look.
    let mut day = doubt();
    day.w.give("olga", Command::HaltAgents).unwrap();
    assert_eq!(day.next_life(), []);
    day.w.advance_past_lease();
    assert_eq!(day.w.claim("other"), []);
    assert_eq!(day.wake().result, None);
    day.w.give("olga", Command::ResumeAgents { since: None }).unwrap();
    day.looks();
}

/// The person who sits there has the same quiet time as ever before anything is begun.
#[test]
fn what_does_not_run_is_begun_like_anything_else() {
    for outcome in [Outcome::NotRunning, Outcome::DoorUnavailable] {
        let mut day = doubt();
        let claim = day.looks();
        day.w.sees("executor", 7, Observed::HumanPrompt);
        day.w.sees("executor", 7, Observed::TurnEnded);
        day.w.ended(&claim, outcome).unwrap();
        assert_eq!(day.wake().attempts, 0, "no attempt is lost");
        assert_eq!(day.next_life(), []);
        assert_eq!(day.wake().reason, Some(Reason::HumanActive));
        day.w.advance_ms(QUIET_MS);
        let next = day.next_life().remove(0);
        let door = if outcome == Outcome::NotRunning { Door::Live } else { Door::Resume };
        assert_eq!((next.lease.is_in_doubt, next.lease.door), (false, Some(door)));
    }
    // In a thread that is paused it is not begun at all, and anybody may begin it.
    let mut day = doubt();
    day.w.status("olga", Status::Blocked).unwrap();
    let claim = day.looks();
    day.w.ended(&claim, Outcome::NotRunning).unwrap();
    assert_eq!(day.next_life(), []);
    day.w.status("olga", Status::Active).unwrap();
    assert_eq!(day.w.claim("other").len(), 1);
}

/// Whatever keeps it from running, it does not for ever.
#[test]
fn what_is_lost_again_and_again_is_given_up() {
    let mut day = doubt();
    for n in 0..=RELEASES_MAX {
        let claim = day.w.claim_in("sup", &format!("life {n}"), 1).remove(0);
        if claim.lease.is_in_doubt {
            day.w.ended(&claim, Outcome::NotStarted).unwrap();
        }
        if day.wake().result.is_some() {
            break;
        }
    }
    day.ends_as(WakeResult::Unknown);
    let mut day = doubt();
    while let Some(claim) = day.next_life().pop() {
        if claim.lease.is_in_doubt {
            day.w.ended(&claim, Outcome::NotRunning).unwrap();
        } else {
            day.w.started(&claim).unwrap();
            day.w.advance_ms(day.w.policy.lease_ms);
        }
    }
    day.ends_as(WakeResult::Unknown);
}

/// However often its supervisor is lost, a turn has no more time than one that is followed from its beginning.
#[test]
fn a_turn_that_is_found_has_the_time_that_is_left_of_its_own() {
    let mut day = doubt();
    let whole = day.w.policy.run_ms_max;
    let left = |day: &Doubt, claim: &Claim| day.wake().run_ms_left(&day.w.policy, &claim.lease, day.w.now());
    let first = day.claim.clone();
    day.w.advance_ms(10_000);
    assert_eq!(left(&day, &first), whole, "the time of a claim that begins it is told when it is handed out");
    for (n, gone) in [(1, 10_000), (2, 30_000), (3, 50_000)] {
        let claim = day.w.claim_in("sup", &format!("life {n}"), 1).remove(0);
        assert_eq!((claim.lease.is_in_doubt, left(&day, &claim)), (true, whole - gone), "{n}");
        day.w.started(&claim).unwrap();
        day.w.advance_ms(20_000);
    }
    // Nobody has looked for longer than it may run, and a clock was set back.
    let claim = day.w.claim_in("sup", "life 4", 1).remove(0);
    day.w.advance_ms(whole);
    assert_eq!(left(&day, &claim), 0);
    day.w.advance_ms(-2 * whole);
    assert_eq!(left(&day, &claim), whole);
    // What does not run is begun with all its time.
    let mut day = doubt();
    day.w.advance_ms(10_000);
    let claim = day.looks();
    day.w.ended(&claim, Outcome::NotRunning).unwrap();
    let next = day.next_life().remove(0);
    assert_eq!((next.lease.is_in_doubt, left(&day, &next)), (false, whole));
    day.w.started(&next).unwrap();
    day.w.advance_ms(5_000);
    let claim = day.w.claim_in("sup", "life 5", 1).remove(0);
    assert_eq!(left(&day, &claim), whole - 5_000);
}
