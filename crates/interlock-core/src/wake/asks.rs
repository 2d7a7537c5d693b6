//! What asks for a wake: the messages remembered one by one, and what is kept of the others.

use std::collections::BTreeSet;

use super::{Ask, Wake, WakeResult};
use crate::actor::AgentName;
use crate::id::ThreadId;
use crate::limits::{ASKS_LOADED_MAX, WAKE_ASKS_MAX};
use crate::reason::Reason;
use crate::thread::{MessageHead, MessageKind, ThreadRole, is_addressed};
use crate::time::Timestamp;

/// What is kept of the messages that asked for a wake and are not remembered one by one: those that end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Forgotten {
    /// Their lowest `seq`.
    pub from_seq: u64,
    /// Their highest `seq`.
    pub to_seq: u64,
    /// When the last of them that was not taken back no longer counts; absent = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Forgotten {
    const fn of(ask: &Ask) -> Self {
        Self { from_seq: ask.seq, to_seq: ask.seq, until: ask.expires_at }
    }

    /// Both together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            from_seq: self.from_seq.min(other.from_seq),
            to_seq: self.to_seq.max(other.to_seq),
            until: later(self.until, other.until),
        }
    }

    /// Whether the message with this `seq` may be one of them.
    pub const fn has(&self, seq: u64) -> bool {
        self.from_seq <= seq && seq <= self.to_seq
    }
}

/// The later of two ends; absent = never.
fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.zip(other).map(|(one, other)| one.max(other))
}

/// Sorts by the end, none last.
fn end_of(ask: &Ask) -> (bool, Option<Timestamp>) {
    (ask.expires_at.is_none(), ask.expires_at)
}

impl Wake {
    /// A message asks for it. When there are too many to remember, one that was taken back makes room, else the one
    /// that ends first is forgotten: as long as another counts nobody needs to know it, and then only its end.
    pub(crate) fn ask(&mut self, ask: Ask) {
        if self.asks.len() >= WAKE_ASKS_MAX
            && let Some(place) = self.asks.iter().position(|ask| ask.is_withdrawn)
        {
            self.asks.remove(place);
        }
        self.asks.push(ask);
        if self.asks.len() > WAKE_ASKS_MAX
            && let Some((place, _)) = self.asks.iter().enumerate().min_by_key(|(_, ask)| end_of(ask))
        {
            let gone = Forgotten::of(&self.asks.remove(place));
            self.forget(gone);
        }
    }

    /// Others ask for it that are not remembered one by one.
    pub(crate) fn forget(&mut self, gone: Forgotten) {
        self.forgotten = Some(self.forgotten.map_or(gone, |before| before.and(gone)));
    }

    /// When the last of what asked for it no longer counts; nothing when something always does.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        let live = self.asks.iter().filter(|ask| !ask.is_withdrawn).map(|ask| ask.expires_at);
        let all = live.chain(self.forgotten.map(|gone| gone.until));
        let last = all.reduce(|one, two| one.zip(two).map(|(one, two)| one.max(two)));
        last.flatten().filter(|_| !self.is_standing)
    }

    /// How and why it ends because nothing that asked for it counts at this time any more; nothing while something
    /// does. Somebody who asked without a message is never over.
    pub(crate) fn over(&self, now: Timestamp) -> Option<(WakeResult, Reason)> {
        let is_over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let is_live = |ask: &Ask| !ask.is_withdrawn && !is_over(ask.expires_at);
        if self.is_standing || self.asks.is_empty() || self.asks.iter().any(is_live) {
            return None;
        }
        if self.forgotten.is_some_and(|forgotten| !is_over(forgotten.until)) {
            return None;
        }
        Some(if self.forgotten.is_none() && self.asks.iter().all(|ask| ask.is_withdrawn) {
            (WakeResult::Superseded, Reason::MessageWithdrawn)
        } else {
            (WakeResult::Expired, Reason::MessageExpired)
        })
    }
}

/// Which messages of a thread asked for an agent's wake, of a stretch of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AsksKey {
    /// The thread.
    pub thread_id: ThreadId,
    /// The agent.
    pub agent: AgentName,
    /// Its part in the thread.
    pub role: ThreadRole,
    /// From this `seq` on.
    pub from_seq: u64,
    /// Up to this.
    pub to_seq: u64,
}

/// Gathers those that were not taken back and end last, whatever the number of messages it is shown.
#[derive(Debug, Default)]
pub struct Asks(BTreeSet<((bool, Option<Timestamp>), u64)>);

impl Asks {
    /// A message of the stretch.
    pub fn note(&mut self, key: &AsksKey, head: &MessageHead, is_withdrawn: bool) {
        let asks = head.kind != MessageKind::System && is_addressed(head, &key.agent, Some(key.role));
        if !asks || is_withdrawn {
            return;
        }
        let ask = Ask { seq: head.seq, expires_at: head.expires_at, is_withdrawn };
        self.0.insert((end_of(&ask), ask.seq));
        if self.0.len() > ASKS_LOADED_MAX {
            self.0.pop_first();
        }
    }

    /// Those gathered, the one that ends last first.
    pub fn into_vec(self) -> Vec<Ask> {
        let ask = |((_, expires_at), seq)| Ask { seq, expires_at, is_withdrawn: false };
        self.0.into_iter().rev().map(ask).collect()
    }
}
