//! Who must act in a blocked thread, and what people do to threads from outside.

use interlock_core::actor::Role;
use interlock_core::command::ThreadAction;
use interlock_core::thread::{MessageKind, Status, ThreadRole, event_type as et};
use interlock_core::wake::{Outcome, WakeState};
use interlock_core::{Event, Reason, Refusal};

use crate::refused;
use crate::world::{Done, Post, World, name};

const HOURS_MS: i64 = 3_600_000;

/// A pair in a thread that a guard has blocked.
fn blocked() -> World {
    let mut w = World::pair();
    w.policy.turns_without_progress_max = 1;
    w.turn("olga", "executor");
    assert_eq!(w.thread().status, Status::Blocked);
    w
}

fn owner(w: &World) -> &str {
    w.thread().owner.as_ref().unwrap().as_str()
}

/// Whoever opened it, while that takes part; a coordinator, people first; the configured person; whoever opened it.
#[test]
fn somebody_always_must_act() {
    assert_eq!(owner(&blocked()), "olga");

    let mut w = World::pair();
    w.removes("olga", "olga").unwrap();
    w.status("reviewer", Status::Blocked).unwrap();
    assert_eq!(owner(&w), "reviewer", "the only coordinator");

    let mut w = World::pair();
    w.agent("carl").role(Role::Coordinator).unmanaged();
    w.adds("olga", "carl", ThreadRole::Coordinator).unwrap();
    w.removes("olga", "olga").unwrap();
    w.status("carl", Status::Blocked).unwrap();
    assert_eq!(owner(&w), "carl", "a person before an agent");

    for (configured, wanted) in [(Some("zoe"), "zoe"), (None, "olga")] {
        let mut w = World::new();
        w.agent("executor").managed();
        w.person("olga", Role::Operator);
        w.open("olga", &[("executor", ThreadRole::Participant), ("olga", ThreadRole::Participant)]);
        w.policy.escalation_owner = configured.map(name);
        w.removes("olga", "olga").unwrap();
        w.status("olga", Status::Blocked).unwrap();
        assert_eq!(owner(&w), wanted);
    }
}

/// Otherwise a blocked thread would wait for somebody who knows of nothing.
#[test]
fn when_who_must_act_cannot_be_woken_a_person_must() {
    let mut w = blocked();
    w.assigns("olga", "reviewer").unwrap();
    let claim = w.run_one("sup");
    assert_eq!(claim.agent, name("reviewer"));
    let done = w.ended(&claim, Outcome::SpawnFailed).unwrap();
    assert_eq!(
        done.kinds(),
        ["wake.finished", "thread.owner_assigned", "thread.message_posted"],
        "nothing else changes"
    );
    assert_eq!((w.thread().status, owner(&w)), (Status::Blocked, "olga"));

    // Where no person can be named it stays: from agent to agent it would go for ever.
    let mut w = World::new();
    w.agent("lead").role(Role::Coordinator).managed();
    w.agent("hand").managed();
    w.open("lead", &[("hand", ThreadRole::Coordinator)]);
    w.status_for("lead", Status::Blocked, Reason::ByRequest, Some("hand")).unwrap();
    let claim = w.run_one("sup");
    w.ended(&claim, Outcome::SpawnFailed).unwrap();
    assert_eq!(owner(&w), "hand");
}

/// An agent that cannot be woken is no help in deciding what to do about that.
#[test]
fn who_could_not_be_woken_is_asked_last() {
    let mut w = World::new();
    w.agent("lead").role(Role::Coordinator).managed();
    w.agent("carl").role(Role::Coordinator).unmanaged();
    w.policy.wake_retries_max = 0;
    w.open("lead", &[("carl", ThreadRole::Coordinator)]);
    w.post("carl", Post::chat("go").to(&["lead"])).unwrap();
    let claim = w.run_one("sup");
    w.exits(&claim, 1);
    assert_eq!((w.thread().reason, owner(&w)), (Some(Reason::WakeFailed), "carl"));
}

