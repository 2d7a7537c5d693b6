//! Rules of which supervisor runs a wake: any, unless its agent asks for a label or the supervisor lacks what it needs.
//!
//! A supervisor that cannot run an agent declines its wake, which consumes no attempt; others get it. Only when every
//! supervisor that may have it has declined does the wake fail, and a person is told. Who is there stands in the supervisors'
//! rows, whichever server they call; what was declined stands in the wake's row.

use std::collections::{BTreeMap, BTreeSet};

use super::{Wake, supervisors};
use crate::actor::{AgentName, closed_set};
use crate::agent::Label;
use crate::event::Event;
use crate::facts::{Facts, Missing};
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

/// What a supervisor says of itself when it claims, and whether there may be others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimant {
    /// Its labels.
    pub labels: BTreeSet<Label>,
    /// Agents whose wakes it had to decline, and cannot run still.
    pub cannot_run: BTreeMap<AgentName, Lack>,
    /// The claims that it knows of; absent = it does not say. Others that it holds were lost on their way to it.
    pub holds: Option<BTreeSet<(WakeId, u64)>>,
    /// There may be others that nobody has heard of yet.
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

/// Where a due wake goes when this supervisor asks. Others are given some time to come for what this one
/// cannot run, and those that are there are waited for until they have declined.
pub(super) fn place(
    facts: &Facts,
    wake: &Wake,
    (supervisor, claimant): (&str, &Claimant),
    now: Timestamp,
) -> Result<Place, Missing> {
    let is_for = |labels: &BTreeSet<Label>| wake.on.as_ref().is_none_or(|on| labels.contains(on));
    if !is_for(&claimant.labels) {
        return Ok(Place::Elsewhere);
    }
    let Some(lack) = claimant.cannot_run.get(&wake.agent).copied() else { return Ok(Place::Here) };
    let has_declined = |name: &str| wake.declined_by.iter().any(|by| by == name);
    let others = supervisors::others_there(facts, supervisor, now)?;
    let mut others = others.filter(|other| is_for(&other.labels)).peekable();
    let is_alone = others.peek().is_none() && !claimant.may_be_others;
    let is_over = |since: Timestamp| is_alone || now >= since.plus_ms(facts.policy.placement_wait_ms);
    if !has_declined(supervisor) {
        return Ok(if is_over(wake.due_at) { Place::Declined(lack) } else { Place::Elsewhere });
    }
    let since = wake.declined_since.unwrap_or(wake.due_at).max(wake.due_at);
    let is_over = is_over(since);
    let is_nowhere = is_over && others.all(|other| has_declined(&other.name));
    Ok(if is_nowhere { Place::Nowhere } else { Place::Elsewhere })
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
