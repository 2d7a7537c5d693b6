//! A thread's status: the whole graph, who may, and what it says.

use interlock_core::actor::Role;
use interlock_core::command::ChangeStatus;
use interlock_core::limits::REASON_BYTES_MAX;
use interlock_core::thread::{MessageKind, Status, ThreadRole};
use interlock_core::{Command, Event, Reason};

use crate::refused;
use crate::world::{World, name};

/// Bring the thread from active to this status.
fn thread_that_is(status: Status) -> World {
    let mut w = World::pair();
    if status != Status::Active {
        w.status("olga", status).unwrap();
    }
    assert_eq!(w.thread().status, status);
    w
}

/// S002-09: every pair of the graph.
#[test]
fn the_whole_graph() {
    use Status::{Active, Blocked, Closed, Resolved};
    let allowed = [
        (Active, Blocked),
        (Active, Resolved),
        (Active, Closed),
        (Blocked, Active),
        (Blocked, Closed),
        (Resolved, Active),
        (Resolved, Closed),
    ];
    for from in Status::ALL {
        for to in Status::ALL {
            let mut w = thread_that_is(*from);
            let seq = w.thread().seq;
            let done = w.status("olga", *to);
            if from == to {
                assert_eq!(done.unwrap().events, [], "{from} again is no change");
            } else if allowed.contains(&(*from, *to)) {
                assert_eq!(done.unwrap().kinds()[..2], ["thread.status_changed", "thread.message_posted"]);
                assert_eq!((w.thread().status, w.thread().seq), (*to, seq + 1), "{from} to {to}");
            } else {
                let refusal = done.unwrap_err();
                assert_eq!(refusal.reason, Reason::TransitionInvalid, "{from} to {to}");
                assert_eq!(refusal.code().as_str(), "INVALID_THREAD_TRANSITION");
                assert_eq!(w.thread().status, *from);
            }
        }
    }
}

/// Who may: a coordinator of the thread, an operator, an admin, a token with the coordinator role.
#[test]
fn who_may() {
    for (role, wanted) in [
        (Role::Operator, None),
        (Role::Admin, None),
        (Role::Coordinator, None),
        (Role::Auditor, Some(Reason::NotCoordinator)),
        (Role::Participant, Some(Reason::ThreadNotFound)),
        (Role::Supervisor, Some(Reason::ThreadNotFound)),
    ] {
        let mut w = World::pair();
        w.person("somebody", role);
        let done = w.status("somebody", Status::Resolved);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{role}");
    }
    let mut w = World::pair();
    assert_eq!(refused(w.status("executor", Status::Resolved)), Reason::NotCoordinator);
    assert!(w.status("reviewer", Status::Resolved).is_ok(), "leads the thread");
}

/// Reopening what was called done needs a reason that people can read.
#[test]
fn a_resolved_thread_is_reopened_for_a_reason_in_words() {
    for (from, text, wanted) in [
        (Status::Resolved, "  ", Some(Reason::ParameterInvalid)),
        (Status::Resolved, "the build is red", None),
        (Status::Blocked, "", None),
    ] {
        let mut w = thread_that_is(from);
        let command = ChangeStatus {
            thread_id: w.thread_id,
            status: Status::Active,
            reason: Reason::ByRequest,
            text: text.into(),
            owner: None,
        };
        let done = w.give("olga", Command::ChangeStatus(command));
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{from} {text:?}");
    }
}

#[test]
fn a_blocked_thread_has_an_owner_and_a_reason() {
    let mut w = World::pair();
    w.status_for("reviewer", Status::Blocked, Reason::Paused, Some("executor")).unwrap();
    assert_eq!((w.thread().owner.clone(), w.thread().reason), (Some(name("executor")), Some(Reason::Paused)));
    w.status("reviewer", Status::Active).unwrap();
    assert_eq!((w.thread().owner.clone(), w.thread().reason), (None, None));
    w.status("reviewer", Status::Blocked).unwrap();
    assert_eq!(w.thread().owner, Some(name("olga")), "who opened it, when nobody is named");
}

#[test]
fn owners_take_part_and_only_blocked_threads_have_them() {
    let mut w = World::pair();
    let stranger = w.status_for("reviewer", Status::Blocked, Reason::Paused, Some("stranger"));
    assert_eq!(refused(stranger), Reason::ParticipantMissing);
    let done = w.status_for("reviewer", Status::Resolved, Reason::ByRequest, Some("executor"));
    assert_eq!(refused(done), Reason::ParameterInvalid);
}

#[test]
fn callers_give_callers_reasons() {
    let callers = [
        Reason::ByRequest,
        Reason::Paused,
        Reason::FindingUnresolved,
        Reason::OpenFindings,
        Reason::LeashReached,
        Reason::NotConverged,
    ];
    for reason in Reason::ALL {
        let done = World::pair().status_for("reviewer", Status::Blocked, *reason, None);
        let wanted = (!callers.contains(reason)).then_some(Reason::ParameterInvalid);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{reason}");
    }
}

#[test]
fn the_reason_in_words_ends_at_its_limit() {
    for (bytes, fits) in [(REASON_BYTES_MAX, true), (REASON_BYTES_MAX + 1, false)] {
        let mut w = World::pair();
        let command = ChangeStatus {
            thread_id: w.thread_id,
            status: Status::Blocked,
            reason: Reason::ByRequest,
            text: "r".repeat(bytes),
            owner: None,
        };
        let done = w.give("reviewer", Command::ChangeStatus(command));
        assert_eq!(done.err().map(|refusal| refusal.reason), (!fits).then_some(Reason::LimitExceeded));
    }
}

#[test]
fn a_change_of_status_is_announced_by_its_event_type() {
    for (to, event_type) in [
        (Status::Resolved, "thread_resolved"),
        (Status::Blocked, "thread_escalated"),
        (Status::Closed, "thread_status_changed"),
    ] {
        let mut w = World::pair();
        let done = w.status("reviewer", to).unwrap();
        let Event::MessagePosted { message, .. } = &done.events[1] else { panic!("{done:?}") };
        assert_eq!(message.kind, MessageKind::System);
        assert_eq!(message.event_type.as_deref(), Some(event_type));
        let (stored, _) = &w.rows.messages[&(w.thread_id, message.seq)];
        assert_eq!(stored.text.body, "why");
    }
}

#[test]
fn an_announcement_wakes_nobody() {
    let mut w = World::pair();
    w.status("olga", Status::Blocked).unwrap();
    w.status("olga", Status::Active).unwrap();
    assert_eq!(w.rows.wakes.len(), 0);
}

#[test]
fn coordinators_of_another_thread_have_no_say() {
    let mut w = World::pair();
    let first = w.thread_id;
    w.open("olga", &[("executor", ThreadRole::Coordinator)]);
    w.thread_id = first;
    assert_eq!(refused(w.status("executor", Status::Closed)), Reason::NotCoordinator);
}
