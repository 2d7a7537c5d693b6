//! What an agent does now, and why it is woken or not: pure, from rows alone.

use interlock_core::actor::Role;
use interlock_core::agent::{AgentState, Signs, standing};
use interlock_core::guard::spent_until;
use interlock_core::id::SessionId;
use interlock_core::limits::PRESENT_MS;
use interlock_core::session::Observed;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Because, Outcome, Subject, Usage, Wake, WakeState, Why, explain};
use interlock_core::{Reason, Timestamp};

use crate::world::{Post, World, name};

fn state_of(w: &World, agent: &str, heard: Option<(Timestamp, bool)>) -> AgentState {
    let wakes = w.wakes_of(agent);
    let live = wakes.iter().filter(|wake| wake.state != WakeState::Finished);
    let live = live.min_by_key(|wake| (wake.state != WakeState::Running, wake.held, wake.due_at)).copied();
    let last = wakes.iter().rfind(|wake| wake.state == WakeState::Finished).copied();
    let session_at = w.thread().members.get(&name(agent)).and_then(|member| member.session_at);
    let session = session_at.map(|at| (at, w.policy.session_stale_ms));
    let theirs = w.rows.sessions.values().filter(|session| session.agent.as_str() == agent);
    let human = theirs.filter(|session| session.is_held(&w.policy, w.now())).find_map(|s| s.human_at);
    let spent = spent_until(&w.policy, &w.rows.agents[&name(agent)], w.now());
    let held_for = live.filter(|wake| wake.held).and_then(|_| w.thread().reason);
    let halt = w.rows.halt.as_ref();
    let signs = Signs { wake: live, last, halt, heard, human, session, spent, held_for };
    standing(&w.rows.agents[&name(agent)], &signs, w.now()).state
}

fn whys(w: &World, agent: &str, unread: u64) -> Vec<Why> {
    explained(w, agent, unread).into_iter().map(|because| because.why).collect()
}

/// Why an agent is woken in the world's thread, or not.
pub(crate) fn explained(w: &World, agent: &str, unread: u64) -> Vec<Because> {
    let (live, over): (Vec<Wake>, Vec<Wake>) =
        w.wakes_of(agent).into_iter().cloned().partition(|wake| wake.state != WakeState::Finished);
    let thread = w.thread();
    let agent = name(agent);
    let member = &thread.members[&agent];
    let halt = w.rows.halt.as_ref();
    let supervisors: Vec<_> = w.rows.supervisors.values().cloned().collect();
    let supervisors = (supervisors.as_slice(), &w.policy);
    let last = over.last();
    let subject = Subject { thread, name: &agent, member, unread, live: &live, last, halt, supervisors };
    explain(&subject, w.now())
}

/// What is said of a wake that is due names what is missing: any supervisor, one with the label, or room.
#[test]
fn what_a_due_wake_waits_for_is_named() {
    let mut w = World::new();
    w.agent("renderer").managed_on("gpu");
    w.person("olga", Role::Operator);
    w.open("olga", &[("renderer", ThreadRole::Participant)]);
    w.post("olga", Post::chat("go").to(&["renderer"])).unwrap();
    let said = |w: &World| explained(w, "renderer", 1)[0].detail.clone();
    assert_eq!(said(&w), "is due, and no supervisor with the label `gpu` is there");
    w.calls("plain", &[]);
    assert_eq!(said(&w), "is due, and no supervisor with the label `gpu` is there");
    w.calls("strong", &["gpu"]);
    assert!(said(&w).starts_with("is due: it waits for a supervisor with room"), "{}", said(&w));
    w.advance_ms(w.policy.lease_ms);
    assert_eq!(said(&w), "is due, and no supervisor with the label `gpu` is there");
}

/// An agent whose budget is used up is said to be that, whether anything waits for it or not.
#[test]
fn a_spent_budget_is_told_also_when_nothing_waits() {
    let mut w = World::pair();
    w.policy.agent_tokens_per_day_max = 10;
    assert_eq!(state_of(&w, "executor", None), AgentState::Dormant);
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ack("executor", 1).unwrap();
    w.ended_with(&claim, Outcome::Exited { code: 0 }, Usage { input_tokens: 10, ..Usage::NONE }).unwrap();
    assert_eq!(state_of(&w, "executor", None), AgentState::BlockedByBudget, "nothing waits");
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    assert_eq!(state_of(&w, "executor", None), AgentState::BlockedByBudget, "and nobody has asked yet");
    w.advance_ms(86_400_000);
    assert_eq!(state_of(&w, "executor", None), AgentState::Waiting);
}

/// A thread whose budget is spent holds its wakes back for that.
#[test]
fn a_thread_whose_budget_is_spent_blocks_its_agents() {
    let mut w = World::pair();
    w.policy.thread_tokens_max = 10;
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.ack("executor", 1).unwrap();
    w.ended_with(&claim, Outcome::Exited { code: 0 }, Usage { input_tokens: 10, ..Usage::NONE }).unwrap();
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    assert_eq!(state_of(&w, "executor", None), AgentState::BlockedByBudget);
    w.status("olga", Status::Active).unwrap();
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(state_of(&w, "executor", None), AgentState::Waiting);
}

