//! The metric of wakes: how they ended.

use interlock_core::wake::WakeResult;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

/// As of now; every result is there from the start, so that none of them seems to be new when it is first counted.
pub(super) fn registry(tally: &[(WakeResult, u64)]) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let wakes = Family::<Ended, Counter>::default();
    for (result, count) in tally {
        wakes.get_or_create(&Ended { result: result.as_str() }).inc_by(*count);
    }
    registry.register("wakes", "Wakes that ended through this server, by their result", wakes);
    registry
}
