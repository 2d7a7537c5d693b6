//! Waiting for conditions of real processes.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine: longer than the lease of a wake whose supervisor is gone.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(10);

/// Wait until there is something, or fail with what was waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}
