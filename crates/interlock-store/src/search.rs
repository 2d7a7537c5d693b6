//! Searching messages: back through the ledger, newest first. The index proposes where it goes; beyond its mark, and
//! where nothing narrows a search down, entries are looked at themselves. What fits is decided on the messages alone,
//! so that the answer does not depend on the index, and is the same on every store.

use std::collections::BTreeMap;

use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::limits::{SEARCH_ENTRIES_MAX, SEARCH_THREADS_MAX};
use interlock_core::search::{INDEX_VERSION, Terms, TextQuery};
use interlock_core::thread::{Message, MessageState, Status};

use crate::{IndexMark, IndexQuery, Page, Store, StoreError, StoredMessage, ThreadFilter};

/// Entries looked at together.
const CHUNK: u32 = 200;

/// What is searched for; everything that is named must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// With these words.
    pub text: Option<TextQuery>,
    /// In threads in which this agent takes part now; `None` = in all.
    pub reader: Option<AgentName>,
    /// In this thread.
    pub thread: Option<ThreadId>,
    /// By this sender.
    pub from: Option<AgentName>,
    /// Of this event type.
    pub event_type: Option<String>,
    /// In threads with this status.
    pub status: Option<Status>,
    /// With this state at `now`.
    pub state: Option<MessageState>,
    /// Posted then or later.
    pub since: Option<Timestamp>,
    /// Posted before.
    pub until: Option<Timestamp>,
    /// The time at which it is asked.
    pub now: Timestamp,
    /// Before this place in the ledger: where the page before ended.
    pub before: Option<(u64, u32)>,
    /// Entries before this are not looked at.
    pub first: u64,
    /// Messages at most.
    pub limit: u32,
}

/// A page of what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub messages: Vec<StoredMessage>,
    /// Where the next page begins; `None` = everything was looked at. A page may end early, and have no message at all.
    pub next: Option<(u64, u32)>,
    /// Entries of the ledger when the search began: what was committed by then was looked at.
    pub size: u64,
}

/// Find the newest messages that fit.
///
/// # Errors
/// What the store cannot do now.
pub async fn search(store: &dyn Store, ws: WorkspaceId, ask: &Search) -> Result<Found, StoreError> {
    let IndexMark { mark, size } = store.index_mark(ws, INDEX_VERSION).await?;
    let Some(terms) = terms(store, ws, ask).await? else {
        return Ok(Found { size, ..Found::default() });
    };
    let below = ask.before.map_or(size, |(index, _)| index.saturating_add(1).min(size));
    let mut walk = Walk { store, ws, ask, terms, mark, below, looked: 0, threads: BTreeMap::new() };
    let mut messages = Vec::new();
    let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
    while !walk.is_over().await? {
        if walk.looked >= SEARCH_ENTRIES_MAX {
            return Ok(Found { messages, next: Some((walk.below, 0)), size });
        }
        messages.extend(walk.chunk().await?);
        if messages.len() > limit {
            messages.truncate(limit);
            let next = messages.last().map(|last| (last.index, last.n));
            return Ok(Found { messages, next, size });
        }
    }
    Ok(Found { messages, next: None, size })
}

/// What the index can be asked; `None` when nothing can fit.
async fn terms(store: &dyn Store, ws: WorkspaceId, ask: &Search) -> Result<Option<Terms>, StoreError> {
    let mut terms = Terms::default();
    if let Some(text) = &ask.text {
        terms.words(text);
    }
    if let Some(from) = &ask.from {
        terms.from(from);
    }
    if let Some(event_type) = &ask.event_type {
        terms.event_type(event_type);
    }
    match (ask.thread, &ask.reader) {
        (Some(thread), _) => terms.thread(thread),
        (None, Some(reader)) => {
            // What stands in others' threads must not even cost time, unless there are too many of one's own.
            let filter = ThreadFilter { status: ask.status, member: Some(reader.clone()) };
            let page = Page { after: None, limit: SEARCH_THREADS_MAX + 1 };
            let own = store.threads(ws, filter, page).await?;
            if own.is_empty() {
                return Ok(None);
            }
            if own.len() <= usize::try_from(SEARCH_THREADS_MAX).unwrap_or(usize::MAX) {
                for thread in &own {
                    terms.thread(thread.thread_id);
                }
            }
        }
        (None, None) => {}
    }
    Ok(Some(terms))
}

