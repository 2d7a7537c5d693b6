//! The metrics of wakes: how they ended, and what put them off.

use interlock_core::Reason;
use interlock_core::wake::WakeResult;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::jobs::seconds;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// As of now; every result and reason is there from the start, so that none of them seems to be new when it is first counted.
pub(super) fn registry(
    tally: &[(WakeResult, u64)],
    deferred: &[(Reason, u64)],
    oldest_due_ms: Option<i64>,
) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let wakes = Family::<Ended, Counter>::default();
    for (result, count) in tally {
        wakes.get_or_create(&Ended { result: result.as_str() }).inc_by(*count);
    }
    registry.register("wakes", "Wakes that ended through this server, by their result", wakes);
    let put_off = Family::<Why, Counter>::default();
    for (reason, count) in deferred {
        put_off.get_or_create(&Why { reason: reason.as_str() }).inc_by(*count);
    }
    registry.register("wakes_deferred", "Wakes that were put off, and not lost", put_off);
    if let Some(ms) = oldest_due_ms {
        let help = "For how long the oldest wake that waits and is not held back has been due";
        let seconds = seconds(u64::try_from(ms).unwrap_or(0));
        registry.register("wake_oldest_due_seconds", help, ConstGauge::new(seconds));
    }
    registry
}
