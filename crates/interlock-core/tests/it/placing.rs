//! Which supervisor runs what: labels, what a machine lacks, and claims whose answer was lost.

use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::Label;
use interlock_core::command::Command;
use interlock_core::id::WakeId;
use interlock_core::limits::SUPERVISORS_MAX;
use interlock_core::thread::{Status, ThreadRole, event_type};
use interlock_core::wake::{Lack, Outcome, WakeResult, WakeState};
use interlock_core::{Event, Reason};

use crate::world::{Claim, Post, World, name};

/// As `lease_ms`.
const LEASE_MS: i64 = 60_000;
/// How long others have to come, as `placement_wait_ms`.
const WAIT_MS: i64 = 3_000;

/// A thread with a message for the executor.
fn asked() -> World {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    w
}

/// These supervisors call now, at whichever server.
fn there(w: &mut World, names: &[&str]) {
    for name in names {
        w.calls(name, &[]);
    }
}

/// What a supervisor does with a claim that it cannot run.
fn declines(w: &mut World, sup: &str, claim: &Claim) {
    let done = w.ended(claim, Outcome::CannotRun { lacks: Lack::Program }).unwrap();
    assert_eq!(done.kinds(), ["wake.declined"]);
    w.claimants.entry(sup.into()).or_default().cannot_run.insert(claim.agent.clone(), Lack::Program);
}

#[test]
fn an_agent_that_asks_for_a_label_is_run_where_it_is() {
    let mut w = World::new();
    w.agent("renderer").managed_on("gpu");
    w.agent("executor").managed();
    w.person("olga", Role::Operator);
    w.open("olga", &[("renderer", ThreadRole::Participant), ("executor", ThreadRole::Participant)]);
    w.post("olga", Post::chat("go").to(&["renderer", "executor"])).unwrap();
    let of = |claims: Vec<Claim>| claims.into_iter().map(|claim| claim.agent.to_string()).collect::<Vec<_>>();
    assert_eq!(of(w.claim("plain")), ["executor"]);
    w.claimants.entry("strong".into()).or_default().labels.insert(Label::parse("gpu").unwrap());
    assert_eq!(of(w.claim("strong")), ["renderer"]);
    // However long nobody with the label is there: it waits and is not failed.
    w.advance_ms(86_400_000);
    assert_eq!(of(w.claim("plain")), ["executor"]);
    let wakes = w.rows.wakes.values();
    assert!(wakes.into_iter().all(|wake| wake.state == WakeState::Pending && wake.declined_by.is_empty()));
}

#[test]
fn what_one_supervisor_lacks_another_may_have() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.attempts, wake.releases, wake.reason), (0, 0, Some(Reason::CannotRunHere)));
    assert_eq!(w.claim("a"), [], "not given to it again");
    let claim = w.run_one("b");
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.attempts, wake.declined_by.len(), wake.declined_since), (1, 0, None));
}

#[test]
fn when_all_who_are_there_lack_it_a_person_is_told_at_the_end_of_the_wait() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    let first = w.claim_one("a");
    declines(&mut w, "a", &first);
    let second = w.claim_one("b");
    declines(&mut w, "b", &second);
    w.advance_ms(WAIT_MS - 1);
    assert_eq!((w.claim("a"), w.claim("b")), (vec![], vec![]));
    assert_eq!(w.thread().status, Status::Active, "not a millisecond early");
    w.advance_ms(1);
    assert_eq!(w.claim("a"), []);
    let wake = w.wake(first.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Failed), Some(Reason::SpawnFailed)));
    let thread = w.thread();
    assert_eq!((thread.status, thread.reason), (Status::Blocked, Some(Reason::WakeFailed)));
    assert_eq!(thread.owner, Some(name("olga")));
    assert!(w.rows.leases.is_empty());
}

#[test]
fn one_that_is_busy_is_waited_for() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    for _ in 0..240 {
        w.advance_ms(15_000);
        there(&mut w, &["b"]);
        assert_eq!(w.claim("a"), []);
    }
    assert_eq!(w.thread().status, Status::Active, "b is there and has not declined");
    w.run_one("b");
}

/// Somebody who is gone is not waited for: the last call was a lease's time ago.
#[test]
fn one_that_is_gone_is_not_waited_for() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    w.advance_ms(LEASE_MS - 1);
    assert_eq!((w.claim("a"), w.thread().status), (vec![], Status::Active));
    w.advance_ms(1);
    assert_eq!((w.claim("a"), w.thread().status), (vec![], Status::Blocked));
}

