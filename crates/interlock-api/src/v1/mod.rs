//! Version 1 of the wire types. Additive only: fields are added, never renamed, retyped or removed.

pub mod agent;
pub mod delivery;
pub mod denial;
pub mod escalation;
pub mod event;
pub mod explain;
pub mod job;
pub mod ledger;
pub mod message;
pub mod policy;
pub mod review;
pub mod search;
pub mod session;
pub mod snapshot;
pub mod summary;
pub mod thread;
pub mod token;
pub mod wake;
pub mod webhook;
pub mod workspace;

/// Whether a value is what it is when nothing is said; keeps such fields off the wire.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
