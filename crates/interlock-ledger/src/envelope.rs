//! The little a verifier knows about an envelope: `index`, `prev` and the kinds of its events.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::entry::canonical;
use crate::hash::Hash;
use crate::verify_error::Reason;

/// Most different event kinds in an export.
const KINDS_MAX: usize = 4_096;

/// Longest event kind in bytes.
const KIND_BYTES_MAX: usize = 128;

/// Events counted by kind, within limits that hold whoever wrote the export.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Kinds {
    fn count(&mut self, kind: &str) -> Result<(), Reason> {
        if let Some(count) = self.counts.get_mut(kind) {
            *count += 1;
            return Ok(());
        }
        if kind.len() > KIND_BYTES_MAX || self.counts.len() >= KINDS_MAX {
            return Err(Reason::ExportLimitExceeded);
        }
        self.counts.insert(kind.to_owned(), 1);
        Ok(())
    }
}

/// Checks that an envelope is canonical, stands at `position` and follows the entry with leaf hash `prev`.
pub(crate) fn check_envelope(
    envelope: &[u8],
    position: u64,
    prev: Hash,
    kinds: &mut Kinds,
) -> Result<(), Reason> {
    let value: Value = serde_json::from_slice(envelope).map_err(|_| Reason::EntryNotCanonical)?;
    // Duplicate keys are lost in the value, and then the bytes differ.
    if !canonical(&value).is_ok_and(|bytes| bytes == envelope) {
        return Err(Reason::EntryNotCanonical);
    }
    if value.get("index").and_then(Value::as_u64) != Some(position) {
        return Err(Reason::EntryIndexMismatch);
    }
    if value.get("prev").and_then(Value::as_str) != Some(&prev.hex()) {
        return Err(Reason::EntryPrevMismatch);
    }
    let events = value.get("events").and_then(Value::as_array).ok_or(Reason::EntryMalformed)?;
    for event in events {
        kinds.count(event.get("kind").and_then(Value::as_str).ok_or(Reason::EntryMalformed)?)?;
    }
    Ok(())
}
