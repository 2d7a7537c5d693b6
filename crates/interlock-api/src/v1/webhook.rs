//! Webhooks on the wire.

use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::id::WebhookId;
use interlock_core::time::Timestamp;
use interlock_core::webhook::{WebhookFilter, WebhookState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `create_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateWebhookParams {
    /// Where events go: `https://HOST/PATH` of a receiver that can be reached from everywhere.
    pub url: String,
    /// Which events; all that you may see unless said otherwise.
    #[serde(default)]
    pub filter: WebhookFilter,
    /// Events after this position: an event's `id`, `start`, or `now` for what is yet to come; absent = `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A webhook with its secret: the only answer that holds it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookSecretView {
    /// The webhook.
    pub webhook: WebhookView,
    /// What receivers verify signatures with: `whsec_` and base64. It is shown here and nowhere else; absent when another
    /// one was made meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A webhook as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookView {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Where events go; for callers who may not manage webhooks without what follows the host.
    pub url: String,
    /// Which events.
    pub filter: WebhookFilter,
    /// Whether it is told of events now.
    pub state: WebhookState,
    /// Why it is not, when that was no person's wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who made it: it is told of what that caller may see.
    pub created_by: AgentName,
    /// The access role of that caller.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// The ledger entry that is looked at next.
    pub next_index: u64,
    /// Ledger entries that were not looked at yet.
    pub behind: u64,
    /// Deliveries that are under way: to be tried, or to be tried again.
    pub waiting: u32,
    /// Until when the secret before the newest counts beside it; absent = it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret_until: Option<Timestamp>,
}

/// Parameters of `list_webhooks`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListWebhooksParams {
    /// How long to wait for the first webhook, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// Answer of `list_webhooks`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListWebhooksResponse {
    /// All there are, oldest first.
    pub webhooks: Vec<WebhookView>,
}

/// Parameters of `get_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWebhookParams {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// How long to wait until it has been told of everything, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// Parameters of `update_webhook`: what is absent stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdateWebhookParams {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where events go from now on, those that are being tried again too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Which events, in the place of all that was asked for before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<WebhookFilter>,
    /// `paused` holds everything back, `active` goes on where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WebhookState>,
}

/// Parameters of `rotate_webhook_secret`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RotateWebhookSecretParams {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// How long the secret before counts beside the new one, at most 604,800,000 ms; a day unless said otherwise.
    #[serde(default = "day_ms")]
    #[schemars(range(max = interlock_core::limits::WEBHOOK_OVERLAP_MS_MAX))]
    pub overlap_ms: u64,
}

const fn day_ms() -> u64 {
    24 * 60 * 60 * 1_000
}

/// Parameters of `delete_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeleteWebhookParams {
    /// The webhook.
    pub webhook_id: WebhookId,
}

/// Answer of `delete_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeleteWebhookResponse {
    /// The webhook that is there no more.
    pub webhook_id: WebhookId,
}

/// Parameters of `test_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestWebhookParams {
    /// The webhook.
    pub webhook_id: WebhookId,
}

/// Answer of `test_webhook`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TestWebhookResponse {
    /// Whether the receiver took it: a status of 200 to 299.
    pub is_delivered: bool,
    /// What the receiver answered; absent = nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it answered nothing, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}
