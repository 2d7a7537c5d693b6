//! Places for subscribers: so many at once, and no more.

use std::sync::Arc;

use interlock_core::limits::SUBSCRIBERS_MAX;
use interlock_core::{Reason, Refusal};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one server.
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    taken: Gauge,
}

/// One place; free again when it is dropped.
pub(crate) struct Seat {
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
}

impl Seats {
    /// All free; how many are taken is told by this gauge.
    pub(crate) fn new(taken: Gauge) -> Self {
        Self { free: Arc::new(Semaphore::new(SUBSCRIBERS_MAX)), taken }
    }

    /// Take one.
    ///
    /// # Errors
    /// `SUBSCRIBERS_TOO_MANY` when none is free.
    pub(crate) fn take(&self) -> Result<Seat, Refusal> {
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let detail = format!("{SUBSCRIBERS_MAX} subscribers follow the events already");
            Refusal::new(Reason::SubscribersTooMany, detail)
                .hint("end streams that nobody needs, or come back later with the position you have")
        })?;
        self.taken.inc();
        Ok(Seat { _permit: permit, taken: self.taken.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.dec();
    }
}
