//! Every version of every message payload ever written, as committed files: each is taken, kept and given back as it is,
//! for ever. A new version is a new file; none of these is changed or removed.

use std::collections::BTreeSet;
use std::path::Path;

use interlock_api::operations as op;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::SCHEMA_VERSION_MAX;
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
    for known in [
        "fix_pushed",
        "re_review_requested",
        "finding_reported",
        "finding_verified",
        "finding_rejected",
        "finding_unresolved",
    ] {
        assert!(there.contains(known), "{known}");
    }
}

#[tokio::test]
async fn system_messages_keep_their_shape() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let changes = [
        (
            "blocked",
            "thread_escalated",
            json!({"status": "blocked", "reason": "PAUSED", "owner": "coordinator"}),
        ),
        ("active", "thread_status_changed", json!({"status": "active", "reason": "PAUSED", "owner": null})),
        ("resolved", "thread_resolved", json!({"status": "resolved", "reason": "PAUSED", "owner": null})),
    ];
    for (n, (status, event_type, data)) in changes.into_iter().enumerate() {
        let change = json!({"thread_id": stage.thread, "status": status, "reason": "PAUSED"});
        call::<op::UpdateThreadStatus>(&lead, &change, status).await.unwrap();
        let read = json!({"thread_id": stage.thread, "after_seq": n + 1});
        let read = call::<op::ReadMessages>(&lead, &read, "").await.unwrap();
        let message = serde_json::to_value(&read.messages[0]).unwrap();
        assert_eq!((&message["kind"], &message["event_type"]), (&json!("system"), &json!(event_type)));
        assert_eq!((&message["event_version"], &message["schema_version"]), (&json!(1), &json!(1)));
        assert_eq!(message["data"], data);
    }
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
