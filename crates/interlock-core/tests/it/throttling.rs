//! What puts wakes off, so that agents make no storms: nothing is lost, no attempt is used, and people are not throttled by
//! what agents do.

use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Outcome, WakeState};
use interlock_core::{Event, Reason, Timestamp};

use crate::world::{Claim, Post, World, name};

const MINUTE_MS: i64 = 60_000;

/// A pair held to the rate alone.
fn rated() -> World {
    let mut w = World::pair().calm();
    w.policy.wakes_per_minute_max = 10;
    w
}

/// A pair held to the budget of agents' wakes alone.
fn budgeted() -> World {
    let mut w = World::pair().calm();
    w.policy.auto_wakes_max = 10;
    w
}

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
        let mut w = rated();
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
    let mut w = rated();
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
    let mut w = rated();
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
        let mut w = rated();
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
    let mut w = rated();
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
    let mut w = rated();
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
    let mut w = rated();
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
    let mut w = rated();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.advance_ms(-3_600_000);
    agents_turn(&mut w);
}

#[test]
fn no_rate_is_no_guard() {
    let mut w = rated();
    w.policy.wakes_per_minute_max = 0;
    for _ in 0..19 {
        agents_turn(&mut w);
    }
    assert_eq!(w.thread().members[&name("executor")].pace.caused.len(), 19);
}

/// However many wakes of one agent are put off, another's is handed out by the same claim.
#[test]
fn what_is_put_off_hides_nobody() {
    let mut w = rated();
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

/// The eleventh wake that agents alone caused waits until the first is five minutes old, to the millisecond.
#[test]
fn ten_wakes_by_agents_in_five_minutes() {
    let mut w = budgeted();
    let first = w.now();
    for _ in 0..10 {
        agents_turn(&mut w);
        w.advance_ms(20_000);
    }
    w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
    assert_eq!(waits(&w, "executor"), (Some(Reason::AutoWakeBudget), first.plus_ms(300_000)));
    w.advance_ms(99_999);
    assert_eq!(w.claim("sup"), []);
    w.advance_ms(1);
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
}

/// What makes the budget whole again, also for a wake that was put off by it: it is due at once.
#[test]
fn progress_and_people_make_the_budget_whole() {
    let acts: [fn(&mut World); 4] = [
        |w| drop(w.post("reviewer", Post::fix("aaaaaaa").to(&["olga"])).unwrap()),
        |w| drop(w.post("olga", Post::chat("well").to(&["reviewer"])).unwrap()),
        |w| {
            w.status("olga", Status::Blocked).unwrap();
            w.status("olga", Status::Active).unwrap();
        },
        |w| {
            w.agent("una").unmanaged();
            w.adds("olga", "una", ThreadRole::Participant).unwrap();
            w.post("una", Post::chat("a program that polls").to(&["olga"])).unwrap();
        },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let mut w = budgeted();
        for _ in 0..10 {
            agents_turn(&mut w);
        }
        w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
        assert_eq!(w.claim("sup"), [], "{n}");
        w.advance_ms(1);
        act(&mut w);
        assert_eq!(waits(&w, "executor").0, None, "{n}");
        let claims = w.claim("sup");
        assert!(claims.iter().any(|claim| claim.agent == name("executor")), "{n}");
    }
}

#[test]
fn what_agents_say_does_not_make_the_budget_whole() {
    let mut w = budgeted();
    for _ in 0..10 {
        agents_turn(&mut w);
    }
    w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
    w.post("executor", Post::chat("I am here").to(&["olga"])).unwrap();
    w.post("reviewer", Post::chat("and I").to(&["olga"])).unwrap();
    assert_eq!(w.claim("sup"), []);
}

#[test]
fn an_interval_keeps_agents_wakes_apart_and_peoples_not() {
    let mut w = budgeted();
    w.policy.auto_wake_interval_ms = 30_000;
    agents_turn(&mut w);
    let first = w.now();
    w.advance_ms(10_000);
    w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
    assert_eq!(waits(&w, "executor"), (Some(Reason::AutoWakeBudget), first.plus_ms(30_000)));
    w.advance_ms(20_000);
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    for _ in 0..3 {
        w.turn("olga", "executor");
    }
}

/// A workspace with so many agents, and a thread of each with whoever speaks to them.
fn crowd(count: usize, speaker: &str) -> World {
    let mut w = World::new().calm();
    w.policy.agents_running_max = 10_000;
    w.agent("chief").managed();
    w.person("olga", interlock_core::actor::Role::Operator);
    for n in 0..count {
        let agent = format!("agent-{n}");
        w.agent(&agent).managed();
        w.open("olga", &[(&agent, ThreadRole::Participant), ("chief", ThreadRole::Coordinator)]);
        w.post(speaker, Post::chat("go").to(&[&agent])).unwrap();
    }
    w
}

/// Agents handed out, by claims until one brings nothing more; each does its turn when nothing more is to be had.
fn drain(w: &mut World) -> Vec<String> {
    let more = || Some(w.claim("sup")).filter(|claims| !claims.is_empty());
    let claims: Vec<Claim> = std::iter::from_fn(more).flatten().collect();
    for claim in &claims {
        w.thread_id = w.wake(claim.wake_id).thread_id;
        w.started(claim).unwrap();
        w.does_its_turn(claim);
    }
    claims.iter().map(|claim| claim.agent.as_str().to_owned()).collect()
}

/// Fifty due wakes that agents caused may wait; the fifty-first is put off by a minute, and then handed out too.
#[test]
fn a_backlog_of_agents_wakes_is_put_off() {
    for (count, put_off) in [(50, 0), (51, 1), (70, 20)] {
        let mut w = crowd(count, "chief");
        w.policy.backlog_wakes_max = 50;
        let opens = w.now().plus_ms(60_000);
        let mut taken = drain(&mut w);
        assert_eq!(taken.len(), count - put_off);
        let waiting: Vec<_> = w.rows.wakes.values().filter(|wake| wake.reason.is_some()).cloned().collect();
        assert_eq!(waiting.len(), put_off);
        for wake in waiting {
            assert_eq!((wake.reason, wake.due_at, wake.attempts), (Some(Reason::WakeBacklog), opens, 0));
        }
        w.advance_ms(59_999);
        assert_eq!(drain(&mut w), Vec::<String>::new(), "{count}");
        w.advance_ms(1);
        taken.extend(drain(&mut w));
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), count, "each was woken, once");
    }
}