/// One that has not the label is nobody to wait for.
#[test]
fn who_has_the_label_is_waited_for() {
    let mut w = World::new();
    w.agent("renderer").managed_on("gpu");
    w.person("olga", Role::Operator);
    w.open("olga", &[("renderer", ThreadRole::Participant)]);
    w.post("olga", Post::chat("go").to(&["renderer"])).unwrap();
    w.claimants.entry("a".into()).or_default().labels.insert(Label::parse("gpu").unwrap());
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    assert!(w.calls("b", &["gpu"]) && w.calls("c", &[]));
    assert_eq!((w.claim("a"), w.thread().status), (vec![], Status::Active));
    assert!(w.calls("b", &["cpu"]), "other labels are written down at once");
    assert_eq!((w.claim("a"), w.thread().status), (vec![], Status::Blocked));
}

#[test]
fn what_is_heard_of_a_supervisor_is_seldom_written() {
    let mut w = World::pair();
    let written = (0..600).filter(|_| {
        w.advance_ms(100);
        w.calls("a", &["gpu"])
    });
    assert_eq!(written.count(), 4, "in a lease's time, however often it calls");
    // The clock is put back by an hour: nothing counts as fresh that is to come.
    w.advance_ms(-3_600_000);
    assert!(w.calls("a", &["gpu"]) && !w.calls("a", &["gpu"]));
}

#[test]
fn supervisors_silent_for_longest_are_forgotten() {
    let mut w = World::pair();
    for n in 0..=SUPERVISORS_MAX {
        w.advance_ms(1);
        there(&mut w, &[&format!("sup-{n:03}")]);
    }
    assert_eq!(w.rows.supervisors.len(), SUPERVISORS_MAX);
    assert!(!w.rows.supervisors.contains_key("sup-000") && w.rows.supervisors.contains_key("sup-001"));
    // Whoever calls again is no newcomer, and displaces nobody.
    w.advance_ms(LEASE_MS);
    there(&mut w, &["sup-001"]);
    assert_eq!(w.rows.supervisors.len(), SUPERVISORS_MAX);
}

#[test]
fn a_supervisor_alone_does_not_wait_for_others() {
    let mut w = asked();
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    assert_eq!(w.claim("a"), []);
    assert_eq!(w.wake(claim.wake_id).result, Some(WakeResult::Failed));
}

/// A server that has just begun does not know who comes back.
#[test]
fn a_server_that_does_not_know_the_others_waits() {
    let mut w = asked();
    w.claimants.entry("a".into()).or_default().may_be_others = true;
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    assert_eq!(w.claim("a"), []);
    assert_eq!(w.thread().status, Status::Active);
    w.advance_ms(WAIT_MS);
    assert_eq!(w.claim("a"), []);
    assert_eq!(w.thread().status, Status::Blocked);
}

/// The next wake of an agent that none can run is declined without being claimed, and does not wait for ever.
#[test]
fn what_none_can_run_is_found_out_without_a_claim() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    for sup in ["a", "b"] {
        let claimant = w.claimants.entry(sup.into()).or_default();
        claimant.cannot_run.insert(name("executor"), Lack::Directory);
    }
    assert_eq!((w.claim("a"), w.claim("b")), (vec![], vec![]));
    w.advance_ms(WAIT_MS);
    assert_eq!((w.claim("a"), w.claim("b")), (vec![], vec![]));
    let declined = |events: &&Vec<Event>| matches!(events.as_slice(), [Event::WakeDeclined { .. }]);
    assert_eq!(w.entries.iter().filter(declined).count(), 2, "each says it once");
    w.advance_ms(WAIT_MS);
    assert_eq!(w.claim("a"), []);
    assert_eq!(w.thread().reason, Some(Reason::WakeFailed));
}

#[test]
fn what_was_mended_is_run_at_once() {
    let mut w = asked();
    there(&mut w, &["a", "b"]);
    let claim = w.claim_one("a");
    declines(&mut w, "a", &claim);
    w.claimants.entry("a".into()).or_default().cannot_run.clear();
    w.run_one("a");
}

/// The server leased a wake, and the answer was lost: the supervisor says what it knows of, and gets it at once although
/// it holds another.
#[test]
fn a_claim_that_its_supervisor_does_not_know_of_is_given_out_again() {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["reviewer"])).unwrap();
    let known = w.run_one("sup");
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let lost = w.claim_one("sup");
    assert_eq!(w.claim("sup"), [], "a supervisor that does not say what it holds waits for the lease");
    w.claimants.entry("sup".into()).or_default().holds = Some([(known.wake_id, known.lease.fence)].into());
    let again = w.claim_one("sup");
    assert_eq!((again.wake_id, again.lease.fence), (lost.wake_id, lost.lease.fence + 1));
    assert_eq!(w.wake(lost.wake_id).releases, 0, "nothing ran");
    w.started(&again).unwrap();
    assert_eq!(w.started(&lost).unwrap_err().reason, Reason::LeaseLost);
    w.ack("reviewer", 2).unwrap();
    w.exits(&known, 0);
}

