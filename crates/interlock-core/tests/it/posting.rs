//! Posting: who may, what, and to whom.

use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::limits::{
    ADDRESSEES_MAX, EVENT_TYPE_CHARS_MAX, FINDINGS_MAX, MESSAGE_BODY_BYTES_MAX, MESSAGE_DATA_BYTES_MAX,
    SCHEMA_VERSION_MAX,
};
use interlock_core::thread::{FindingState, MessageKind, Status, ThreadRole, event_type as et};
use serde_json::{Value, json};

use crate::refused;
use crate::world::{Post, World, finding_id, name};

#[test]
fn messages_are_numbered_without_gaps_and_keep_what_was_said() {
    let mut w = World::pair();
    for n in 1..=5 {
        assert_eq!(w.says("reviewer", &format!("number {n}")).seq(), n);
    }
    let (message, _) = &w.rows.messages[&(w.thread_id, 3)];
    assert_eq!((message.text.body.as_str(), message.head.from.as_str()), ("number 3", "reviewer"));
    assert_eq!(message.head.text_digest, message.text.digest());
}

/// Who may post: participants, and whoever sees all threads; for anybody else the thread is not there.
#[test]
fn who_may_post() {
    for role in Role::ALL {
        let mut w = World::pair();
        w.person("stranger", *role);
        let done = w.post("stranger", Post::chat("hello"));
        if role.sees_all_threads() {
            assert_eq!(done.unwrap().kinds()[..2], ["thread.participant_added", "thread.message_posted"]);
            let member = &w.thread().members[&name("stranger")];
            assert_eq!((member.role, member.cursor), (ThreadRole::Participant, 0), "{role}");
            assert_eq!(w.says("stranger", "again").kinds()[0], "thread.message_posted", "joins once");
        } else {
            assert_eq!(refused(done), Reason::ThreadNotFound, "{role}");
        }
    }
    let mut w = World::pair();
    let nowhere = Post::chat("hello").into_thread(ThreadId::from_u128(99));
    assert_eq!(refused(w.post("olga", nowhere)), Reason::ThreadNotFound);
}

#[test]
fn a_managed_agent_that_joins_by_speaking_can_be_woken_from_then_on() {
    let mut w = World::pair();
    w.agent("lead").role(Role::Coordinator).managed();
    w.says("lead", "I join");
    assert!(w.thread().members[&name("lead")].managed);
    w.post("olga", Post::chat("go").to(&["lead"])).unwrap();
    assert_eq!(w.pending_of("lead").len(), 1);
}

#[test]
fn whoever_joins_later_has_nothing_unread_of_before() {
    let mut w = World::pair();
    w.says("reviewer", "one");
    w.says("reviewer", "two");
    w.person("late", Role::Admin);
    w.says("late", "three");
    assert_eq!(w.cursor("late"), 2);
}

#[test]
fn messages_are_posted_to_active_and_blocked_threads_only() {
    for (status, fits) in [(Status::Blocked, true), (Status::Resolved, false), (Status::Closed, false)] {
        let mut w = World::pair();
        w.status("reviewer", status).unwrap();
        let done = w.post("executor", Post::chat("still here"));
        assert_eq!(done.err().map(|refusal| refusal.reason), (!fits).then_some(Reason::ThreadWrongStatus));
    }
}

#[test]
fn addressees_must_take_part() {
    let mut w = World::pair();
    w.agent("third").managed();
    assert_eq!(refused(w.post("reviewer", Post::chat("x").to(&["third"]))), Reason::ParticipantMissing);
    assert!(w.post("reviewer", Post::chat("x").to(&["executor", "reviewer"])).is_ok());
    let many = vec!["executor"; ADDRESSEES_MAX];
    assert!(w.post("reviewer", Post::chat("x").to(&many)).is_ok());
    let many = vec!["executor"; ADDRESSEES_MAX + 1];
    assert_eq!(refused(w.post("reviewer", Post::chat("x").to(&many))), Reason::LimitExceeded);
}

#[test]
fn an_answer_names_a_message_of_the_same_thread() {
    let mut w = World::pair();
    let elsewhere = w.says("reviewer", "in the first thread").message_id();
    w.open("olga", &[("reviewer", ThreadRole::Participant)]);
    let here = w.says("reviewer", "in the second").message_id();
    assert!(w.post("olga", Post::chat("x").reply_to(here)).is_ok());
    for id in [elsewhere, MessageId::from_u128(5)] {
        assert_eq!(refused(w.post("olga", Post::chat("x").reply_to(id))), Reason::MessageNotFound);
    }
}

