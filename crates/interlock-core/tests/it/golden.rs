//! The shape of every kind of event, as committed files: a ledger written today must be readable for ever.

use std::collections::BTreeSet;
use std::path::Path;

use interlock_core::Event;

/// The number of the event's file, in the order of `FILES`. A new kind does not compile without an arm here.
const fn place(event: &Event) -> usize {
    match event {
        Event::AgentRegistered { .. } => 0,
        Event::ThreadCreated { .. } => 1,
        Event::ParticipantAdded { .. } => 2,
        Event::MessagePosted { .. } => 3,
        Event::CursorMoved { .. } => 4,
        Event::StatusChanged { .. } => 5,
        Event::WakeRequested { .. } => 6,
        Event::WakeJoined { .. } => 7,
        Event::WakeDispatched { .. } => 8,
        Event::WakeAccepted { .. } => 9,
        Event::WakeSeen { .. } => 10,
        Event::WakeActed { .. } => 11,
        Event::WakeAttemptFailed { .. } => 12,
        Event::WakeReleased { .. } => 13,
        Event::WakeFinished { .. } => 14,
        Event::ActionRefused { .. } => 15,
        Event::ServersHalted { .. } => 16,
        Event::WakeDeferred { .. } => 17,
        Event::WakeUsed { .. } => 18,
        Event::SessionBound { .. } => 19,
        Event::SessionReleased { .. } => 20,
        Event::ParticipantRemoved { .. } => 21,
        Event::MessageWithdrawn { .. } => 22,
        Event::WakeRecounted { .. } => 23,
        Event::JobDied { .. } => 24,
        Event::JobRequeued { .. } => 25,
        Event::WorkspaceHalted { .. } => 26,
        Event::WorkspaceResumed { .. } => 27,
        Event::WebhookCreated { .. } => 28,
        Event::WebhookUpdated { .. } => 29,
        Event::WebhookPaused { .. } => 30,
        Event::WebhookResumed { .. } => 31,
        Event::WebhookSecretRotated { .. } => 32,
        Event::WebhookDeleted { .. } => 33,
        Event::OwnerAssigned { .. } => 37,
        Event::OwnerReminded { .. } => 38,
        Event::WakeRetryRequested { .. } => 39,
        Event::WakeCancelRequested { .. } => 40,
        Event::WakeDoorChanged { .. } => 34,
        Event::WakeOverridden { .. } => 35,
        Event::WakeDeclined { .. } => 36,
        Event::WakeStranded { .. } => 41,
        Event::WakeSaid { .. } => 42,
        Event::SnapshotTaken { .. } => 43,
    }
}

const FILES: [&[&str]; 44] = [
    &["agent.registered-1", "agent.registered-1-placed"],
    &["thread.created-1"],
    &["thread.participant_added-1", "thread.participant_added-1-placed"],
    &[
        "thread.message_posted-1",
        "thread.message_posted-1-full",
        "thread.message_posted-1-order",
        "thread.message_posted-1-again",
    ],
    &["thread.cursor_moved-1"],
    &["thread.status_changed-1", "thread.status_changed-1-owner", "thread.status_changed-1-agents"],
    &[
        "wake.requested-1",
        "wake.requested-1-order",
        "wake.requested-1-chain",
        "wake.requested-1-placed",
        "wake.requested-1-escalation",
    ],
    &[
        "wake.joined-1",
        "wake.joined-1-standing",
        "wake.joined-1-forgotten",
        "wake.joined-1-chain",
        "wake.joined-1-due",
    ],
    &["wake.dispatched-1", "wake.dispatched-1-door"],
    &["wake.accepted-1", "wake.accepted-1-hook"],
    &["wake.seen-1"],
    &["wake.acted-1"],
    &["wake.attempt_failed-1"],
    &["wake.released-1", "wake.released-1-doubt"],
    &["wake.finished-1", "wake.finished-1-failed"],
    &["operator.action_refused-1"],
    &["workspace.halted-1"],
    &["wake.deferred-1", "wake.deferred-1-human", "wake.deferred-1-told"],
    &["wake.used-1", "wake.used-1-cost"],
    &["session.bound-1"],
    &["session.released-1"],
    &["thread.participant_removed-1"],
    &[
        "thread.message_withdrawn-1",
        "thread.message_withdrawn-1-superseded",
        "thread.message_withdrawn-1-reason",
    ],
    &["wake.recounted-1", "wake.recounted-1-nothing"],
    &["job.died-1"],
    &["job.requeued-1"],
    &["workspace.halted-2"],
    &["workspace.resumed-1"],
    &["webhook.created-1", "webhook.created-1-full"],
    &["webhook.updated-1", "webhook.updated-1-full"],
    &["webhook.paused-1", "webhook.paused-1-gone"],
    &["webhook.resumed-1"],
    &["webhook.secret_rotated-1"],
    &["webhook.deleted-1"],
    &["wake.door_changed-1"],
    &["wake.overridden-1"],
    &["wake.declined-1"],
    &["thread.owner_assigned-1", "thread.owner_assigned-1-first", "thread.owner_assigned-1-entrusted"],
    &["thread.owner_reminded-1"],
    &["wake.retry_requested-1", "wake.retry_requested-1-former"],
    &["wake.cancel_requested-1"],
    &["wake.stranded-1", "wake.stranded-1-placed"],
    &["wake.said-1"],
    &["snapshot.taken-1", "snapshot.taken-1-full"],
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden"))
}

#[test]
fn every_kind_decodes_and_encodes_to_the_same_bytes() {
    for (number, files) in FILES.iter().enumerate() {
        for file in *files {
            let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
            let text = text.trim_end();
            let event: Event = serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(place(&event), number, "{file}");
            assert_eq!(serde_json::to_string(&event).unwrap(), text, "{file}");
            let mut parts = file.split('-');
            let (kind, version) = (parts.next().unwrap(), parts.next().unwrap());
            assert!(text.starts_with(&format!("{{\"kind\":\"{kind}/{version}\",")), "{file}");
        }
    }
}

#[test]
fn no_file_is_forgotten() {
    let known: BTreeSet<String> =
        FILES.iter().flat_map(|files| files.iter()).map(|file| format!("{file}.json")).collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, known);
}

#[test]
fn kinds_of_a_later_version_are_not_taken_for_ours() {
    let text = r#"{"kind":"wake.joined/2","wake_id":"wak_00000000000000000000000001","thread_id":"thr_00000000000000000000000002","seq":1}"#;
    assert!(serde_json::from_str::<Event>(text).is_err());
}

/// The digests in these files were computed by another program, from their text.
#[test]
fn the_digest_of_a_snapshot_is_what_anybody_computes() {
    for file in FILES[43] {
        let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
        let event: Event = serde_json::from_str(&text).unwrap();
        let Event::SnapshotTaken { content, content_digest, .. } = event else { panic!("{event:?}") };
        assert_eq!(content.digest().unwrap(), content_digest, "{file}");
    }
}
