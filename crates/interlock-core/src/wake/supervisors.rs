//! Rules of which supervisors are there: what was last heard of each, at whichever server of the workspace.
//!
//! Supervisors call often, and their rows are written seldom: a few times in a lease's time, for as long as they are there.

use std::collections::BTreeSet;

use crate::agent::Label;
use crate::command::NoteSupervisor;
use crate::decide::Stop;
use crate::facts::{Decision, Effect, Facts, Missing};
use crate::limits::SUPERVISORS_MAX;
use crate::policy::Policy;
use crate::time::{Now, Timestamp};

/// What was last heard of a supervisor: an operational row, outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Supervisor {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
    /// When it called, at most a part of a lease's time late.
    pub seen_at: Timestamp,
}

impl Supervisor {
    /// Whether it has called within a lease's time. One that a clock put far ahead is as unknown as one long silent.
    pub fn is_there(&self, policy: &Policy, now: Timestamp) -> bool {
        now.ms_since(self.seen_at).max(self.seen_at.ms_since(now)) < policy.lease_ms
    }
}

impl Policy {
    /// After how long what was heard of a supervisor is written down again: often enough for it to count as there.
    pub const fn supervisor_note_ms(&self) -> i64 {
        self.lease_ms / 4
    }
}

/// A supervisor has called. Written down when it was silent for a while, or has other labels; beyond so many, those that
/// were silent for longest are forgotten.
pub(crate) fn note_supervisor(facts: &Facts, command: &NoteSupervisor, now: &Now) -> Result<Decision, Stop> {
    let NoteSupervisor { supervisor, labels } = command;
    let mut others: Vec<&Supervisor> = facts.supervisors()?.collect();
    let place = others.iter().position(|one| one.name == *supervisor);
    let before = place.map(|place| others.swap_remove(place));
    let is_fresh = |one: &Supervisor| {
        one.seen_at <= now.wall && now.wall.ms_since(one.seen_at) < facts.policy.supervisor_note_ms()
    };
    if before.is_some_and(|one| one.labels == *labels && is_fresh(one)) {
        return Ok(Decision::unchanged());
    }
    others.sort_by(|one, other| (other.seen_at, &other.name).cmp(&(one.seen_at, &one.name)));
    let gone = others.iter().skip(SUPERVISORS_MAX - 1);
    let mut effects: Vec<Effect> = gone.map(|one| Effect::Supervisor(one.name.clone(), None)).collect();
    let (name, labels) = (supervisor.clone(), labels.clone());
    effects.push(Effect::Supervisor(name.clone(), Some(Supervisor { name, labels, seen_at: now.wall })));
    Ok(Decision { effects, ..Decision::unchanged() })
}

/// Whether a supervisor is there that may run what asks for this label.
pub fn is_anybody_there<'a>(
    policy: &Policy,
    supervisors: impl IntoIterator<Item = &'a Supervisor>,
    on: Option<&Label>,
    now: Timestamp,
) -> bool {
    let may = |one: &Supervisor| on.is_none_or(|on| one.labels.contains(on));
    supervisors.into_iter().any(|one| one.is_there(policy, now) && may(one))
}

/// The supervisors that are there, but for this one.
pub(super) fn others_there<'a>(
    facts: &'a Facts,
    but: &'a str,
    now: Timestamp,
) -> Result<impl Iterator<Item = &'a Supervisor>, Missing> {
    let is_other = move |one: &&Supervisor| one.name != but && one.is_there(&facts.policy, now);
    Ok(facts.supervisors()?.filter(is_other))
}
