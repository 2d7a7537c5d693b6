//! What the data of the known event types must hold (docs/messaging.md).

use serde_json::{Map, Value};

use super::event_type as et;
use crate::id::FindingId;
use crate::reason::{Reason, Refusal};
use crate::text::{Digest, Salt, digest};

/// What the rules need to know of an event's data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EventFacts {
    /// The finding it is about.
    pub(super) finding_id: Option<FindingId>,
    /// The commit it is about.
    pub(super) commit: Option<String>,
    /// The finding's identity, when it reports one.
    pub(super) print: Option<Digest>,
}

/// The fields each known type needs.
const NEEDED: [(&str, &[&str]); 6] = [
    (et::FIX_PUSHED, &["commit", "branch"]),
    (et::RE_REVIEW_REQUESTED, &["commit"]),
    (et::FINDING_REPORTED, &["finding_id", "path", "line", "rule", "severity", "message"]),
    (et::FINDING_VERIFIED, &["finding_id", "commit"]),
    (et::FINDING_REJECTED, &["finding_id", "commit", "message"]),
    (et::FINDING_UNRESOLVED, &["finding_id", "message"]),
];

/// Check an event's type and data and take out what the rules need. Unknown types and fields are kept as they are.
/// The thread's salt keeps a finding's identity, which stands in the ledger, from being guessed.
pub(super) fn read(
    event_type: &str,
    data: Option<&Map<String, Value>>,
    salt: &Salt,
) -> Result<EventFacts, Refusal> {
    let empty = Map::new();
    let data = data.unwrap_or(&empty);
    let Some((_, needed)) = NEEDED.iter().find(|(name, _)| *name == event_type) else {
        return Ok(EventFacts::default());
    };
    if let Some(name) = needed.iter().find(|name| !data.contains_key(**name)) {
        return Err(wrong(event_type, &format!("lacks `{name}`")));
    }
    let text = |name: &str| -> Result<&str, Refusal> {
        data.get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| wrong(event_type, &format!("needs a text in `{name}`")))
    };
    let mut facts = EventFacts::default();
    if needed.contains(&"finding_id") {
        let id = text("finding_id")?;
        facts.finding_id =
            Some(id.parse().map_err(|error| wrong(event_type, &format!("is wrong: {error}")))?);
    }
    if needed.contains(&"commit") {
        facts.commit = Some(commit(event_type, text("commit")?)?);
    }
    if event_type == et::FINDING_REPORTED {
        if data.get("line").and_then(Value::as_u64).is_none() {
            return Err(wrong(event_type, "needs a whole number in `line` (0 = the whole file)"));
        }
        text("severity")?;
        let (path, rule, message) = (text("path")?, text("rule")?, text("message")?);
        let parts = [b"finding".as_slice(), path.as_bytes(), rule.as_bytes(), message.as_bytes()];
        facts.print = Some(digest(salt, &parts));
    }
    Ok(facts)
}

fn commit(event_type: &str, text: &str) -> Result<String, Refusal> {
    let fits = (7..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(wrong(event_type, "needs 7 to 64 lower-case hex digits in `commit`"))
    }
}

fn wrong(event_type: &str, what: &str) -> Refusal {
    Refusal::new(Reason::EventDataInvalid, format!("the data of `{event_type}` {what}"))
}
