//! Snapshots: what a workspace has done by a moment that somebody names, counted by the server and signed into the ledger.
//!
//! Whoever takes one says what the moment is called, and nothing of what is in it. The numbers are those of the rows that
//! the transaction sees, so that they are the same on every server and after every restart.

mod content;
mod decide;
mod growth;
mod stage;

use crate::actor::AgentName;
use crate::event::Event;
use crate::facts::{Facts, Position, RowChange};
use crate::id::SnapshotId;
use crate::text::{Digest, Salt};

pub use content::{Bucket, Census, Content, Jobs, TimeToComplete};
pub use decide::not_found;
pub(crate) use decide::take;
pub use growth::{Growth, grown};
pub use stage::{Stage, StageError};

/// A snapshot as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// Who took it.
    pub by: AgentName,
    /// The ledger entry that holds it.
    pub index: u64,
    /// What was counted.
    pub content: Content,
    /// SHA-256 of the content's canonical JSON.
    pub content_digest: Digest,
    /// What whoever took it says of it; kept beside the log.
    #[serde(skip)]
    pub text: String,
    /// The salt of the text's digest.
    #[serde(skip)]
    pub text_salt: Salt,
}

/// Apply an event of this module; others are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) {
    if let Event::SnapshotTaken { snapshot_id, by, content, content_digest, text, text_salt, .. } = event {
        facts.append(RowChange::Snapshot(Box::new(Snapshot {
            snapshot_id: *snapshot_id,
            by: by.clone(),
            index: position.index,
            content: content.as_ref().clone(),
            content_digest: *content_digest,
            text: text.clone(),
            text_salt: *text_salt,
        })));
    }
}