#[test]
fn what_an_agent_does_follows_its_wakes() {
    let mut w = World::pair();
    assert_eq!(
        (state_of(&w, "executor", None), whys(&w, "executor", 0)),
        (AgentState::Dormant, vec![Why::NothingUnread])
    );
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    assert_eq!(
        (state_of(&w, "executor", None), whys(&w, "executor", 1)),
        (AgentState::Waiting, vec![Why::Due])
    );
    let claim = w.run_one("sup");
    assert_eq!(
        (state_of(&w, "executor", None), whys(&w, "executor", 1)),
        (AgentState::Active, vec![Why::Runs])
    );
    w.ends("olga", claim.wake_id).unwrap();
    assert_eq!(whys(&w, "executor", 1), [Why::Stops]);
    w.ended(&claim, Outcome::Halted).unwrap();
    assert_eq!(
        (state_of(&w, "executor", None), whys(&w, "executor", 1)),
        (AgentState::Dormant, vec![Why::NotAsked, Why::Ended])
    );
    w.status("olga", Status::Closed).unwrap();
    assert_eq!(whys(&w, "executor", 1), [Why::ThreadEnded, Why::Ended]);
}

/// A session that somebody else has open is a person's: the wake is put off for it.
#[test]
fn a_person_at_the_keyboard_is_told_apart_from_other_reasons_to_wait() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let first = w.run_one("sup");
    w.in_session(&first, interlock_core::id::SessionId::from_u128(7)).unwrap();
    w.exits(&first, 1);
    assert_eq!(state_of(&w, "executor", None), AgentState::Waiting, "its next attempt");
    w.advance_ms(2_000);
    let claim = w.claim_one("sup");
    w.ended(&claim, Outcome::SessionBusy).unwrap();
    assert_eq!(
        (state_of(&w, "executor", None), whys(&w, "executor", 1)),
        (AgentState::HumanActive, vec![Why::Waits])
    );
    assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::SessionBusy));
}

/// With or without a wake that waits for it: whoever typed is at the keyboard until the quiet window is over.
#[test]
fn who_types_is_at_the_keyboard_until_it_has_been_quiet() {
    for is_asked in [false, true] {
        let mut w = World::pair();
        w.sees("executor", 7, Observed::HumanPrompt);
        w.sees("executor", 7, Observed::TurnEnded);
        if is_asked {
            w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        }
        w.advance_ms(w.policy.human_quiet_ms - 1);
        w.claim("sup");
        assert_eq!(state_of(&w, "executor", None), AgentState::HumanActive, "{is_asked}");
        // A wake that waits is looked at again that much later.
        w.advance_ms(if is_asked { 5_000 } else { 1 });
        assert_ne!(state_of(&w, "executor", None), AgentState::HumanActive, "{is_asked}");
    }
}

/// Half a day exactly is not stale, a millisecond more is; who has no session begins anew anyway.
#[test]
fn an_agent_whose_session_is_not_resumed_any_more_is_stale_when_it_has_something_to_do() {
    let session = Some(SessionId::from_u128(7));
    for (more_ms, session, wanted) in
        [(0, session, AgentState::Waiting), (1, session, AgentState::Stale), (1, None, AgentState::Waiting)]
    {
        let mut w = World::pair();
        w.post("olga", Post::chat("begin").to(&["executor"])).unwrap();
        let claim = w.run_one("sup");
        if let Some(session) = session {
            w.in_session(&claim, session).unwrap();
        }
        w.does_its_turn(&claim);
        w.advance_ms(w.policy.session_stale_ms + more_ms);
        assert_eq!(state_of(&w, "executor", None), AgentState::Dormant, "it has nothing to do");
        w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        assert_eq!(state_of(&w, "executor", None), wanted, "{more_ms} {session:?}");
    }
}

#[test]
fn who_says_that_it_is_at_work_counts_as_active_for_so_long() {
    let mut w = World::pair();
    w.agent("ann").unmanaged();
    let said = w.now();
    for (ms, wanted) in [(PRESENT_MS, AgentState::Active), (PRESENT_MS + 1, AgentState::Dormant)] {
        let mut later = w.clone();
        later.advance_ms(ms);
        assert_eq!(state_of(&later, "ann", Some((said, true))), wanted, "{ms}");
        assert_eq!(state_of(&later, "ann", Some((said, false))), AgentState::Dormant);
    }
}

/// Who waits for a place among those in fresh sessions waits for no supervisor.
#[test]
fn too_many_fallbacks_are_told_as_such() {
    let mut w = World::pair();
    w.policy.fallbacks_running_max = 0;
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.in_session(&claim, SessionId::from_u128(7)).unwrap();
    w.does_its_turn(&claim);
    w.advance_ms(w.policy.session_stale_ms + 1);
    w.post("olga", Post::chat("more").to(&["executor"])).unwrap();
    assert_eq!(w.claim("sup"), []);
    let because = &explained(&w, "executor", 1)[0];
    assert_eq!((because.why, because.reason), (Why::Waits, Some(Reason::FallbackLimit)));
    assert!(because.detail.contains("fresh session"), "{because:?}");
}
