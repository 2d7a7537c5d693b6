//! What puts wakes off, so that agents make no storms: nothing is lost, no attempt is used, and people are not throttled by
//! what agents do.

use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Outcome, WakeState};
use interlock_core::{Event, Reason, Timestamp};

use crate::world::{Claim, Post, World, name};

const MINUTE_MS: i64 = 60_000;

/// `executor` and `reviewer` wake each other: a message of the first, and the second does its turn.
fn agents_turn(w: &mut World) {
    w.post("reviewer", Post::chat("go on").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
}

/// Why the one wake of this agent that waits does so, and until when.
fn waits(w: &World, agent: &str) -> (Option<Reason>, Timestamp) {
    let [wake] = w.pending_of(agent)[..] else { panic!("{:?}", w.pending_of(agent)) };
    (wake.reason, wake.due_at)
}

/// The eleventh wake within a minute waits until the first is a minute old, and not a millisecond longer.
#[test]
fn ten_wakes_a_minute_and_no_more() {
    for by in ["reviewer", "olga"] {
        let mut w = World::pair();
        let first = w.now();
        for n in 0..10 {
            w.post(by, Post::chat(&format!("go {n}")).to(&["executor"])).unwrap();
            let claim = w.run_one("sup");
            w.does_its_turn(&claim);
            w.advance_ms(1_000);
        }
        w.post(by, Post::chat("and on").to(&["executor"])).unwrap();
        assert_eq!(w.claim("sup"), [], "{by}");
        let opens = first.plus_ms(MINUTE_MS);
        assert_eq!(waits(&w, "executor"), (Some(Reason::WakeRateLimited), opens), "{by}");
        let wake = w.pending_of("executor")[0];
        assert_eq!((wake.attempts, wake.releases, wake.state), (0, 0, WakeState::Pending));
        w.advance_ms(MINUTE_MS - 10_001);
        assert_eq!(w.claim("sup"), [], "{by}: a millisecond too early");
        w.advance_ms(1);
        let claim = w.run_one("sup");
        assert_eq!(w.wake(claim.wake_id).reason, None, "what it waited for is over");
        w.does_its_turn(&claim);
        assert_eq!(w.thread().status, Status::Active);
    }
}

#[test]
fn each_agent_in_each_thread_has_its_own_rate() {
    let mut w = World::pair();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.post("executor", Post::chat("you").to(&["reviewer"])).unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    w.open("olga", &[("executor", ThreadRole::Participant), ("reviewer", ThreadRole::Coordinator)]);
    agents_turn(&mut w);
}

/// Ten wakes by agents leave a person's next one free, and ten by people do not use up the agents' minute twice.
#[test]
fn agents_do_not_use_up_peoples_rate() {
    let mut w = World::pair();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.post("olga", Post::chat("now you").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    w.post("reviewer", Post::chat("and you").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
}

/// A person who joins a wake that was put off as agents' ends that, by a message as by a trigger.
#[test]
fn a_person_who_asks_too_is_not_put_off() {
    let asks: [fn(&mut World); 2] = [
        |w| drop(w.post("olga", Post::chat("please").to(&["executor"])).unwrap()),
        |w| drop(w.trigger("olga", "executor").unwrap()),
    ];
    for ask in asks {
        let mut w = World::pair();
        for _ in 0..10 {
            agents_turn(&mut w);
        }
        w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
        assert_eq!(w.claim("sup"), []);
        w.post("reviewer", Post::chat("and again").to(&["executor"])).unwrap();
        w.trigger("reviewer", "executor").unwrap();
        assert_eq!(w.claim("sup"), [], "agents do not end it");
        ask(&mut w);
        let claim = w.run_one("sup");
        w.does_its_turn(&claim);
    }
}

/// An order that cannot wait is an agent's too: were it not put off, a loop would only have to call itself urgent.
#[test]
fn urgent_messages_of_agents_are_put_off_too() {
    let mut w = World::pair();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.post("reviewer", Post::chat("now").to(&["executor"]).urgent()).unwrap();
    assert_eq!(w.claim("sup"), []);
    assert_eq!(waits(&w, "executor").0, Some(Reason::WakeRateLimited));
}

/// What is put off trips no guard, and is put off in the same entry that says so, once.
#[test]
fn putting_off_is_no_turn_and_said_once() {
    let mut w = World::pair();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
    let before = (w.thread().guard.clone(), w.entries.len());
    for _ in 0..5 {
        assert_eq!(w.claim("sup"), []);
    }
    assert_eq!((w.thread().guard.clone(), w.entries.len()), (before.0, before.1 + 1));
    let [Event::WakeDeferred { agent, reason, .. }] = &w.entries[before.1][..] else { panic!() };
    assert_eq!((agent, *reason), (&name("executor"), Reason::WakeRateLimited));
}

/// Attempts are dispatches too: an agent that fails at once is not started oftener because of it.
#[test]
fn retries_count_as_wakes() {
    let mut w = World::pair();
    w.policy.wakes_per_minute_max = 2;
    w.post("reviewer", Post::chat("go").to(&["executor"])).unwrap();
    for _ in 0..2 {
        let claim = w.run_one("sup");
        w.ended(&claim, Outcome::Exited { code: 1 }).unwrap();
        w.advance_ms(4_000);
    }
    assert_eq!(w.claim("sup"), []);
    let wake = w.pending_of("executor")[0];
    assert_eq!((wake.reason, wake.attempts), (Some(Reason::WakeRateLimited), 2));
    w.advance_ms(MINUTE_MS);
    let claim = w.run_one("sup");
    assert_eq!(w.wake(claim.wake_id).attempts, 3);
}

/// A clock that was put back hours opens no window that would take hours.
#[test]
fn a_clock_put_back_puts_nothing_off_for_long() {
    let mut w = World::pair();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.advance_ms(-3_600_000);
    agents_turn(&mut w);
}

#[test]
fn no_rate_is_no_guard() {
    let mut w = World::pair();
    w.policy.wakes_per_minute_max = 0;
    for _ in 0..19 {
        agents_turn(&mut w);
    }
    assert_eq!(w.thread().members[&name("executor")].pace.caused.len(), 19);
}

/// However many wakes of one agent are put off, another's is handed out by the same claim.
#[test]
fn what_is_put_off_hides_nobody() {
    let mut w = World::pair();
    w.policy.wakes_per_minute_max = 1;
    let mut threads = Vec::new();
    for _ in 0..20 {
        threads.push(w.open("olga", &[("executor", ThreadRole::Participant)]));
        w.says("olga", "go");
        let claim = w.run_one("sup");
        w.does_its_turn(&claim);
    }
    for thread in &threads {
        w.thread_id = *thread;
        w.says("olga", "and on");
    }
    w.open("olga", &[("reviewer", ThreadRole::Participant)]);
    w.says("olga", "you");
    let claims: Vec<Claim> = w.claim("sup");
    assert_eq!(claims.iter().map(|claim| claim.agent.as_str()).collect::<Vec<_>>(), ["reviewer"]);
    assert_eq!(w.pending_of("executor").len(), 20, "none is lost");
}
