//! Places for subscribers: so many at once, so many of them for one caller, and no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use interlock_core::actor::{Actor, AgentName};
use interlock_core::id::WorkspaceId;
use interlock_core::limits::{SUBSCRIBERS_MAX, SUBSCRIBERS_OF_CALLER_MAX};
use interlock_core::{Reason, Refusal};
use prometheus_client::metrics::gauge::Gauge;

type Caller = (WorkspaceId, AgentName);

/// Who holds how many places, and how many are taken in all.
#[derive(Debug, Default)]
struct Taken {
    of: BTreeMap<Caller, usize>,
    all: usize,
}

/// The places of one server.
pub(crate) struct Seats {
    taken: Arc<Mutex<Taken>>,
    gauge: Gauge,
}

/// One place; free again when it is dropped.
pub(crate) struct Seat {
    caller: Caller,
    taken: Arc<Mutex<Taken>>,
    gauge: Gauge,
}

impl Seats {
    /// All free; how many are taken is told by this gauge.
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { taken: Arc::default(), gauge }
    }

    /// Take one for this caller. Whoever has many tokens is still one caller.
    ///
    /// # Errors
    /// `SUBSCRIBERS_TOO_MANY` when none is free, or the caller has as many as one may have.
    pub(crate) fn take(&self, actor: &Actor) -> Result<Seat, Refusal> {
        let caller = (actor.workspace_id, actor.name.clone());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let too_many = |detail: String| {
            Refusal::new(Reason::SubscribersTooMany, detail)
                .hint("end streams that nobody needs, or come back later with the position you have")
        };
        if taken.all >= SUBSCRIBERS_MAX {
            return Err(too_many(format!("{SUBSCRIBERS_MAX} subscribers follow the events already")));
        }
        let own = taken.of.entry(caller.clone()).or_default();
        if *own >= SUBSCRIBERS_OF_CALLER_MAX {
            let detail = format!(
                "`{}` follows the events with {SUBSCRIBERS_OF_CALLER_MAX} streams already",
                actor.name
            );
            return Err(too_many(detail));
        }
        *own += 1;
        taken.all += 1;
        self.gauge.inc();
        Ok(Seat { caller, taken: Arc::clone(&self.taken), gauge: self.gauge.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.of.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&self.caller);
            }
        }
        self.gauge.dec();
    }
}
