//! The clock of leases: it never goes back, and counts the time for which the machine was asleep. Others count it too.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The longest sleep of a timer that waits for a moment of this clock: timers of the system stand still while the machine
/// sleeps, so that a moment that has passed meanwhile is noticed by then.
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(1);

/// Milliseconds since the machine was started, its sleep included.
pub(crate) fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

/// How long to sleep before looking whether it is this time.
pub(crate) fn until(at_ms: u64) -> Duration {
    Duration::from_millis(at_ms.saturating_sub(now_ms())).min(LOOK_MAX)
}
