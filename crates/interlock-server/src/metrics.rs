//! Metrics in the Prometheus text format. Labels are routes and statuses, never ids or names.

mod jobs;
mod wakes;

use std::time::Duration;

use interlock_core::{Reason, Timestamp};
use interlock_engine::JobTally;
use interlock_engine::read::JobCounts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: String,
    method: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The server's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<Route, Histogram>,
    /// Subscribers that follow the events now.
    pub(crate) subscribers: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("interlock");
        let requests = Family::<Labels, Counter>::default();
        // From a quarter of a millisecond to eight seconds; long-polls end in the last bucket.
        let durations = Family::<Route, Histogram>::new_with_constructor(|| {
            Histogram::new((0..16).map(|n| 0.000_25 * f64::from(1_u32 << n)))
        });
        registry.register("requests", "HTTP requests", requests.clone());
        registry.register("request_duration_seconds", "Duration of HTTP requests", durations.clone());
        let subscribers = Gauge::default();
        registry.register("event_subscribers", "Subscribers that follow the events", subscribers.clone());
        Self { registry, requests, durations, subscribers }
    }

    pub(crate) fn observe(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        let labels = Labels { route: route.to_owned(), method: known(method).to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(elapsed.as_secs_f64());
    }

    /// Everything, with the wakes that were put off and how jobs stand; `counts` are absent when the store is away.
    pub(crate) fn text(
        &self,
        deferred: Vec<(Reason, u64)>,
        tally: JobTally,
        counts: Option<&JobCounts>,
        now: Timestamp,
    ) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &wakes::registry(deferred))?;
        encode_registry(&mut text, &jobs::registry(tally, counts, now))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// Callers may invent methods; each would be a label of its own for ever.
fn known(method: &str) -> &str {
    match method {
        "GET" | "POST" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "MCP" => method,
        _ => "other",
    }
}