/// What people cause waits for no backlog, and is none: they are woken without delay in the midst of a storm.
#[test]
fn wakes_by_people_pass_a_storm() {
    let mut w = crowd(80, "chief");
    for n in 80..200 {
        let agent = format!("agent-{n}");
        w.agent(&agent).managed();
        w.open("olga", &[(&agent, ThreadRole::Participant)]);
        w.says("olga", "go");
    }
    w.policy.backlog_wakes_max = 50;
    let taken = drain(&mut w);
    assert_eq!((80..200).filter(|n| !taken.contains(&format!("agent-{n}"))).count(), 0);
    let late: Vec<_> = w.rows.wakes.values().filter(|wake| wake.reason.is_some()).collect();
    assert_eq!(late.len(), 30);
    assert!(late.iter().all(|wake| wake.reason == Some(Reason::WakeBacklog) && wake.chain.is_some()));
}

/// So many agents run at once; whoever finds no room is due all the same, and gets the room of the next that ends.
#[test]
fn so_many_agents_run_at_once() {
    let mut w = crowd(5, "olga");
    w.policy.agents_running_max = 3;
    let entries = w.entries.len();
    let claims = w.claim("sup");
    assert_eq!(claims.len(), 3);
    assert_eq!(w.claim("other"), [], "in the workspace, not of one supervisor");
    assert_eq!(w.entries.len(), entries, "nothing is put off");
    w.thread_id = w.wake(claims[0].wake_id).thread_id;
    w.started(&claims[0]).unwrap();
    assert_eq!(w.claim("sup"), []);
    w.does_its_turn(&claims[0]);
    assert_eq!(w.claim("sup").len(), 1);
    assert_eq!(w.claim("sup"), []);
}

/// One agent's many due wakes do not hide the others': each agent's first comes before anybody's second.
#[test]
fn a_busy_agent_hides_nobody() {
    let mut w = World::new().calm();
    w.person("olga", interlock_core::actor::Role::Operator);
    w.agent("many").managed();
    for _ in 0..600 {
        w.open("olga", &[("many", ThreadRole::Participant)]);
        w.says("olga", "go");
    }
    w.advance_ms(1);
    for n in 0..40 {
        let agent = format!("one-{n}");
        w.agent(&agent).managed();
        w.open("olga", &[(&agent, ThreadRole::Participant)]);
        w.says("olga", "go");
    }
    let taken = drain(&mut w);
    assert_eq!(taken.len(), 41);
    assert_eq!(taken.iter().filter(|agent| *agent == "many").count(), 1);
}

