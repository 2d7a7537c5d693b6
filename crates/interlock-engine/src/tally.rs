//! What became of jobs through this engine since it began: counters for metrics, added to after each commit. What became
//! of all jobs of a workspace, whoever did it, is counted with them in the store.

use std::sync::{Mutex, PoisonError};

use interlock_core::job::{JobStep, JobTotals};

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<JobTotals>);

impl Tally {
    pub(crate) fn add(&self, step: JobStep) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(step);
    }

    pub(crate) fn now(&self) -> JobTotals {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
