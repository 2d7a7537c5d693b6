//! What happened in the workspace, as events for subscribers.

use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::MessageView;

/// Parameters of `follow_events`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct FollowEventsParams {
    /// Events after this position: an event's `id`, `start`, or `now` for what is yet to come; absent = `start`. The
    /// header `Last-Event-ID` wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only of this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// Only what this agent did, or what was done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Only types that begin like this, such as `wake.` or `thread.message_posted/1`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// End with what is there now instead of waiting for more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_now: bool,
}

/// One event in the JSON format of CloudEvents 1.0: the `data` of each server-sent event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent {
    /// The version of CloudEvents: `1.0`.
    pub specversion: String,
    /// Where it stands in the ledger: `index.n`. Unique with `source`, and what a subscriber resumes after.
    pub id: String,
    /// The workspace: `interlock:ws_...`.
    pub source: String,
    /// The ledger's kind with its version, such as `thread.message_posted/1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The thread, where it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<ThreadId>,
    /// When.
    pub time: Timestamp,
    /// `application/json`.
    pub datacontenttype: String,
    /// Who did it; for wakes that is who reported it.
    pub actor: AgentName,
    /// The trace context of the request that did it, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What happened.
    pub data: EventData,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EventData {
    /// The event as it stands in the ledger: ids and digests, no free text.
    pub event: serde_json::Value,
    /// The message with its text as it is now, for `thread.message_posted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageView>,
}