#[test]
fn an_escalation_is_given_to_somebody_else_who_is_told_and_woken() {
    let mut w = blocked();
    let since = w.thread().escalation.as_ref().unwrap().since;
    w.advance_ms(1_000);
    let done = w.assigns("olga", "reviewer").unwrap();
    assert_eq!(done.kinds(), ["thread.owner_assigned", "thread.message_posted", "wake.requested"]);
    assert!(matches!(&done.events[0], Event::OwnerAssigned { former, by, .. }
        if *former == Some(name("olga")) && *by == name("olga")));
    let escalation = w.thread().escalation.clone().unwrap();
    assert_eq!(
        (escalation.since, escalation.assigned_by, escalation.assigned_at),
        (since, name("olga"), w.now())
    );
    assert_eq!(escalation.text, "knows best");
    let (message, _) = &w.rows.messages[&(w.thread_id, w.thread().seq)];
    assert_eq!(message.head.kind, MessageKind::System);
    assert_eq!(message.head.event_type.as_deref(), Some(et::ESCALATION_ASSIGNED));
    assert_eq!(message.head.to, [name("reviewer")]);

    w.post("olga", Post::chat("and you").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    assert_eq!(claim.agent, name("reviewer"), "nobody else is woken in a blocked thread");
    w.does_its_turn(&claim);
    assert_eq!(w.thread().status, Status::Blocked, "a turn there trips no guard");
    w.status("reviewer", Status::Active).unwrap();
    assert_eq!(w.thread().escalation, None);
    assert_eq!(w.claim_one("sup").agent, name("executor"), "what was held back is due");
}

/// A pending wake follows the right to act: it is let go, or held back again.
#[test]
fn a_wake_that_was_held_back_is_let_go_for_whoever_must_act_now() {
    let mut w = blocked();
    w.post("olga", Post::chat("one").to(&["executor"])).unwrap();
    assert!(w.pending_of("executor")[0].held);
    assert_eq!(w.assigns("olga", "executor").unwrap().kinds()[2..], ["wake.joined"], "one wake, not two");
    assert!(!w.pending_of("executor")[0].held);
    let claim = w.claim_one("sup");
    w.assigns("reviewer", "olga").unwrap();
    assert!(w.pending_of("executor")[0].held);
    assert_eq!(refused(w.started(&claim)), Reason::WakeWrongState);
}

#[test]
fn a_managed_opener_is_woken_when_its_thread_is_blocked() {
    let mut w = World::new();
    w.agent("lead").role(Role::Coordinator).managed();
    w.agent("executor").managed();
    w.person("olga", Role::Operator);
    w.open("lead", &[("executor", ThreadRole::Participant)]);
    w.status("olga", Status::Blocked).unwrap();
    assert_eq!(w.claim_one("sup").agent, name("lead"));

    let mut w = World::new();
    w.agent("lead").role(Role::Coordinator).managed();
    w.person("olga", Role::Operator);
    w.open("lead", &[]);
    w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
    assert_eq!(w.claim("sup"), [], "a person has paused it: nobody is woken");
}

#[test]
fn who_may_give_an_escalation_away_and_to_whom() {
    for (who, role, wanted) in [
        ("carl", Role::Coordinator, None),
        ("olga", Role::Operator, None),
        ("reviewer", Role::Participant, Some(Reason::PersonRequired)),
        ("executor", Role::Participant, Some(Reason::NotCoordinator)),
        ("axel", Role::Auditor, Some(Reason::NotCoordinator)),
        ("paul", Role::Participant, Some(Reason::ThreadNotFound)),
    ] {
        let mut w = blocked();
        w.person(who, role);
        assert_eq!(w.assigns(who, "executor").err().map(|refusal| refusal.reason), wanted, "{who}");
    }
    let mut w = blocked();
    assert_eq!(refused(w.assigns("olga", "nobody")), Reason::ParticipantMissing);
    assert_eq!(w.assigns("olga", "olga").unwrap().events, [], "it must act already");
    w.status("olga", Status::Active).unwrap();
    assert_eq!(refused(w.assigns("olga", "executor")), Reason::NotBlocked);
}

/// Four hours, and at most three times; a new assignment begins anew.
#[test]
fn whoever_has_not_acted_is_told_again() {
    let mut w = blocked();
    w.advance_ms(4 * HOURS_MS - 1);
    assert_eq!(w.reminds().events, [], "1 ms is missing");
    for number in 1..=3 {
        w.advance_ms(if number == 1 { 1 } else { 4 * HOURS_MS });
        assert_eq!(w.reminds().kinds(), ["thread.owner_reminded", "thread.message_posted"]);
        assert_eq!(w.reminds().events, [], "another server is too late");
        assert_eq!(w.thread().escalation.as_ref().unwrap().reminders, number);
    }
    w.advance_ms(40 * HOURS_MS);
    assert_eq!(w.reminds().events, [], "enough is enough");
    w.assigns("olga", "reviewer").unwrap();
    let claim = w.run_one("sup");
    w.does_its_turn(&claim);
    w.advance_ms(4 * HOURS_MS);
    assert_eq!(w.reminds().kinds()[2..], ["wake.requested"], "and it is woken");
    let (message, _) = &w.rows.messages[&(w.thread_id, w.thread().seq)];
    assert_eq!(message.head.event_type.as_deref(), Some(et::ESCALATION_REMINDER));
    assert_eq!((message.head.kind, message.head.event_version), (MessageKind::System, 1));
    assert_eq!(message.head.to, [name("reviewer")]);
    let data: serde_json::Value = serde_json::from_str(&message.text.data).unwrap();
    let reason = w.thread().reason.unwrap().as_str();
    assert_eq!(data, serde_json::json!({"status": "blocked", "reason": reason, "owner": "reviewer"}));
}

#[test]
fn who_need_not_act_is_not_told_again() {
    let never = |change: fn(&mut World)| {
        let mut w = blocked();
        let since = w.thread().escalation.as_ref().unwrap().since;
        change(&mut w);
        w.advance_ms(100 * HOURS_MS);
        assert_eq!(w.thread().reminder_due(&w.policy).filter(|due| *due <= w.now()), None, "{since}");
    };
    never(|w| w.policy.escalation_reminder_ms = 0);
    never(|w| w.policy.escalation_reminders_max = 0);
    never(|w| drop(w.status("olga", Status::Active).unwrap()));
    never(|w| {
        w.status("olga", Status::Active).unwrap();
        w.status_for("olga", Status::Blocked, Reason::Paused, None).unwrap();
    });
}

#[test]
fn whoever_left_is_replaced_before_anybody_is_told_again() {
    let mut w = blocked();
    w.removes("olga", "olga").unwrap();
    w.advance_ms(4 * HOURS_MS);
    assert_eq!(w.reminds().kinds()[..2], ["thread.owner_assigned", "thread.owner_reminded"]);
    assert_eq!(owner(&w), "reviewer");
    assert_eq!(w.pending_of("reviewer")[0].state, WakeState::Pending);
}

type Attempted = Result<Done, Refusal>;
/// What is done, and from which statuses it may be.
type Action = (&'static str, fn(&mut World) -> Attempted, &'static [Status]);

/// Each from every status, and with which words.
#[test]
fn operators_block_let_go_on_and_close() {
    let by: [Action; 3] = [
        (
            "escalate",
            |w| w.operates("olga", ThreadAction::Escalate { owner: Some(name("reviewer")) }, "stuck", None),
            &[Status::Active],
        ),
        ("unblock", |w| w.operates("olga", ThreadAction::Unblock, "looked at it", None), &[Status::Blocked]),
        (
            "close",
            |w| w.operates("olga", ThreadAction::Close, "human_override: false alarm", None),
            &[Status::Active, Status::Blocked, Status::Resolved],
        ),
    ];
    for (what, act, from) in by {
        for status in Status::ALL {
            let mut w = World::pair();
            if *status != Status::Active {
                w.status("olga", *status).unwrap();
            }
            let wanted = (!from.contains(status)).then_some(Reason::TransitionInvalid);
            assert_eq!(act(&mut w).err().map(|refusal| refusal.reason), wanted, "{what} {status}");
        }
    }
    let mut w = World::pair();
    w.operates("olga", ThreadAction::Escalate { owner: Some(name("reviewer")) }, "stuck", None).unwrap();
    assert_eq!((w.thread().status, owner(&w)), (Status::Blocked, "reviewer"));
    w.operates("olga", ThreadAction::Close, "human_override: false alarm", None).unwrap();
    assert_eq!(w.thread().reason, Some(Reason::HumanOverride), "recorded as what it was");
}

/// X7: the prefix and something behind it, from an operator.
#[test]
fn closing_over_open_work_takes_an_override() {
    for (text, wanted) in [
        ("human_override: the finding is a false alarm", None),
        ("human_override:x", None),
        ("human_override:", Some(Reason::OverrideRequired)),
        ("human_override:  ", Some(Reason::OverrideRequired)),
        ("coordinator_override: mine", Some(Reason::OverrideRequired)),
        ("because I say so", Some(Reason::OverrideRequired)),
        ("", Some(Reason::OverrideRequired)),
    ] {
        let mut w = World::pair();
        let done = w.operates("olga", ThreadAction::Close, text, None);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{text}");
    }
    for (who, role) in [("reviewer", Role::Participant), ("carl", Role::Coordinator)] {
        let mut w = World::pair();
        w.person(who, role);
        let done = w.operates(who, ThreadAction::Close, "human_override: mine", None);
        assert_eq!(refused(done), Reason::RoleMissing, "{who} is no operator");
        let done = w.operates(who, ThreadAction::Escalate { owner: None }, "stuck", None);
        assert_eq!(refused(done), Reason::RoleMissing);
    }
}

#[test]
fn a_coordinator_goes_on_by_overriding_in_so_many_words() {
    let led_by_carl = || {
        let mut w = blocked();
        w.agent("carl").unmanaged();
        w.adds("olga", "carl", ThreadRole::Coordinator).unwrap();
        w
    };
    for (who, text, wanted) in [
        ("carl", "coordinator_override: the test is flaky", None),
        ("carl", "coordinator_override: ", Some(Reason::OverrideRequired)),
        ("carl", "go on", Some(Reason::OverrideRequired)),
        ("executor", "coordinator_override: me too", Some(Reason::NotCoordinator)),
        ("olga", "go on", None),
        ("olga", " ", Some(Reason::ParameterInvalid)),
    ] {
        let done = led_by_carl().operates(who, ThreadAction::Unblock, text, None);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{who}: {text}");
    }
    let done =
        led_by_carl().operates("carl", ThreadAction::Unblock, "coordinator_override: flaky", None).unwrap();
    assert!(matches!(&done.events[0], Event::StatusChanged { reason: Reason::CoordinatorOverride, .. }));
}

#[test]
fn what_has_changed_meanwhile_is_not_overridden() {
    let mut w = blocked();
    let close = |w: &mut World, expected| {
        w.operates("olga", ThreadAction::Close, "human_override: done by hand", Some(expected))
    };
    assert_eq!(refused(close(&mut w, Status::Active)), Reason::StatusDiffers);
    assert!(close(&mut w, Status::Blocked).is_ok());
}
