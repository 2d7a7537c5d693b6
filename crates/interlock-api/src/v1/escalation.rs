//! Escalations on the wire: who must act in a blocked thread, and what operators do to threads from outside.

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `get_escalation`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetEscalationParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// How long to wait until somebody must act, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Who must act in a thread, if anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EscalationView {
    /// The thread.
    pub thread_id: ThreadId,
    /// Where it stands: only in a blocked one somebody must act.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who must act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
    /// Since when the thread is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Who named the owner: by blocking the thread, or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_by: Option<AgentName>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_at: Option<Timestamp>,
    /// Why, in words; empty where it was the blocking itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// How often the owner was told again.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub reminders: u32,
    /// When the owner is told again; absent = no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_reminder_at: Option<Timestamp>,
}

/// Parameters of `assign_escalation_owner`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AssignEscalationOwnerParams {
    /// The thread; a blocked one.
    pub thread_id: ThreadId,
    /// Who must act from now on: a participant.
    pub owner: AgentName,
    /// Why, in words, at most 2,000 bytes.
    pub text: String,
}

/// Parameters of `escalate_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EscalateThreadParams {
    /// The thread; an active one.
    pub thread_id: ThreadId,
    /// Why, in words, at most 2,000 bytes.
    pub text: String,
    /// Who must act; whom the rule of escalation names unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
    /// The status that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_status: Option<Status>,
}

/// Parameters of `unblock_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UnblockThreadParams {
    /// The thread; a blocked one.
    pub thread_id: ThreadId,
    /// Why, in words, at most 2,000 bytes; of a coordinator it begins with `coordinator_override:`.
    pub text: String,
    /// The status that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_status: Option<Status>,
}

/// Parameters of `override_close_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OverrideCloseThreadParams {
    /// The thread; any that is not closed.
    pub thread_id: ThreadId,
    /// Why, in words, at most 2,000 bytes: `human_override:` and what follows.
    pub text: String,
    /// The status that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_status: Option<Status>,
}
