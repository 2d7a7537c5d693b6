//! How often an agent is woken in a thread: the times of its dispatches, kept with the participant, so that a restart
//! forgets none of them.

use crate::limits::DISPATCHES_REMEMBERED_MAX;
use crate::time::Timestamp;

/// The window of `wakes_per_minute_max`.
pub(super) const MINUTE_MS: i64 = 60_000;

/// When a participant's wakes were dispatched of late. Those that people asked for stand apart: what agents cause must
/// not throttle people.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pace {
    /// Wakes that a person, or a program that no supervisor runs, asked for: those of a minute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Timestamp>,
    /// Wakes that agents alone caused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caused: Vec<Timestamp>,
}

impl Pace {
    /// Whether nothing is remembered.
    pub const fn is_none(&self) -> bool {
        self.asked.is_empty() && self.caused.is_empty()
    }

    /// A wake was dispatched.
    pub(super) fn note(&mut self, at: Timestamp, is_caused: bool) {
        self.asked.retain(|then| at.ms_since(*then) < MINUTE_MS);
        let times = if is_caused { &mut self.caused } else { &mut self.asked };
        if times.len() >= DISPATCHES_REMEMBERED_MAX {
            times.remove(0);
        }
        times.push(at);
    }

    /// What was dispatched then came to nothing through no fault of the agent's, and counts for nothing.
    pub(super) fn take_back(&mut self, at: Timestamp) {
        let times = [&mut self.caused, &mut self.asked].into_iter().find(|times| times.contains(&at));
        if let Some(times) = times
            && let Some(place) = times.iter().rposition(|then| *then == at)
        {
            times.remove(place);
        }
    }

    /// When fewer than `max` of these dispatches lie in the window that ends there; nothing when that is so now. A time
    /// that lies further in the future than the window is long comes from a clock that was put back, and counts for nothing.
    pub(super) fn opens(
        times: impl Iterator<Item = Timestamp>,
        max: usize,
        window_ms: i64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let is_in = |then: &Timestamp| now.ms_since(*then) < window_ms && then.ms_since(now) < window_ms;
        let mut inside: Vec<Timestamp> = times.filter(is_in).collect();
        inside.sort_unstable();
        let oldest = inside.len().checked_sub(max).and_then(|place| inside.get(place))?;
        Some(oldest.plus_ms(window_ms))
    }
}
