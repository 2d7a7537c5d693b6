//! The metrics of batches: how many round trips to the database they took.

use interlock_engine::read::Trips;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Took {
    round_trips: u8,
}

/// As of now; nothing where a batch is no matter of round trips.
pub(super) fn registry(trips: Option<Trips>) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let Some(Trips { one, two, moved }) = trips else { return registry };
    let batches = Family::<Took, Counter>::default();
    for (round_trips, count) in [(1, one), (2, two)] {
        batches.get_or_create(&Took { round_trips }).inc_by(count);
    }
    registry.register("batches", "Batches of this server, by their round trips to the database", batches);
    let help = "Batches tried in one round trip in vain: another server had written";
    registry.register("batches_moved", help, ConstCounter::new(moved));
    registry
}
