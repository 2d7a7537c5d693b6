//! Who takes part: added, removed, coming back.

use interlock_core::actor::Role;
use interlock_core::id::SessionId;
use interlock_core::limits::PARTICIPANTS_MAX;
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Outcome, WakeResult, WakeState};
use interlock_core::{Reason, Reply};

use crate::refused;
use crate::world::{Post, World, name};

/// A pair, and `tester`, who takes no part yet.
fn world() -> World {
    let mut w = World::pair();
    w.agent("tester").managed();
    w
}

#[test]
fn whoever_joins_has_nothing_unread_and_is_woken_from_then_on() {
    let mut w = world();
    w.says("olga", "before");
    let done = w.adds("reviewer", "tester", ThreadRole::Participant).unwrap();
    assert_eq!(
        (done.kinds(), done.reply),
        (vec!["thread.participant_added".to_owned()], Reply::Thread(w.thread_id))
    );
    assert_eq!((w.cursor("tester"), w.pending_of("tester").len()), (1, 0));
    w.says("olga", "after");
    assert_eq!(w.pending_of("tester").len(), 1);
    assert!(w.rows.members.contains(&(name("tester"), w.thread_id)));
}

#[test]
fn who_may_add_and_remove() {
    let mut w = world();
    assert_eq!(refused(w.adds("executor", "tester", ThreadRole::Participant)), Reason::NotCoordinator);
    assert_eq!(refused(w.removes("executor", "olga")), Reason::NotCoordinator);
    assert_eq!(refused(w.removes("tester", "olga")), Reason::ThreadNotFound);
    w.person("ada", Role::Auditor);
    assert_eq!(refused(w.removes("ada", "olga")), Reason::NotCoordinator);
    assert!(w.adds("olga", "tester", ThreadRole::Coordinator).is_ok(), "an operator");
    assert!(w.removes("tester", "executor").is_ok(), "leads the thread");
    assert!(w.removes("olga", "olga").is_ok());
}

#[test]
fn anybody_may_leave() {
    let mut w = world();
    assert_eq!(w.removes("executor", "executor").unwrap().kinds(), ["thread.participant_removed"]);
    assert!(!w.thread().members.contains_key(&name("executor")));
    assert_eq!(refused(w.ack("executor", 0)), Reason::ThreadNotFound);
}

#[test]
fn adding_twice_and_what_is_not_possible() {
    let mut w = world();
    assert_eq!(w.adds("olga", "executor", ThreadRole::Participant).unwrap().reply, Reply::Unchanged);
    assert_eq!(refused(w.adds("olga", "executor", ThreadRole::Coordinator)), Reason::ParticipantExists);
    assert_eq!(refused(w.adds("olga", "nobody", ThreadRole::Participant)), Reason::AgentNotFound);
    assert_eq!(refused(w.removes("olga", "tester")), Reason::ParticipantMissing);
    w.status("olga", Status::Closed).unwrap();
    assert_eq!(refused(w.adds("olga", "tester", ThreadRole::Participant)), Reason::ThreadWrongStatus);
}

#[test]
fn as_many_as_a_thread_may_have() {
    let mut w = world();
    for n in w.thread().members.len()..PARTICIPANTS_MAX {
        w.agent(&format!("agent-{n}")).unmanaged();
        w.adds("olga", &format!("agent-{n}"), ThreadRole::Participant).unwrap();
    }
    assert_eq!(w.thread().members.len(), PARTICIPANTS_MAX);
    assert_eq!(refused(w.adds("olga", "tester", ThreadRole::Participant)), Reason::LimitExceeded);
}

#[test]
fn the_last_coordinator_stays() {
    let mut w = world();
    assert_eq!(refused(w.removes("olga", "reviewer")), Reason::LastCoordinator);
    w.adds("olga", "tester", ThreadRole::Coordinator).unwrap();
    assert!(w.removes("olga", "reviewer").is_ok());
    assert_eq!(refused(w.removes("tester", "tester")), Reason::LastCoordinator);
}

#[test]
fn what_waits_to_wake_it_ends_with_it() {
    let mut w = world();
    w.says("olga", "go");
    let claims = w.claim("sup");
    let claim = claims.into_iter().find(|claim| claim.agent == name("executor")).unwrap();
    let done = w.removes("olga", "executor").unwrap();
    assert_eq!(done.kinds(), ["thread.participant_removed", "wake.finished"]);
    let wake = w.wake(claim.wake_id);
    assert_eq!((wake.result, wake.reason), (Some(WakeResult::Superseded), Some(Reason::ParticipantRemoved)));
    assert_eq!(refused(w.started(&claim)), Reason::LeaseLost, "a claim from before starts nothing");
    assert_eq!(w.pending_of("reviewer").len(), 1, "others are woken as before");
}

#[test]
fn a_running_process_may_finish_and_does_not_block_the_thread() {
    for outcome in [Outcome::Exited { code: 1 }, Outcome::Exited { code: 0 }, Outcome::RunTimeExceeded] {
        let mut w = world();
        w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
        let claim = w.run_one("sup");
        w.removes("olga", "executor").unwrap();
        assert_eq!(w.wake(claim.wake_id).state, WakeState::Running);
        w.in_session(&claim, SessionId::from_u128(7)).unwrap();
        w.ended(&claim, outcome).unwrap();
        assert_eq!((w.thread().status, w.wake(claim.wake_id).state), (Status::Active, WakeState::Finished));
        assert_eq!(w.wake(claim.wake_id).reason, Some(Reason::ParticipantRemoved));
    }
}

#[test]
fn coming_back_starts_fresh() {
    let mut w = world();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    w.in_session(&claim, SessionId::from_u128(7)).unwrap();
    w.does_its_turn(&claim);
    w.post("olga", Post::chat("again").to(&["executor"])).unwrap();
    w.removes("olga", "executor").unwrap();
    w.says("olga", "meanwhile");
    w.adds("olga", "executor", ThreadRole::Participant).unwrap();
    assert_eq!((w.session("executor"), w.cursor("executor")), (None, w.thread().seq));
    assert_eq!(w.pending_of("executor").len(), 0);
}
