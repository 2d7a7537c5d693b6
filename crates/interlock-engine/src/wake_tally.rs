//! How wakes ended through this engine since it began: counters for metrics, added to after each commit.

use std::sync::atomic::{AtomicU64, Ordering};

use interlock_core::Event;
use interlock_core::wake::WakeResult;

/// One counter for each way to end.
#[derive(Debug, Default)]
pub(crate) struct WakeTally([AtomicU64; WakeResult::ALL.len()]);

impl WakeTally {
    /// Count the wakes that these committed events end.
    pub(crate) fn add(&self, events: &[Event]) {
        for event in events {
            if let Event::WakeFinished { result, .. } = event
                && let Some((_, counter)) = self.counters().find(|(one, _)| one == result)
            {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The counters at this moment, every way to end among them.
    pub(crate) fn now(&self) -> Vec<(WakeResult, u64)> {
        self.counters().map(|(result, counter)| (result, counter.load(Ordering::Relaxed))).collect()
    }

    fn counters(&self) -> impl Iterator<Item = (WakeResult, &AtomicU64)> {
        WakeResult::ALL.iter().copied().zip(&self.0)
    }
}
