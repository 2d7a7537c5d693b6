//! Why somebody was woken, or was not, on the wire.

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::{ThreadId, WakeId};
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::time::Timestamp;
use interlock_core::wake::Why;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `explain_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExplainWakesParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Only of this participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// How long to wait for the next change in the thread, at most 50,000 ms; 0 = not at all.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `explain_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExplainWakesResponse {
    /// The thread.
    pub thread_id: ThreadId,
    /// Where it stands.
    pub status: Status,
    /// Its participants, by name.
    pub participants: Vec<ExplainedView>,
}

/// Why one participant is woken, or is not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedView {
    /// Who.
    pub agent: AgentName,
    /// With which part.
    pub role: ThreadRole,
    /// Whether a supervisor can wake it.
    pub managed: bool,
    /// The highest `seq` it acknowledged.
    pub acked_seq: u64,
    /// Messages after it that are for this participant and count.
    pub unread: u32,
    /// There may be more: so many were looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread_is_minimum: bool,
    /// What explains it; what counts now first.
    pub because: Vec<BecauseView>,
}

/// One thing that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BecauseView {
    /// What it is.
    pub why: Why,
    /// In words that follow the participant's name.
    pub detail: String,
    /// The reason behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The wake it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// Since when it is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many agents' messages led to one another before that wake; absent = none, or it is about no wake.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub hops: u32,
}
