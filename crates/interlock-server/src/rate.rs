//! How often one caller may ask: a bucket for each, so that a program that runs away is told to wait before it takes the
//! server from the others.

use std::num::NonZeroU32;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use interlock_core::actor::Actor;
use interlock_core::limits::{REQUEST_BYTES_CEILING, REQUEST_BYTES_MAX};
use interlock_core::{Reason, Refusal};

/// Callers whose buckets are remembered; with more, those whose bucket is full again are forgotten.
const CALLERS_MAX: usize = 4_096;

/// How many requests one caller may make, and of which size. The defaults end what runs away and disturb nothing that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Requests of one caller in a second, on the average.
    pub requests_per_second_max: NonZeroU32,
    /// Requests of one caller at once, after it was quiet.
    pub requests_burst_max: NonZeroU32,
    /// Bytes of one request's body.
    pub request_bytes_max: RequestBytes,
}

/// Bytes that a request's body may have: [`REQUEST_BYTES_MAX`] unless said otherwise, never less, because whatever is within
/// the limits of its fields should pass, and [`REQUEST_BYTES_CEILING`] at most, because bodies are held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct RequestBytes(usize);

impl RequestBytes {
    /// The number.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for RequestBytes {
    fn default() -> Self {
        Self(REQUEST_BYTES_MAX)
    }
}

impl TryFrom<usize> for RequestBytes {
    type Error = String;

    fn try_from(bytes: usize) -> Result<Self, String> {
        if (REQUEST_BYTES_MAX..=REQUEST_BYTES_CEILING).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(format!("{bytes} is not from {REQUEST_BYTES_MAX} to {REQUEST_BYTES_CEILING} bytes"))
        }
    }
}

impl From<RequestBytes> for usize {
    fn from(bytes: RequestBytes) -> Self {
        bytes.0
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX);
        Self {
            requests_per_second_max: number(10_000),
            requests_burst_max: number(20_000),
            request_bytes_max: RequestBytes::default(),
        }
    }
}

/// A workspace and a name in it.
type Caller = ([u8; 16], String);
type Buckets<C> = RateLimiter<Caller, HashMapStateStore<Caller>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Every caller's bucket.
pub(crate) struct Rates<C: Clock = MonotonicClock> {
    buckets: Buckets<C>,
    limits: RateLimits,
}

impl Rates {
    /// All full, by the machine's clock.
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self::with_clock(limits, MonotonicClock)
    }
}

impl<C: Clock> Rates<C> {
    /// All full, by this clock.
    fn with_clock(limits: RateLimits, clock: C) -> Self {
        let quota = Quota::per_second(limits.requests_per_second_max).allow_burst(limits.requests_burst_max);
        Self { buckets: RateLimiter::new(quota, HashMapStateStore::default(), clock), limits }
    }

    /// Bytes that a request's body may have.
    pub(crate) const fn request_bytes_max(&self) -> usize {
        self.limits.request_bytes_max.get()
    }

    /// One more request of this caller.
    ///
    /// # Errors
    /// `REQUESTS_TOO_FREQUENT`, with the time after which one is taken again.
    pub(crate) fn take(&self, actor: &Actor) -> Result<(), Refusal> {
        let taken = self.buckets.check_key(&(actor.workspace_id.to_bytes(), actor.name.to_string()));
        if self.buckets.len() > CALLERS_MAX {
            self.buckets.retain_recent();
        }
        taken.map_err(|early| {
            let wait = early.wait_time_from(self.buckets.clock().now());
            let ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
            let detail = format!(
                "`{}` makes more than {} requests in a second",
                actor.name, self.limits.requests_per_second_max
            );
            Refusal::new(Reason::RequestsTooFrequent, detail)
                .retry_after_ms(ms.max(1))
                .hint("wait as long as retry_after_ms says, then repeat with the same idempotency key")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use interlock_core::actor::{AgentName, Role};
    use interlock_core::id::WorkspaceId;

    use super::*;

    fn actor(name: &str) -> Actor {
        let name = AgentName::parse(name).unwrap();
        let workspace_id = WorkspaceId::from_u128(1);
        Actor { name, role: Role::Participant, workspace_id, session_id: None, wake_id: None, fence: None }
    }

    fn limits(per_second: u32, burst: u32) -> RateLimits {
        RateLimits {
            request_bytes_max: RequestBytes::default(),
            requests_per_second_max: NonZeroU32::new(per_second).unwrap(),
            requests_burst_max: NonZeroU32::new(burst).unwrap(),
        }
    }

    #[test]
    fn a_caller_that_is_too_fast_is_told_when_to_come_again() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::with_clock(limits(4, 3), clock.clone());
        let (fast, calm) = (actor("fast"), actor("calm"));
        for _ in 0..3 {
            rates.take(&fast).unwrap();
        }
        let refusal = rates.take(&fast).unwrap_err();
        assert_eq!((refusal.reason, refusal.retry_after_ms), (Reason::RequestsTooFrequent, Some(250)));
        rates.take(&calm).unwrap();
        let elsewhere = Actor { workspace_id: WorkspaceId::from_u128(2), ..fast.clone() };
        rates.take(&elsewhere).unwrap();

        clock.advance(Duration::from_millis(100));
        assert_eq!(rates.take(&fast).unwrap_err().retry_after_ms, Some(150));
        clock.advance(Duration::from_millis(150));
        rates.take(&fast).unwrap();
        rates.take(&fast).unwrap_err();
        // Quiet for long: as many at once as in the beginning, and no more.
        clock.advance(Duration::from_mins(1));
        assert_eq!((0..10).filter(|_| rates.take(&fast).is_ok()).count(), 3);
    }

    #[test]
    fn callers_that_are_quiet_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::with_clock(limits(4, 3), clock.clone());
        for n in 0..CALLERS_MAX {
            rates.take(&actor(&format!("a{n}"))).unwrap();
        }
        assert_eq!(rates.buckets.len(), CALLERS_MAX);
        clock.advance(Duration::from_secs(5));
        rates.take(&actor("another")).unwrap();
        assert_eq!(rates.buckets.len(), 1);
    }
}
