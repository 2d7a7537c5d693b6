//! Faults on request: what a model's service does when it does not do well, so that tests can provoke it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One answer that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status, with an error as the service words it.
    Status(u16),
    /// The quota is used up for so long: told as each service tells the clients of its subscriptions.
    Quota(Duration),
    /// The stream breaks off after its beginning.
    Drop,
    /// The answer comes late.
    Delay(Duration),
}

/// The faults still to come.
#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<VecDeque<Fault>>,
    always: Mutex<Option<Fault>>,
}

impl Faults {
    /// The next answers go wrong like this, one after the other.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Every answer goes wrong like this, from now on; `None` ends it.
    pub fn always(&self, fault: Option<Fault>) {
        *self.always.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.or_else(|| *self.always.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
