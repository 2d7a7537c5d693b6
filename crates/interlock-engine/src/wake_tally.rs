//! How wakes ended, and what put them off, through this engine since it began: counters for metrics, added to after each commit.

use std::sync::atomic::{AtomicU64, Ordering};

use interlock_core::guard::DEFERRALS;
use interlock_core::wake::WakeResult;
use interlock_core::{Event, Reason};

/// One counter for each way to end, and for each reason to be put off.
#[derive(Debug, Default)]
pub(crate) struct WakeTally {
    ended: [AtomicU64; WakeResult::ALL.len()],
    deferred: [AtomicU64; DEFERRALS.len()],
}

impl WakeTally {
    /// Count the wakes that these committed events end or put off.
    pub(crate) fn add(&self, events: &[Event]) {
        for event in events {
            let counter = match event {
                Event::WakeFinished { result, .. } => {
                    self.counters().find(|(one, _)| one == result).map(|(_, counter)| counter)
                }
                Event::WakeDeferred { reason, .. } => {
                    let mut known = DEFERRALS.iter().zip(&self.deferred);
                    known.find(|(one, _)| *one == reason).map(|(_, counter)| counter)
                }
                _ => None,
            };
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many were put off, every reason among them.
    pub(crate) fn deferred(&self) -> Vec<(Reason, u64)> {
        let counts = self.deferred.iter().map(|counter| counter.load(Ordering::Relaxed));
        DEFERRALS.into_iter().zip(counts).collect()
    }

    /// The counters at this moment, every way to end among them.
    pub(crate) fn now(&self) -> Vec<(WakeResult, u64)> {
        self.counters().map(|(result, counter)| (result, counter.load(Ordering::Relaxed))).collect()
    }

    fn counters(&self) -> impl Iterator<Item = (WakeResult, &AtomicU64)> {
        WakeResult::ALL.iter().copied().zip(&self.ended)
    }
}
