//! Metrics in the Prometheus text format. Labels are routes and statuses, never ids or names.

mod batches;
mod jobs;
mod wakes;
mod webhooks;
mod write_ahead;

use std::collections::BTreeMap;
use std::time::Duration;

use interlock_core::job::JobTotals;
use interlock_core::wake::WakeResult;
use interlock_core::webhook::WebhookState;
use interlock_core::{Reason, Timestamp};
use interlock_engine::read::{JobCounts, Trips, WriteAhead};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::webhooks::Standing;

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// The server's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<Route, Histogram>,
    denials: Family<Why, Counter>,
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
        let denials = Family::<Why, Counter>::default();
        registry.register("denials", "What known callers were not allowed", denials.clone());
        let subscribers = Gauge::default();
        registry.register("event_subscribers", "Subscribers that follow the events", subscribers.clone());
        Self { registry, requests, durations, denials, subscribers }
    }

    pub(crate) fn observe(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        let labels = Labels { route: route.to_owned(), method: known(method).to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn denied(&self, reason: Reason) {
        self.denials.get_or_create(&Why { reason: reason.as_str() }).inc();
    }

    /// Everything, with what others count.
    pub(crate) fn text(&self, counted: &Counted<'_>) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        let mut lost = Registry::with_prefix("interlock");
        let help = "Denials of which nothing is written: too many waited, or the store refused them";
        lost.register("denials_lost", help, ConstCounter::new(counted.lost_denials));
        encode_registry(&mut text, &lost)?;
        let Counted { jobs: (tally, jobs), attempts, standing, .. } = counted;
        encode_registry(&mut text, &jobs::registry(tally.clone(), *jobs, counted.now))?;
        encode_registry(
            &mut text,
            &wakes::registry(&counted.wakes, &counted.deferred, counted.oldest_due_ms),
        )?;
        encode_registry(&mut text, &webhooks::registry(*attempts, *standing))?;
        encode_registry(&mut text, &batches::registry(counted.trips))?;
        encode_registry(&mut text, &write_ahead::registry(counted.write_ahead))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// What is counted elsewhere: by the engine, and in the store, which may be away.
pub(crate) struct Counted<'a> {
    pub(crate) now: Timestamp,
    pub(crate) lost_denials: u64,
    /// Batches by what they cost, where that differs.
    pub(crate) trips: Option<Trips>,
    pub(crate) jobs: (JobTotals, Option<&'a JobCounts>),
    pub(crate) wakes: Vec<(WakeResult, u64)>,
    pub(crate) deferred: Vec<(Reason, u64)>,
    /// For how long the oldest wake that waits has been due, in milliseconds.
    pub(crate) oldest_due_ms: Option<i64>,
    /// Of webhooks: attempts by outcome.
    pub(crate) attempts: [(&'static str, u64); 3],
    /// And how they stand, by state.
    pub(crate) standing: Option<&'a BTreeMap<WebhookState, Standing>>,
    pub(crate) write_ahead: Option<WriteAhead>,
}

/// Callers may invent methods; each would be a label of its own for ever.
fn known(method: &str) -> &str {
    match method {
        "GET" | "POST" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "MCP" => method,
        _ => "other",
    }
}