#[test]
fn shapes_of_messages() {
    let shaped = |kind, event_type: Option<&str>| {
        let mut post = Post::chat("text");
        post.0.kind = kind;
        post.0.event_type = event_type.map(Into::into);
        post
    };
    let long = "e".repeat(EVENT_TYPE_CHARS_MAX);
    let too_long = "e".repeat(EVENT_TYPE_CHARS_MAX + 1);
    let invalid = Some(Reason::ParameterInvalid);
    let cases = [
        (shaped(MessageKind::Chat, None), None),
        (shaped(MessageKind::Chat, Some("x")), invalid),
        (Post::chat(""), invalid),
        (Post::chat(" \t\n"), invalid),
        (shaped(MessageKind::System, None), invalid),
        (shaped(MessageKind::System, Some("thread_resolved")), invalid),
        (shaped(MessageKind::Event, None), invalid),
        (shaped(MessageKind::Event, Some("")), invalid),
        (shaped(MessageKind::Event, Some("Not_lower")), invalid),
        (shaped(MessageKind::Event, Some("with space")), invalid),
        (shaped(MessageKind::Event, Some("ours.deploy_2")), None),
        (shaped(MessageKind::Event, Some(&long)), None),
        (shaped(MessageKind::Event, Some(&too_long)), invalid),
    ];
    for (n, (post, wanted)) in cases.into_iter().enumerate() {
        let done = World::pair().post("reviewer", post);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "case {n}");
    }
    let mut post = Post::event("ours", json!({}));
    post.0.event_version = 0;
    assert_eq!(refused(World::pair().post("reviewer", post)), Reason::ParameterInvalid);
}

#[test]
fn schema_versions_outside_the_range_are_refused() {
    for (version, fits) in [
        (0, false),
        (1, true),
        (SCHEMA_VERSION_MAX, true),
        (SCHEMA_VERSION_MAX + 1, false),
        (u32::MAX, false),
    ] {
        let mut post = Post::chat("x");
        post.0.schema_version = version;
        let done = World::pair().post("reviewer", post);
        let wanted = (!fits).then_some(Reason::SchemaVersionUnsupported);
        assert_eq!(done.err().map(|refusal| refusal.reason), wanted, "{version}");
    }
}

#[test]
fn texts_end_at_their_limits() {
    let mut w = World::pair();
    assert!(w.post("reviewer", Post::chat(&"b".repeat(MESSAGE_BODY_BYTES_MAX))).is_ok());
    let over = w.post("reviewer", Post::chat(&"b".repeat(MESSAGE_BODY_BYTES_MAX + 1)));
    assert_eq!(refused(over), Reason::LimitExceeded);
    // Bytes count, not characters.
    let over = w.post("reviewer", Post::chat(&"é".repeat(MESSAGE_BODY_BYTES_MAX / 2 + 1)));
    assert_eq!(refused(over), Reason::LimitExceeded);
    // {"k":"…"} is 8 bytes around the value.
    let data = |bytes: usize| Post::event("ours", json!({"k": "d".repeat(bytes)}));
    assert!(w.post("reviewer", data(MESSAGE_DATA_BYTES_MAX - 8)).is_ok());
    assert_eq!(refused(w.post("reviewer", data(MESSAGE_DATA_BYTES_MAX - 7))), Reason::LimitExceeded);
}

#[test]
fn what_interlock_alone_says_is_posted_by_nobody() {
    for event_type in et::RESERVED {
        let done = World::pair().post("reviewer", Post::event(event_type, json!({})));
        assert_eq!(refused(done), Reason::EventTypeReserved, "{event_type}");
    }
}

/// Each known event with everything it needs, and what is wrong with one field left out or of another type.
#[test]
fn known_events_need_their_data() {
    let id = finding_id(1);
    let finding = json!({"finding_id": id, "path": "src/lib.rs", "line": 12, "rule": "r", "severity": "high", "message": "m"});
    let known: [(&str, Value); 6] = [
        (et::FIX_PUSHED, json!({"commit": "0123abc", "branch": "b"})),
        (et::RE_REVIEW_REQUESTED, json!({"commit": "0123abc"})),
        (et::FINDING_REPORTED, finding.clone()),
        (et::FINDING_VERIFIED, json!({"finding_id": id, "commit": "0123abc"})),
        (et::FINDING_REJECTED, json!({"finding_id": id, "commit": "0123abc", "message": "m"})),
        (et::FINDING_UNRESOLVED, json!({"finding_id": id, "message": "m"})),
    ];
    let reported = || {
        let mut w = World::pair();
        w.post("reviewer", Post::event(et::FINDING_REPORTED, finding.clone())).unwrap();
        w
    };
    for (event_type, data) in known {
        assert!(reported().post("executor", Post::event(event_type, data.clone())).is_ok(), "{event_type}");
        for field in data.as_object().unwrap().keys() {
            let mut less = data.clone();
            less.as_object_mut().unwrap().remove(field);
            let done = reported().post("executor", Post::event(event_type, less));
            assert_eq!(refused(done), Reason::EventDataInvalid, "{event_type} without {field}");
        }
        let mut more = data;
        more["extra"] = json!({"kept": true});
        assert!(reported().post("executor", Post::event(event_type, more)).is_ok(), "{event_type}");
    }
    let without_data = {
        let mut post = Post::fix("0123abc");
        post.0.data = None;
        World::pair().post("executor", post)
    };
    assert_eq!(refused(without_data), Reason::EventDataInvalid);
}

