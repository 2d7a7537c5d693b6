//! Stopping all agents. That they are stopped is a row of the store, the same for every server and those that start later.
//!
//! Beside it each server remembers what it was told last, so that a store that is away keeps nobody from stopping agents.
//! Once the row is there, the row is what counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use interlock_core::id::WorkspaceId;
use interlock_store::Order;

use crate::engine::Engine;
use crate::notify::Note;

/// Why agents are stopped, whatever the store says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Somebody asked for it; the row may not be there yet.
    Asked,
    /// This server ends.
    Ending,
}

/// What this server was told, by workspace.
#[derive(Debug, Default)]
pub(crate) struct Halts(Mutex<BTreeMap<WorkspaceId, Stop>>);

impl Halts {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<WorkspaceId, Stop>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has(&self, id: WorkspaceId) -> bool {
        self.change(|stops| stops.contains_key(&id))
    }

    /// What was asked for is done, or is not wanted any more. The end of a server stays its end.
    fn forget(&self, id: WorkspaceId) {
        self.change(|stops| stops.retain(|other, stop| *other != id || *stop == Stop::Ending));
    }
}

impl Engine {
    /// Stop all agents of a workspace at once, also those of other servers on the same database. It lasts only when the
    /// command that records it is executed besides.
    pub fn halt(&self, workspace_id: WorkspaceId) {
        self.notifier.send_elsewhere(&supervisors(workspace_id), 0, Order::Halt);
        self.halt_here(workspace_id);
    }

    /// Stop the agents of a workspace whose supervisors call this server.
    pub(crate) fn halt_here(&self, workspace_id: WorkspaceId) {
        self.halts.change(|stops| {
            stops.entry(workspace_id).or_insert(Stop::Asked);
        });
        self.notifier.send_here(Some(supervisors(workspace_id)));
    }

    /// This server ends: stop the agents whose supervisors call it. Those of others go on.
    pub fn end_here(&self, workspace_id: WorkspaceId) {
        self.halts.change(|stops| stops.insert(workspace_id, Stop::Ending));
        self.notifier.send_here(Some(supervisors(workspace_id)));
    }

    /// Agents may go on, after the command that records it was executed.
    pub fn resume(&self, workspace_id: WorkspaceId) {
        self.notifier.send_elsewhere(&supervisors(workspace_id), 0, Order::Resume);
        self.resume_here(workspace_id);
    }

    pub(crate) fn resume_here(&self, workspace_id: WorkspaceId) {
        self.halts.forget(workspace_id);
        self.notifier.send_here(Some(supervisors(workspace_id)));
    }

    /// Whether this server was told to stop the agents of a workspace, or ends.
    pub(crate) fn was_told_to_stop(&self, workspace_id: WorkspaceId) -> bool {
        self.halts.has(workspace_id)
    }

    /// What was asked for stands in the store.
    pub(crate) fn halt_is_recorded(&self, workspace_id: WorkspaceId) {
        self.halts.forget(workspace_id);
    }

    /// Whether all agents of a workspace are stopped.
    pub async fn is_halted(&self, workspace_id: WorkspaceId) -> bool {
        match self.store.halt(workspace_id).await {
            Ok(Some(_)) => {
                self.halt_is_recorded(workspace_id);
                true
            }
            // A store that is away ends no halt.
            Ok(None) | Err(_) => self.was_told_to_stop(workspace_id),
        }
    }
}

fn supervisors(workspace_id: WorkspaceId) -> Note {
    Note { supervisors: true, ..Note::of(workspace_id) }
}
