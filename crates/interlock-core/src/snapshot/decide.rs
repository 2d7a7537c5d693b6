//! Rules of taking a snapshot: whoever may, whenever they wish; what is in it is counted and not said.

use super::Content;
use crate::command::{Envelope, TakeSnapshot};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::SnapshotId;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest};
use crate::thread::within;
use crate::time::Now;

/// Count what there is, and sign it.
pub(crate) fn take(
    facts: &Facts,
    env: &Envelope,
    command: &TakeSnapshot,
    now: &Now,
) -> Result<Decision, Stop> {
    let TakeSnapshot { stage, text } = command;
    within("the text", text, REASON_BYTES_MAX)?;
    let content = Content::of(facts.census()?, stage.clone(), now.wall);
    let defect = |error: serde_json::Error| Refusal::new(Reason::Defect, error.to_string());
    let text_salt = Salt::derive(&env.entropy, 0);
    let event = Event::SnapshotTaken {
        snapshot_id: SnapshotId::derive(now.wall, &env.entropy, 0),
        by: env.actor.name.clone(),
        content_digest: content.digest().map_err(defect)?,
        content: Box::new(content),
        text_digest: (!text.is_empty()).then(|| digest(&text_salt, &[text.as_bytes()])),
        text: text.clone(),
        text_salt,
    };
    Ok(Decision::of(vec![event]))
}

/// The refusal for a snapshot that is not there.
pub fn not_found(snapshot_id: SnapshotId) -> Refusal {
    Refusal::new(Reason::SnapshotNotFound, format!("there is no snapshot `{snapshot_id}`"))
        .hint("list the snapshots to see those there are")
}
