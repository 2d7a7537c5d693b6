//! Which supervisors have called: an observation of this server's, forgotten with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use interlock_core::actor::AgentName;
use interlock_core::agent::Label;
use interlock_core::id::WorkspaceId;
use interlock_core::wake::{Claimant, Lack};
use tokio::time::Instant;

use crate::engine::Engine;

/// Supervisors remembered; beyond that the one silent for longest is forgotten.
const SUPERVISORS_MAX: usize = 256;

/// A supervisor as it was last heard of.
#[derive(Debug, Clone)]
pub struct Heard {
    at: Instant,
    /// Its labels.
    pub labels: BTreeSet<Label>,
    /// Agents that it cannot run.
    pub cannot_run: BTreeMap<AgentName, Lack>,
}

impl Heard {
    /// How long ago.
    pub fn silent_ms(&self) -> u64 {
        u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Engine {
    /// Remember that a workspace's supervisor called, and what it says of itself.
    pub fn heard_of(&self, workspace: WorkspaceId, name: &str, claimant: &Claimant) {
        let key = (workspace, name.to_owned());
        let mut heard = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = heard.len() >= SUPERVISORS_MAX && !heard.contains_key(&key);
        if let Some((oldest, _)) = heard.iter().filter(|_| is_full).min_by_key(|(_, heard)| heard.at) {
            let oldest = oldest.clone();
            heard.remove(&oldest);
        }
        let (labels, cannot_run) = (claimant.labels.clone(), claimant.cannot_run.clone());
        heard.insert(key, Heard { at: Instant::now(), labels, cannot_run });
    }

    /// Remember that it called again, with nothing new about it.
    pub fn heard_again(&self, workspace: WorkspaceId, name: &str) {
        let known = self.supervisors(workspace).into_iter().find(|(known, _)| known == name);
        let claimant = known.map_or_else(Claimant::default, |(_, heard)| Claimant {
            labels: heard.labels,
            cannot_run: heard.cannot_run,
            ..Claimant::default()
        });
        self.heard_of(workspace, name, &claimant);
    }

    /// A workspace's supervisors heard of.
    pub fn supervisors(&self, workspace_id: WorkspaceId) -> Vec<(String, Heard)> {
        let heard = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = heard.iter().filter(|((workspace, _), _)| *workspace == workspace_id);
        ours.map(|((_, name), heard)| (name.clone(), heard.clone())).collect()
    }

    /// What a supervisor says of itself, with what is known of the others: those that called within a lease's time.
    pub(crate) fn among_others(&self, workspace: WorkspaceId, name: &str, claimant: &Claimant) -> Claimant {
        let span = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let recent = span(self.policy.lease_ms);
        let others = self.supervisors(workspace).into_iter();
        let others = others.filter(|(other, heard)| other != name && heard.at.elapsed() < recent);
        // Who was there before this server began comes back soon; who calls another server is not heard here.
        let is_fresh = self.began.elapsed() < span(self.policy.placement_wait_ms);
        Claimant {
            others: others.map(|(other, heard)| (other, heard.labels)).collect(),
            may_be_others: is_fresh || self.notifier.has_neighbours(),
            ..claimant.clone()
        }
    }
}
