//! Which supervisors have called here; and what every server is to know of them, written now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use interlock_core::Refusal;
use interlock_core::actor::AgentName;
use interlock_core::agent::Label;
use interlock_core::command::{Command, NoteSupervisor};
use interlock_core::id::WorkspaceId;
use interlock_core::limits::SUPERVISORS_MAX;
use interlock_core::wake::{Claimant, Lack};
use tokio::time::Instant;

use crate::engine::Engine;

/// A supervisor as it was last heard of.
#[derive(Debug, Clone)]
pub struct Heard {
    at: Instant,
    /// Its labels.
    pub labels: BTreeSet<Label>,
    /// Agents that it cannot run.
    pub cannot_run: BTreeMap<AgentName, Lack>,
    /// When it was last written down for every server, with which labels.
    noted: Option<(Instant, BTreeSet<Label>)>,
}

impl Heard {
    /// How long ago.
    pub fn silent_ms(&self) -> u64 {
        u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Engine {
    /// Remember that a workspace's supervisor called, and what it says of itself.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn heard_of(
        &self,
        workspace: WorkspaceId,
        name: &str,
        claimant: &Claimant,
    ) -> Result<(), Refusal> {
        if self.remember(workspace, name, claimant) {
            return Ok(());
        }
        let (supervisor, labels) = (name.to_owned(), claimant.labels.clone());
        let command = Command::NoteSupervisor(NoteSupervisor { supervisor, labels: labels.clone() });
        self.by_itself(workspace, "note_supervisor", command).await?;
        let mut heard = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = heard.get_mut(&(workspace, name.to_owned())) {
            heard.noted = Some((Instant::now(), labels));
        }
        Ok(())
    }

    /// Says whether what it says was written down lately.
    fn remember(&self, workspace: WorkspaceId, name: &str, claimant: &Claimant) -> bool {
        let key = (workspace, name.to_owned());
        let mut heard = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = heard.get(&key).and_then(|heard| heard.noted.clone());
        let again = span(self.policy.supervisor_note_ms());
        let is_noted =
            noted.as_ref().is_some_and(|(at, labels)| at.elapsed() < again && *labels == claimant.labels);
        let is_full = heard.len() >= SUPERVISORS_MAX && !heard.contains_key(&key);
        if let Some((oldest, _)) = heard.iter().filter(|_| is_full).min_by_key(|(_, heard)| heard.at) {
            let oldest = oldest.clone();
            heard.remove(&oldest);
        }
        let (labels, cannot_run) = (claimant.labels.clone(), claimant.cannot_run.clone());
        heard.insert(key, Heard { at: Instant::now(), labels, cannot_run, noted });
        is_noted
    }

    /// Remember that it called again, with nothing new about it.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn heard_again(&self, workspace: WorkspaceId, name: &str) -> Result<(), Refusal> {
        let known = self.supervisors(workspace).into_iter().find(|(known, _)| known == name);
        let claimant = known.map_or_else(Claimant::default, |(_, heard)| Claimant {
            labels: heard.labels,
            cannot_run: heard.cannot_run,
            ..Claimant::default()
        });
        self.heard_of(workspace, name, &claimant).await
    }

    /// A workspace's supervisors heard of.
    pub fn supervisors(&self, workspace_id: WorkspaceId) -> Vec<(String, Heard)> {
        let heard = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = heard.iter().filter(|((workspace, _), _)| *workspace == workspace_id);
        ours.map(|((_, name), heard)| (name.clone(), heard.clone())).collect()
    }

    /// What a supervisor says of itself, and whether there may be others of which nothing is written yet.
    pub(crate) fn among_others(&self, claimant: &Claimant) -> Claimant {
        // Who was there before this server began comes back soon; who begins at another one is not heard here.
        let is_fresh = self.began.elapsed() < span(self.policy.placement_wait_ms);
        Claimant { may_be_others: is_fresh || self.notifier.has_neighbours(), ..claimant.clone() }
    }
}

fn span(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