/// Other supervisors' claims are none of its business.
#[test]
fn what_others_hold_stays_theirs() {
    let mut w = asked();
    w.claim_one("a");
    w.claimants.entry("b".into()).or_default().holds = Some([].into());
    assert_eq!(w.claim("b"), []);
}

/// The engine has looked at a wake that is due for long; gives what was said about it, and to whom.
fn looked_at(w: &mut World, wake_id: WakeId) -> Option<(String, Vec<AgentName>)> {
    let done = w.give_as("interlock", Role::Supervisor, Command::NoteStranded { wake_id }).unwrap();
    let kinds = done.kinds();
    let (message, _) = w.rows.messages.values().next_back().unwrap();
    let is_said = kinds.contains(&"wake.stranded".to_owned());
    assert_eq!(is_said, !kinds.is_empty(), "{kinds:?}");
    is_said.then(|| (message.text.body.clone(), message.head.to.clone()))
}

/// Ten minutes, not a millisecond less; then a person is told, once, and the wake waits on.
#[test]
fn when_no_supervisor_calls_a_person_is_told_once() {
    let mut w = asked();
    let wake_id = w.pending_of("executor")[0].wake_id;
    w.advance_ms(w.policy.stranded_after_ms - 1);
    assert_eq!(looked_at(&mut w, wake_id), None);
    w.advance_ms(1);
    let (body, to) = looked_at(&mut w, wake_id).unwrap();
    assert_eq!(to, [name("olga")]);
    assert!(body.starts_with("`executor` is to be woken since ") && body.contains("no supervisor is there"));
    let wake = w.wake(wake_id);
    assert_eq!((wake.state, wake.stranded_at), (WakeState::Pending, Some(w.now())));
    assert_eq!(w.thread().status, Status::Active);
    w.advance_ms(w.policy.stranded_after_ms);
    assert_eq!(looked_at(&mut w, wake_id), None, "once");
    let claim = w.run_one("sup");
    assert_eq!(w.wake(claim.wake_id).stranded_at, None);
}

#[test]
fn when_nobody_has_the_label_a_person_is_told() {
    let mut w = World::new();
    w.agent("renderer").managed_on("gpu");
    w.person("olga", Role::Operator);
    w.open("olga", &[("renderer", ThreadRole::Participant)]);
    w.post("olga", Post::chat("go").to(&["renderer"])).unwrap();
    let wake_id = w.pending_of("renderer")[0].wake_id;
    w.advance_ms(w.policy.stranded_after_ms);
    w.calls("strong", &["gpu"]);
    assert_eq!(looked_at(&mut w, wake_id), None, "somebody is there, however busy");
    w.advance_ms(LEASE_MS);
    w.calls("plain", &[]);
    let (body, to) = looked_at(&mut w, wake_id).unwrap();
    assert!(body.contains("no supervisor with the label `gpu` is there"), "{body}");
    let (message, _) = w.rows.messages.values().next_back().unwrap();
    assert_eq!(message.head.event_type.as_deref(), Some(event_type::WAKE_STRANDED));
    let data: serde_json::Value = serde_json::from_str(&message.text.data).unwrap();
    let due_at = w.wake(wake_id).due_at;
    let shape = serde_json::json!({"wake_id": wake_id, "agent": "renderer", "on": "gpu", "due_at": due_at});
    assert_eq!(data, shape);
    assert_eq!(to, [name("olga")]);
}

/// What a person has stopped, what is held back and what somebody has is not stranded.
#[test]
fn what_has_a_reason_to_wait_is_not_stranded() {
    type Step = fn(&mut World);
    let steps: [Step; 4] = [
        |w| drop(w.give("olga", Command::HaltAgents).unwrap()),
        |w| drop(w.status("olga", Status::Blocked).unwrap()),
        |w| drop(w.claim_one("sup")),
        |w| w.policy.stranded_after_ms = 0,
    ];
    for step in steps {
        let mut w = asked();
        let wake_id = w.pending_of("executor")[0].wake_id;
        w.advance_ms(w.policy.stranded_after_ms);
        step(&mut w);
        assert_eq!(looked_at(&mut w, wake_id), None);
    }
}

/// Whoever opened the thread is an agent: it is told, and woken as soon as somebody can.
#[test]
fn an_agent_that_answers_for_the_thread_is_woken_for_it() {
    let mut w = World::new();
    w.agent("lead").managed();
    w.agent("renderer").managed_on("gpu");
    w.open("lead", &[("renderer", ThreadRole::Participant)]);
    w.post("lead", Post::chat("go").to(&["renderer"])).unwrap();
    let wake_id = w.pending_of("renderer")[0].wake_id;
    w.advance_ms(w.policy.stranded_after_ms);
    assert_eq!(looked_at(&mut w, wake_id).unwrap().1, [name("lead")]);
    assert_eq!(w.claim_one("plain").agent, name("lead"));
}
