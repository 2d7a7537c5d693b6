//! Who was heard of lately: operational, in memory, outside the ledger.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use interlock_core::actor::AgentName;
use interlock_core::id::{SessionId, WorkspaceId};
use tokio::time::Instant;

/// Sessions remembered; beyond that the one silent for longest is forgotten.
pub const PRESENCES_MAX: usize = 4_096;

/// What a participant last said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Whether it was at work.
    pub is_active: bool,
    /// Its token's session, where it has one.
    pub session_id: Option<SessionId>,
    /// When that was.
    pub at: Instant,
}

impl Presence {
    /// Milliseconds since then.
    pub fn silent_ms(&self) -> u64 {
        u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The presences of all workspaces.
#[derive(Debug, Default)]
pub(crate) struct Presences(Mutex<BTreeMap<(WorkspaceId, AgentName), Presence>>);

impl Presences {
    /// Remember what somebody says of itself.
    pub(crate) fn note(&self, workspace: WorkspaceId, name: AgentName, presence: Presence) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (workspace, name);
        if all.len() >= PRESENCES_MAX && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, presence)| presence.at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        all.insert(key, presence);
    }

    /// What somebody last said of itself.
    pub(crate) fn of(&self, workspace: WorkspaceId, name: &AgentName) -> Option<Presence> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(workspace, name.clone())).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_silent_is_forgotten_first() {
        let presences = Presences::default();
        let workspace = WorkspaceId::from_u128(1);
        let name = |n: usize| AgentName::parse(&format!("a{n}")).unwrap();
        let start = Instant::now();
        for n in 0..=PRESENCES_MAX {
            let at = start + Duration::from_millis(u64::try_from(n).unwrap());
            presences.note(workspace, name(n), Presence { is_active: true, session_id: None, at });
        }
        assert_eq!(presences.of(workspace, &name(0)), None);
        assert!(presences.of(workspace, &name(1)).is_some());
        assert_eq!(presences.of(WorkspaceId::from_u128(2), &name(1)), None, "another workspace");
    }
}