/// What waits behind agents that run takes nobody's place: an agent that is free is handed out however many are ahead of
/// it, and they are no storm.
#[test]
fn agents_that_run_hide_nobody() {
    for speaker in ["olga", "chief"] {
        let mut w = crowd(140, speaker);
        w.policy.backlog_wakes_max = if speaker == "olga" { 0 } else { 100 };
        let mut running: Vec<Claim> = Vec::new();
        while running.len() < 140 {
            let claims = w.claim("sup");
            assert!(!claims.is_empty());
            for claim in &claims {
                w.started(claim).unwrap();
            }
            running.extend(claims);
            w.advance_ms(60_000);
            for claim in &running {
                w.renew(claim);
            }
        }
        for claim in &running {
            w.thread_id = w.wake(claim.wake_id).thread_id;
            w.post(speaker, Post::chat("and this").to(&[claim.agent.as_str()])).unwrap();
        }
        w.advance_ms(1);
        w.agent("free").managed();
        w.open("olga", &[("free", ThreadRole::Participant), ("chief", ThreadRole::Coordinator)]);
        w.post(speaker, Post::chat("you").to(&["free"])).unwrap();
        assert_eq!(w.claim_one("sup").agent, name("free"), "{speaker}");
        let waits = |wake: &&interlock_core::wake::Wake| wake.reason == Some(Reason::WakeBacklog);
        assert_eq!(w.rows.live().filter(waits).count(), 0, "{speaker}: nobody is put off");
    }
}

/// What was begun and gave way to somebody in its session, or lost its supervisor, was no wake: the rate is for those that
/// were.
#[test]
fn an_attempt_that_is_given_back_is_no_wake() {
    for outcome in [Outcome::SessionBusy, Outcome::Halted, Outcome::NotStarted] {
        let mut w = rated();
        w.policy.wakes_per_minute_max = 2;
        w.post("reviewer", Post::chat("go").to(&["executor"])).unwrap();
        for n in 0..12 {
            let claim = w.run_one("sup");
            w.ended(&claim, outcome).unwrap();
            assert!(w.thread().members[&name("executor")].pace.is_none(), "{outcome:?} {n}");
            w.advance_ms(if outcome == Outcome::SessionBusy { 5_000 } else { 1 });
        }
        let claim = w.run_one("sup");
        w.does_its_turn(&claim);
        assert_eq!(w.thread().members[&name("executor")].pace.caused.len(), 1, "{outcome:?}");
    }
}

/// What is due at once because of this is told to supervisors at once: none has to wait for its next look.
#[test]
fn what_becomes_due_is_announced() {
    let is_announced = |done: &crate::world::Done| done.events.iter().any(Event::concerns_supervisors);
    let acts: [fn(&mut World) -> crate::world::Done; 3] = [
        |w| w.post("reviewer", Post::fix("aaaaaaa").to(&["olga"])).unwrap(),
        |w| w.post("olga", Post::chat("well").to(&["olga"])).unwrap(),
        |w| {
            w.post("reviewer", Post::verified(interlock_core::id::FindingId::from_u128(1)).to(&["olga"]))
                .unwrap()
        },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let mut w = budgeted();
        w.post("olga", Post::finding(interlock_core::id::FindingId::from_u128(1), "a").to(&["olga"]))
            .unwrap();
        for _ in 0..10 {
            agents_turn(&mut w);
        }
        w.post("reviewer", Post::chat("again").to(&["executor"])).unwrap();
        assert_eq!(w.claim("sup"), [], "{n}");
        let talk = w.post("reviewer", Post::chat("and I").to(&["olga"])).unwrap();
        assert!(!is_announced(&talk), "{n}: nothing is due because of that");
        let done = act(&mut w);
        assert_eq!(done.kinds(), ["thread.message_posted"], "{n}");
        assert_eq!(waits(&w, "executor").0, None, "{n}");
        assert!(is_announced(&done), "{n}");
    }
}
