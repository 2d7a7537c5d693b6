//! The metrics of wakes: what guards put off, by reason.

use interlock_core::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// As of now.
pub(super) fn registry(deferred: Vec<(Reason, u64)>) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let wakes = Family::<Why, Counter>::default();
    for (reason, count) in deferred {
        wakes.get_or_create(&Why { reason: reason.as_str() }).inc_by(count);
    }
    registry.register("wakes_deferred", "Wakes that were put off, and not lost", wakes);
    registry
}
