//! The index of words: derived from messages, outside the ledger, in no dump; it may be thrown away at any time.
//!
//! It is filled up to a mark after the messages were committed, so that a post does not pay for it. What stands beyond
//! the mark is looked at itself.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::limits::INDEX_ENTRIES_MAX;
use interlock_core::search::{INDEX_VERSION, Terms, terms_of};

use crate::{Store, StoreError};

/// How far the index goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexMark {
    /// Entries before this are in the index.
    pub mark: u64,
    /// Entries of the ledger.
    pub size: u64,
}

/// What the index is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexQuery {
    /// The version of the index.
    pub version: u32,
    /// What an entry must hold; never nothing.
    pub terms: Terms,
    /// Entries before this.
    pub before: u64,
    /// So many at most.
    pub limit: u32,
}

/// What the index proposes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    /// Entries from here on are not in it.
    pub mark: u64,
    /// Entries, newest first.
    pub entries: Vec<u64>,
}

/// Entries to be taken into the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFill {
    /// The version of the index.
    pub version: u32,
    /// The mark they go on from.
    pub from: u64,
    /// The mark after them.
    pub to: u64,
    /// Those of them that posted messages, with their terms divided by spaces.
    pub entries: Vec<(u64, String)>,
}

#[derive(serde::Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Vec<Happened<'a>>,
}

#[derive(serde::Deserialize)]
struct Happened<'a> {
    #[serde(borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    thread_id: Option<ThreadId>,
    #[serde(default)]
    message: serde_json::Value,
}

/// The messages that a ledger entry posted, by thread and `seq`.
///
/// # Errors
/// When it is no entry.
pub fn posted_in(envelope: &[u8]) -> Result<Vec<(ThreadId, u64)>, serde_json::Error> {
    let envelope: Envelope<'_> = serde_json::from_slice(envelope)?;
    let posts = envelope.events.iter().filter(|event| event.kind.starts_with("thread.message_posted/"));
    Ok(posts.filter_map(|event| Some((event.thread_id?, event.message.get("seq")?.as_u64()?))).collect())
}

/// Take the next entries into the index; says whether there are more.
///
/// # Errors
/// What the store cannot do now; the index is as it was.
pub async fn fill_index(store: &dyn Store, ws: WorkspaceId) -> Result<bool, StoreError> {
    let IndexMark { mark, size } = store.index_mark(ws, INDEX_VERSION).await?;
    if mark >= size {
        return Ok(false);
    }
    let to = size.min(mark.saturating_add(INDEX_ENTRIES_MAX));
    let mut terms: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for stored in store.posted_by(ws, (mark..to).collect()).await? {
        terms.entry(stored.index).or_default().extend(terms_of(&stored.message));
    }
    let joined = |terms: BTreeSet<String>| terms.into_iter().collect::<Vec<_>>().join(" ");
    let entries = terms.into_iter().map(|(index, terms)| (index, joined(terms))).collect();
    store.fill_index(ws, IndexFill { version: INDEX_VERSION, from: mark, to, entries }).await?;
    Ok(to < size)
}
