//! The ledger as it is followed: its events one after the other, from a place on.

use interlock_core::actor::AgentName;
use interlock_core::id::WorkspaceId;
use interlock_core::{Event, Reason, Refusal, Timestamp};
use interlock_store::EntryRow;
use serde_json::Value;

use crate::engine::Engine;

/// Entries of one stretch: what a reader holds in memory at once.
const STRETCH_ENTRIES_MAX: u32 = 32;

/// Where an event stands in the ledger; on the wire `index.n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The entry's index.
    pub index: u64,
    /// The event's number in the entry.
    pub n: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.n)
    }
}

impl std::str::FromStr for Place {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let read = || {
            let (index, n) = text.split_once('.')?;
            Some(Self { index: index.parse().ok()?, n: n.parse().ok()? })
        };
        // As we print it and not otherwise: numbers may be written in more than one way.
        read().filter(|place| place.to_string() == text).ok_or_else(|| {
            let text: String = text.chars().take(64).flat_map(char::escape_default).collect();
            Refusal::new(Reason::ParameterInvalid, format!("`{text}` is no position such as 12.0"))
        })
    }
}

/// Where to go on reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Next {
    /// The entry.
    pub index: u64,
    /// Events of it that are passed over.
    pub skip: u32,
}

impl Next {
    /// What stands behind this place; behind none is the beginning.
    pub const fn after(place: Option<Place>) -> Self {
        match place {
            None => Self { index: 0, skip: 0 },
            Some(Place { index, n }) => Self { index, skip: n.saturating_add(1) },
        }
    }
}

/// One event of the ledger, with what its entry says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// Where it stands.
    pub place: Place,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: AgentName,
    /// The W3C `traceparent` of the request.
    pub trace: Option<String>,
    /// The event, without free text.
    pub event: Event,
    /// The event as it stands in the ledger.
    pub value: Value,
}

/// A stretch of the ledger, read at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// What happened, in order.
    pub happened: Vec<Happened>,
    /// Where to go on.
    pub next: Next,
    /// There was nothing behind it.
    pub is_end: bool,
}

/// Of an entry, what its readers need.
#[derive(serde::Deserialize)]
struct Entry {
    at: Timestamp,
    actor: EntryActor,
    #[serde(default)]
    trace: Option<String>,
    events: Vec<Value>,
}

#[derive(serde::Deserialize)]
struct EntryActor {
    name: AgentName,
}

impl Engine {
    /// What happened from a place on; a bounded stretch of it.
    ///
    /// # Errors
    /// `STATE_CORRUPT` for an entry that cannot be read, or what the store cannot do now.
    pub async fn happened(&self, workspace_id: WorkspaceId, next: Next) -> Result<Stretch, Refusal> {
        let rows = self.store.entries(workspace_id, next.index, STRETCH_ENTRIES_MAX).await;
        let rows = rows.map_err(|error| Self::refusal(&error))?;
        let is_end = rows.len() < STRETCH_ENTRIES_MAX as usize;
        let mut stretch = Stretch { happened: Vec::new(), next, is_end };
        for row in rows {
            let skip = stretch.next.skip;
            stretch.happened.extend(read(&row)?.into_iter().filter(|happened| happened.place.n >= skip));
            stretch.next = Next { index: row.index.saturating_add(1), skip: 0 };
        }
        Ok(stretch)
    }

    /// The event at a place, where there is one.
    ///
    /// # Errors
    /// As [`Engine::happened`].
    pub async fn happened_at(
        &self,
        workspace_id: WorkspaceId,
        place: Place,
    ) -> Result<Option<Happened>, Refusal> {
        let rows = self.store.entries(workspace_id, place.index, 1).await;
        let rows = rows.map_err(|error| Self::refusal(&error))?;
        let Some(row) = rows.first().filter(|row| row.index == place.index) else { return Ok(None) };
        Ok(read(row)?.into_iter().find(|happened| happened.place == place))
    }

    /// The ledger's entries, and the place of its last event.
    ///
    /// # Errors
    /// As [`Engine::happened`].
    pub async fn last_place(&self, workspace_id: WorkspaceId) -> Result<(u64, Option<Place>), Refusal> {
        let failed = |error| Self::refusal(&error);
        let size = self.store.ledger_head(workspace_id).await.map_err(failed)?.size;
        let Some(last) = size.checked_sub(1) else { return Ok((0, None)) };
        let rows = self.store.entries(workspace_id, last, 1).await.map_err(failed)?;
        let Some(row) = rows.first() else {
            return Err(Refusal::new(Reason::StateCorrupt, format!("ledger entry {last} is missing")));
        };
        Ok((size, read(row)?.last().map(|happened| happened.place)))
    }
}

fn read(row: &EntryRow) -> Result<Vec<Happened>, Refusal> {
    let corrupt = |error: serde_json::Error| {
        Refusal::new(Reason::StateCorrupt, format!("ledger entry {} cannot be read: {error}", row.index))
    };
    let entry: Entry = serde_json::from_slice(&row.envelope).map_err(corrupt)?;
    let Entry { at, actor, trace, events } = entry;
    (0_u32..)
        .zip(events)
        .map(|(n, value)| {
            Ok(Happened {
                place: Place { index: row.index, n },
                at,
                actor: actor.name.clone(),
                trace: trace.clone(),
                event: serde_json::from_value(value.clone()).map_err(corrupt)?,
                value,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_printed_and_not_otherwise() {
        let place = Place { index: 12, n: 3 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in
            ["", "12", "12.", ".0", "+12.0", "12.+0", "012.0", "12.00", "12.0.0", "-1.0", "12.4294967296"]
        {
            let refusal = wrong.parse::<Place>().unwrap_err();
            assert_eq!(refusal.reason, Reason::ParameterInvalid, "{wrong}");
        }
    }
}
