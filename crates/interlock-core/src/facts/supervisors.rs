//! The facts about supervisors: what was last heard of each of the workspace.

use super::{Facts, Key, Missing, RowChange};
use crate::wake::Supervisor;

impl Facts {
    /// Loaded: all supervisors that were heard of.
    pub fn put_supervisors(&mut self, supervisors: Vec<Supervisor>) {
        let named = |one: Supervisor| (one.name.clone(), one);
        self.supervisors.get_or_insert_with(|| supervisors.into_iter().map(named).collect());
    }

    /// All supervisors that were heard of, by name.
    pub fn supervisors(&self) -> Result<impl Iterator<Item = &Supervisor>, Missing> {
        self.supervisors.as_ref().map(|all| all.values()).ok_or(Missing(Key::Supervisors))
    }

    /// What an effect makes of what was heard of one.
    pub(super) fn change_supervisor(&mut self, name: String, supervisor: Option<Supervisor>) {
        if let Some(all) = self.supervisors.as_mut() {
            match &supervisor {
                Some(one) => drop(all.insert(name.clone(), one.clone())),
                None => drop(all.remove(&name)),
            }
        }
        self.dirty.appended.push(RowChange::Supervisor(name, supervisor));
    }
}
