//! Rules of which supervisor runs a wake: any, unless its agent asks for a label or the supervisor lacks what it needs.
//!
//! A supervisor that cannot run an agent declines its wake, which consumes no attempt; others get it. Only when every
//! supervisor that may have it has declined does the wake fail, and a person is told. Who is there is an observation of
//! the server's that comes with the claim; what was declined stands in the wake's row.

use std::collections::{BTreeMap, BTreeSet};

use super::Wake;
use crate::actor::{AgentName, closed_set};
use crate::agent::Label;
use crate::event::Event;
use crate::id::WakeId;
use crate::time::Timestamp;

closed_set! {
    /// What a supervisor's machine lacks for an agent.
    Lack {
        /// The working directory.
        Directory = "directory",
        /// The repository.
        Repository = "repository",
        /// The program.
        Program = "program",
    }
}

/// What a supervisor says of itself when it claims, and what the server knows of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimant {
    /// Its labels.
    pub labels: BTreeSet<Label>,
    /// Agents whose wakes it had to decline, and cannot run still.
    pub cannot_run: BTreeMap<AgentName, Lack>,
    /// The claims that it knows of; absent = it does not say. Others that it holds were lost on their way to it.
    pub holds: Option<BTreeSet<(WakeId, u64)>>,
    /// The other supervisors that have called lately, with their labels.
    pub others: BTreeMap<String, BTreeSet<Label>>,
    /// There may be others that the server does not know of.
    pub may_be_others: bool,
}

/// Whether a wake is for a supervisor that claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It may have it.
    Here,
    /// Another one may come for it.
    Elsewhere,
    /// It cannot run it, and that is to be written down.
    Declined(Lack),
    /// Nobody who is there can run it.
    Nowhere,
}

/// Where a due wake goes when this supervisor asks. Others are given `wait_ms` to come for what this one cannot run.
pub(super) fn place(
    wake: &Wake,
    supervisor: &str,
    claimant: &Claimant,
    wait_ms: i64,
    now: Timestamp,
) -> Place {
    let is_for = |labels: &BTreeSet<Label>| wake.on.as_ref().is_none_or(|on| labels.contains(on));
    if !is_for(&claimant.labels) {
        return Place::Elsewhere;
    }
    let Some(lack) = claimant.cannot_run.get(&wake.agent).copied() else { return Place::Here };
    let has_declined = |name: &str| wake.declined_by.iter().any(|by| by == name);
    let mut others = claimant.others.iter().filter(|(_, labels)| is_for(labels)).peekable();
    let is_alone = others.peek().is_none() && !claimant.may_be_others;
    let is_over = |since: Timestamp| is_alone || now >= since.plus_ms(wait_ms);
    if !has_declined(supervisor) {
        return if is_over(wake.due_at) { Place::Declined(lack) } else { Place::Elsewhere };
    }
    let since = wake.declined_since.unwrap_or(wake.due_at).max(wake.due_at);
    if is_over(since) && others.all(|(name, _)| has_declined(name)) {
        Place::Nowhere
    } else {
        Place::Elsewhere
    }
}

/// A supervisor says that it cannot run a wake's agent.
pub(super) fn declined(wake: &Wake, supervisor: &str, lacks: Lack) -> Event {
    Event::WakeDeclined {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        supervisor: supervisor.to_owned(),
        lacks,
    }
}

/// What an event of this module makes of a wake's row.
pub(super) fn note(wake: &mut Wake, supervisor: &str, at: Timestamp) {
    wake.declined_since.get_or_insert(at);
    if !wake.declined_by.iter().any(|by| by == supervisor) {
        if wake.declined_by.len() == crate::limits::DECLINES_MAX {
            wake.declined_by.remove(0);
        }
        wake.declined_by.push(supervisor.to_owned());
    }
}
