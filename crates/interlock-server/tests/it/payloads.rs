//! Every version of every message payload ever written, as committed files: each is taken, kept and given back as it is,
//! for ever. A new version is a new file; none of these is changed or removed.

use std::collections::BTreeSet;
use std::path::Path;

use interlock_api::operations as op;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::SCHEMA_VERSION_MAX;
use interlock_core::thread::event_type;
use serde_json::{Map, Value, json};

use crate::world::{World, call};

/// The files, in the order in which they are posted: a finding is reported before it is settled.
fn payloads() -> Vec<(String, Map<String, Value>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/payloads"));
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

#[tokio::test]
async fn every_payload_is_taken_and_given_back_as_it_is() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    for (name, payload) in payloads() {
        let mut params = payload.clone();
        params.insert("thread_id".into(), json!(stage.thread));
        let posted = call::<op::PostMessage>(&lead, &Value::Object(params), &name).await;
        let seq = posted.unwrap_or_else(|problem| panic!("{name}: {problem:?}")).seq;
        let read = json!({"thread_id": stage.thread, "after_seq": seq - 1});
        let read = call::<op::ReadMessages>(&lead, &read, "").await.unwrap();
        let message = serde_json::to_value(&read.messages[0]).unwrap();
        for (field, value) in &payload {
            assert_eq!(&message[field], value, "{name}: `{field}`");
        }
    }
}

#[test]
fn every_known_event_type_has_a_file() {
    let there: BTreeSet<String> =
        payloads().into_iter().filter_map(|(_, p)| Some(p.get("event_type")?.as_str()?.to_owned())).collect();
    for known in event_type::POSTED {
        assert!(there.contains(known), "{known}");
    }
}

/// Each type that Interlock alone says, with the data that it always has.
#[tokio::test]
async fn system_messages_keep_their_shape() {
    let world = World::new().await;
    let stage = world.stage().await;
    let to = |status: &str| json!({"thread_id": stage.thread, "status": status, "reason": "PAUSED"});
    let (lead, operator) = (world.client(Role::Coordinator), world.client(Role::Operator));
    call::<op::UpdateThreadStatus>(&lead, &to("blocked"), "blocked").await.unwrap();
    let owner = json!({"thread_id": stage.thread, "owner": "participant", "text": "please look"});
    call::<op::AssignEscalationOwner>(&lead, &owner, "owner").await.unwrap();
    call::<op::UpdateThreadStatus>(&lead, &to("active"), "active").await.unwrap();
    let executor =
        json!({"thread_id": stage.thread, "agent": "executor", "override_reason": "it cannot wait"});
    call::<op::TriggerParticipant>(&operator, &executor, "trigger").await.unwrap();
    call::<op::UpdateThreadStatus>(&lead, &to("resolved"), "resolved").await.unwrap();

    let told_of =
        |status: &str, owner: Option<&str>| json!({"status": status, "reason": "PAUSED", "owner": owner});
    let expected = [
        ("thread_escalated", told_of("blocked", Some("coordinator"))),
        ("escalation_assigned", told_of("blocked", Some("participant"))),
        ("thread_status_changed", told_of("active", None)),
        ("wake_overridden", json!({"wake_id": stage.wake, "agent": "executor"})),
        ("thread_resolved", told_of("resolved", None)),
    ];
    let read = json!({"thread_id": stage.thread, "after_seq": 1});
    let read = call::<op::ReadMessages>(&lead, &read, "").await.unwrap();
    let told: Vec<_> = read.messages.iter().map(|message| serde_json::to_value(message).unwrap()).collect();
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (message, (event_type, data)) in told.iter().zip(&expected) {
        assert_eq!((&message["kind"], &message["event_type"]), (&json!("system"), &json!(event_type)));
        assert_eq!((&message["event_version"], &message["schema_version"]), (&json!(1), &json!(1)));
        assert_eq!(message["data"], *data, "{event_type}");
    }
    let mut types: BTreeSet<&str> = expected.iter().map(|(event_type, _)| *event_type).collect();
    // They come after minutes and hours, and the core's tests, which have them, hold them to their shape.
    types.extend([event_type::ESCALATION_REMINDER, event_type::WAKE_STRANDED]);
    assert_eq!(types, event_type::RESERVED.into());
}

#[tokio::test]
async fn a_version_that_is_not_known_is_refused_with_the_range_that_is() {
    let world = World::new().await;
    let stage = world.stage().await;
    for version in [0, SCHEMA_VERSION_MAX + 1, u32::MAX] {
        let params = json!({"thread_id": stage.thread, "body": "x", "schema_version": version});
        let refused =
            call::<op::PostMessage>(&world.client(Role::Coordinator), &params, "later").await.unwrap_err();
        assert_eq!(refused.known_reason(), Some(Reason::SchemaVersionUnsupported));
        assert!(refused.detail.contains(&format!("1 to {SCHEMA_VERSION_MAX}")), "{}", refused.detail);
    }
}
