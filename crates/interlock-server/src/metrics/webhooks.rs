//! The metrics of webhooks: what became of attempts here, how many webhooks stand where, and how far they are behind.

use std::collections::BTreeMap;

use interlock_core::webhook::WebhookState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::webhooks::Standing;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// As of now; how they stand is absent when the store is away.
pub(super) fn registry(
    attempts: [(&'static str, u64); 3],
    standing: Option<&BTreeMap<WebhookState, Standing>>,
) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let deliveries = Family::<Outcome, Counter>::default();
    for (outcome, count) in attempts {
        deliveries.get_or_create(&Outcome { outcome }).inc_by(count);
    }
    let help = "Attempts of this server to deliver an event to a webhook";
    registry.register("webhook_attempts", help, deliveries);
    let Some(standing) = standing else { return registry };
    let (webhooks, behind) = (Family::<State, Gauge>::default(), Family::<State, Gauge>::default());
    for (state, Standing { count, behind: entries }) in standing {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let state = State { state: state.as_str() };
        webhooks.get_or_create(&state).set(number(*count));
        behind.get_or_create(&state).set(number(*entries));
    }
    registry.register("webhooks", "Webhooks that are told of events, or paused", webhooks);
    let help = "Ledger entries that the webhook furthest behind was not told of yet";
    registry.register("webhook_behind_entries", help, behind);
    registry
}