#[test]
fn values_in_known_events_have_their_types() {
    let id = finding_id(1);
    let wrong = [
        (et::FIX_PUSHED, json!({"commit": "0123AB", "branch": "b"})),
        (et::FIX_PUSHED, json!({"commit": "012abc", "branch": "b"})),
        (et::FIX_PUSHED, json!({"commit": "0123ABC", "branch": "b"})),
        (et::FIX_PUSHED, json!({"commit": "0".repeat(65), "branch": "b"})),
        (et::FIX_PUSHED, json!({"commit": 7, "branch": "b"})),
        (
            et::FINDING_REPORTED,
            json!({"finding_id": "fnd_x", "path": "p", "line": 1, "rule": "r", "severity": "s", "message": "m"}),
        ),
        (
            et::FINDING_REPORTED,
            json!({"finding_id": id, "path": "p", "line": -1, "rule": "r", "severity": "s", "message": "m"}),
        ),
        (
            et::FINDING_REPORTED,
            json!({"finding_id": id, "path": "p", "line": 1.5, "rule": "r", "severity": "s", "message": "m"}),
        ),
        (
            et::FINDING_REPORTED,
            json!({"finding_id": id, "path": 1, "line": 1, "rule": "r", "severity": "s", "message": "m"}),
        ),
        (
            et::FINDING_REPORTED,
            json!({"finding_id": id, "path": "p", "line": 1, "rule": "r", "severity": 5, "message": "m"}),
        ),
    ];
    for (event_type, data) in wrong {
        let done = World::pair().post("reviewer", Post::event(event_type, data.clone()));
        assert_eq!(refused(done), Reason::EventDataInvalid, "{event_type} {data}");
    }
    assert!(World::pair().post("executor", Post::fix(&"0".repeat(64))).is_ok());
}

#[test]
fn a_finding_is_reported_before_it_is_spoken_of() {
    let id = finding_id(1);
    for event_type in [et::FINDING_VERIFIED, et::FINDING_REJECTED, et::FINDING_UNRESOLVED] {
        let data = json!({"finding_id": id, "commit": "0123abc", "message": "m"});
        let mut w = World::pair();
        assert_eq!(
            refused(w.post("reviewer", Post::event(event_type, data.clone()))),
            Reason::FindingUnknown
        );
        w.post("reviewer", Post::finding(id, "a")).unwrap();
        assert!(w.post("reviewer", Post::event(event_type, data)).is_ok());
    }
}

#[test]
fn one_id_names_one_finding() {
    let mut w = World::pair();
    w.post("reviewer", Post::finding(finding_id(1), "a")).unwrap();
    assert_eq!(refused(w.post("reviewer", Post::finding(finding_id(1), "b"))), Reason::EventDataInvalid);
}

#[test]
fn a_finding_goes_from_open_to_verified_or_unresolved() {
    let mut w = World::pair();
    let id = finding_id(1);
    w.post("reviewer", Post::finding(id, "a")).unwrap();
    assert_eq!(w.findings()[0].state, FindingState::Open);
    w.post("executor", Post::event(et::FINDING_UNRESOLVED, json!({"finding_id": id, "message": "m"})))
        .unwrap();
    assert_eq!(w.findings()[0].state, FindingState::Unresolved);
    w.post("reviewer", Post::verified(id)).unwrap();
    let finding = &w.findings()[0];
    assert_eq!((finding.state, finding.cycles), (FindingState::Verified, 0));
    assert_eq!(finding.commit.as_deref(), Some("abcdef1"));
    w.post("reviewer", Post::finding(id, "a")).unwrap();
    assert_eq!((w.findings()[0].state, w.findings()[0].cycles), (FindingState::Open, 1));
}

#[test]
fn a_thread_holds_so_many_findings_and_no_more() {
    let mut w = World::pair();
    for n in 0..FINDINGS_MAX {
        w.post("reviewer", Post::finding(finding_id(n as u128), &format!("file-{n}")).to(&["olga"])).unwrap();
    }
    let over = w.post("reviewer", Post::finding(finding_id(9_999), "one more"));
    assert_eq!(refused(over), Reason::LimitExceeded);
    assert!(w.post("reviewer", Post::finding(finding_id(0), "file-0")).is_ok(), "a known one may come back");
}

/// Not every database takes a NUL in text; in data it stays as JSON writes it.
#[test]
fn a_nul_is_refused_in_a_body_and_kept_in_data() {
    let mut w = World::pair();
    let refusal = w.post("olga", Post::chat("a\0b")).unwrap_err();
    assert_eq!(refusal.reason, Reason::ParameterInvalid);
    let data = json!({"commit": "a".repeat(40), "branch": "a\0b"});
    assert!(w.post("olga", Post::event("fix_pushed", data)).is_ok());
    let command = interlock_core::command::ChangeStatus {
        thread_id: w.thread().thread_id,
        status: interlock_core::thread::Status::Blocked,
        reason: Reason::ByRequest,
        text: "a\0b".into(),
        owner: None,
    };
    let refusal = w.give("olga", interlock_core::Command::ChangeStatus(command)).unwrap_err();
    assert_eq!(refusal.reason, Reason::ParameterInvalid);
}
