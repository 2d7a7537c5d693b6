//! The ledger entry of a command: canonical JSON that says who did what, without any free text.

use interlock_core::actor::Actor;
use interlock_core::command::Envelope;
use interlock_core::id::{CommandId, WorkspaceId};
use interlock_core::text::Digest;
use interlock_core::{Event, Hybrid, Timestamp, idempotency_digest};
use interlock_ledger::Hash;

/// The version of the entry's shape.
const ENTRY_VERSION: u32 = 1;

/// What is hashed, in the order it is documented; on paper the keys are sorted (RFC 8785).
#[derive(serde::Serialize)]
struct Entry<'a> {
    v: u32,
    ws: WorkspaceId,
    index: u64,
    prev: String,
    at: Timestamp,
    count: u32,
    command_id: CommandId,
    request_id: &'a str,
    operation: &'a str,
    actor: EntryActor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency: Option<EntryIdempotency>,
    events: &'a [Event],
}

#[derive(serde::Serialize)]
struct EntryActor<'a> {
    name: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_id: Option<String>,
}

/// The key as a digest: callers may put anything into it.
#[derive(serde::Serialize)]
struct EntryIdempotency {
    key: Digest,
    fingerprint: Digest,
}

/// The canonical bytes of a command's entry at this place.
pub(crate) fn canonical(
    env: &Envelope,
    index: u64,
    prev: &Hash,
    at: Hybrid,
    events: &[Event],
) -> Result<Vec<u8>, interlock_ledger::LedgerError> {
    let Actor { name, role, session_id, wake_id, .. } = &env.actor;
    interlock_ledger::canonical(&Entry {
        v: ENTRY_VERSION,
        ws: env.workspace_id,
        index,
        prev: prev.hex(),
        at: at.at,
        count: at.count,
        command_id: env.command_id,
        request_id: &env.request_id,
        operation: env.operation,
        actor: EntryActor {
            name: name.as_str(),
            role: role.as_str(),
            session_id: session_id.map(|id| id.to_string()),
            wake_id: wake_id.map(|id| id.to_string()),
        },
        trace: env.trace.as_deref(),
        idempotency: idempotency_digest(env)
            .map(|key| EntryIdempotency { key, fingerprint: env.fingerprint }),
        events,
    })
}
