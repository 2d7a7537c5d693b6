//! The ledger over the wire: who did what, and an export that anybody can verify.

use interlock_api::v1::ledger::{ExportLedgerParams, GetCheckpointResponse};
use interlock_api::{OPERATIONS, operations as op};
use interlock_core::actor::Role;
use serde_json::json;

use crate::access::allowed;
use crate::ask::{Ask, needs, sample};
use crate::world::{World, call, says};

async fn export(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    let keep = |chunk: &[u8]| {
        bytes.extend_from_slice(chunk);
        Ok(())
    };
    world.client(Role::Auditor).stream::<op::ExportLedger>(&ExportLedgerParams {}, keep).await.unwrap();
    bytes
}

async fn checkpoint(world: &World) -> GetCheckpointResponse {
    call::<op::GetCheckpoint>(&world.client(Role::Auditor), &json!({}), "").await.unwrap()
}

#[tokio::test]
async fn an_export_verifies_with_the_servers_key_and_no_other() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    // Enough to need a second tile and more than one chunk.
    for n in 0..270 {
        says(&lead, stage.thread, &n.to_string(), &n.to_string()).await.unwrap();
    }
    let (head, bytes) = (checkpoint(&world).await, export(&world).await);
    let report = interlock_ledger::verify_export(bytes.as_slice(), Some(&head.vkey)).unwrap();
    assert_eq!((report.size, report.root.to_string()), (head.size, head.root));
    assert_eq!((report.origin, head.size), (head.origin.clone(), 277));
    let other = interlock_ledger::LogKey::from_seed([8; 32]).vkey(&head.origin).unwrap();
    interlock_ledger::verify_export(bytes.as_slice(), Some(&other)).unwrap_err();
    // A byte of the first entry is another: nobody is fooled.
    let mut forged = bytes;
    let place = forged.windows(10).position(|window| window == b"\"operator\"").unwrap();
    forged[place + 1] = b'O';
    interlock_ledger::verify_export(forged.as_slice(), Some(&head.vkey)).unwrap_err();
}

#[tokio::test]
async fn exports_made_while_others_post_verify_too() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let posting = tokio::spawn(async move {
        for n in 0..40 {
            says(&lead, stage.thread, "more", &n.to_string()).await.unwrap();
        }
    });
    let mut last = 0;
    for _ in 0..8 {
        let report = interlock_ledger::verify_export(export(&world).await.as_slice(), None).unwrap();
        assert!(report.size >= last);
        last = report.size;
    }
    posting.await.unwrap();
}

/// Every mutation says who did it, by which operation and in which request (S002-10).
#[tokio::test]
async fn every_mutation_has_an_entry_that_says_who_did_what_in_which_request() {
    for row in OPERATIONS.iter().filter(|row| row.mutates) {
        let world = World::new().await;
        let stage = world.stage().await;
        let keeper = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1});
        call::<op::ClaimWakes>(&world.client(Role::Supervisor), &keeper, "").await.unwrap();
        if row.id == "trigger_participant" {
            // Whoever waits to be woken already is not woken twice, and nothing is written down.
            let executor = world.client_with(world.token_of("executor", Role::Participant, world.here));
            let ack = json!({"thread_id": stage.thread, "seq": 1});
            call::<op::AckRead>(&executor, &ack, "first").await.unwrap();
        }
        needs(&world, row, &stage).await;
        if row.id == "add_participant" {
            let gone = json!({"thread_id": stage.thread, "agent": "executor"});
            call::<op::RemoveParticipant>(&world.client(Role::Coordinator), &gone, "gone").await.unwrap();
        }
        let role = if Role::Coordinator.may(row.permission) { Role::Coordinator } else { allowed(row) };
        let answer = Ask::of(row, &sample(row, &stage)).token(&world.token(role)).send(&world).await;
        answer.done();
        let list = json!({"limit": 200});
        let list = call::<op::ListEntries>(&world.client(Role::Auditor), &list, "").await.unwrap();
        let entry = list.entries.last().unwrap();
        assert_eq!(entry["operation"], row.id);
        assert_eq!(entry["request_id"], answer.request_id());
        assert_eq!(entry["actor"], json!({"name": role.as_str(), "role": role.as_str()}));
        assert_eq!(entry["index"], json!(list.next - 1));
        assert!(!entry["events"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn entries_are_read_page_by_page() {
    let world = World::new().await;
    world.stage().await;
    let auditor = world.client(Role::Auditor);
    let (mut seen, mut from) = (Vec::new(), 0);
    loop {
        let page = json!({"from": from, "limit": 3});
        let page = call::<op::ListEntries>(&auditor, &page, "").await.unwrap();
        seen.extend(page.entries);
        from = page.next;
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, world.ledger().await);
    let beyond = call::<op::ListEntries>(&auditor, &json!({"from": 1_000}), "").await.unwrap();
    assert!(beyond.entries.is_empty() && beyond.next == 1_000 && !beyond.has_more);
}