/// The way back through the ledger.
struct Walk<'a> {
    store: &'a dyn Store,
    ws: WorkspaceId,
    ask: &'a Search,
    terms: Terms,
    mark: u64,
    /// Entries from here on are done.
    below: u64,
    looked: u64,
    /// Threads met so far, each with whether its messages may be shown.
    threads: BTreeMap<ThreadId, bool>,
}

impl Walk<'_> {
    /// Whether nothing that is left can fit.
    async fn is_over(&self) -> Result<bool, StoreError> {
        let Some(last) = self.below.checked_sub(1).filter(|last| *last >= self.ask.first) else {
            return Ok(true);
        };
        let Some(since) = self.ask.since else { return Ok(false) };
        // An entry's time is never before that of its messages, nor after that of any later entry.
        let entry = self.store.entries(self.ws, last, 1).await?;
        let at = entry.first().map(|row| serde_json::from_slice::<At>(&row.envelope)).transpose();
        let at = at.map_err(|error| StoreError::Corrupt(format!("ledger entry {last}: {error}")))?;
        Ok(at.is_some_and(|entry| entry.at < since))
    }

    /// What fits in the next entries.
    async fn chunk(&mut self) -> Result<Vec<StoredMessage>, StoreError> {
        let entries = match self.proposed().await? {
            Some(entries) => entries,
            None => self.tail(),
        };
        self.looked = self.looked.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX).max(1));
        let mut found = Vec::new();
        for stored in self.store.posted_by(self.ws, entries).await?.into_iter().rev() {
            let is_before = self.ask.before.is_none_or(|before| (stored.index, stored.n) < before);
            if is_before && fits(self.ask, &stored.message) && self.may_show(stored.message.thread_id).await?
            {
                found.push(stored);
            }
        }
        Ok(found)
    }

    /// The entries that the index proposes next; `None` where it does not go.
    async fn proposed(&mut self) -> Result<Option<Vec<u64>>, StoreError> {
        if self.terms.is_empty() || self.below > self.mark {
            return Ok(None);
        }
        let query = IndexQuery {
            version: INDEX_VERSION,
            terms: self.terms.clone(),
            before: self.below,
            limit: CHUNK,
        };
        let page = self.store.index_page(self.ws, query).await?;
        // It may have been thrown away since.
        self.mark = page.mark;
        if self.below > self.mark {
            return Ok(None);
        }
        let is_last = page.entries.len() < usize::try_from(CHUNK).unwrap_or(usize::MAX);
        self.below = page.entries.last().copied().filter(|_| !is_last).unwrap_or(0);
        Ok(Some(page.entries.into_iter().filter(|index| *index >= self.ask.first).collect()))
    }

    /// The entries before the last ones, as they are.
    fn tail(&mut self) -> Vec<u64> {
        let stop = if self.terms.is_empty() { 0 } else { self.mark };
        let from = self.below.saturating_sub(u64::from(CHUNK)).max(stop).max(self.ask.first);
        (from..std::mem::replace(&mut self.below, from)).collect()
    }

    /// Whether the messages of a thread are for the reader, and it has the status asked for.
    async fn may_show(&mut self, id: ThreadId) -> Result<bool, StoreError> {
        if let Some(may) = self.threads.get(&id) {
            return Ok(*may);
        }
        let Search { reader, status, .. } = self.ask;
        let may = (reader.is_none() && status.is_none())
            || self.store.thread(self.ws, id).await?.is_some_and(|thread| {
                reader.as_ref().is_none_or(|reader| thread.members.contains_key(reader))
                    && status.is_none_or(|status| thread.status == status)
            });
        self.threads.insert(id, may);
        Ok(may)
    }
}

#[derive(serde::Deserialize)]
struct At {
    at: Timestamp,
}

/// Whether a message is what is searched for, as far as it says so itself.
fn fits(ask: &Search, message: &Message) -> bool {
    let head = &message.head;
    ask.thread.is_none_or(|thread| message.thread_id == thread)
        && ask.from.as_ref().is_none_or(|from| head.from == *from)
        && ask.event_type.as_ref().is_none_or(|kind| head.event_type.as_ref() == Some(kind))
        && ask.state.is_none_or(|state| message.state(ask.now) == state)
        && ask.since.is_none_or(|since| head.posted_at >= since)
        && ask.until.is_none_or(|until| head.posted_at < until)
        && ask.text.as_ref().is_none_or(|text| text.fits(message))
}
