//! What whoever leads a thread asks for, on the wire: work, reviews, and what became of them.

use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::ThreadRole;
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `assign_task`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AssignTaskParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who is to do it: a participant.
    pub agent: AgentName,
    /// What is to be done, in a sentence, at most 2,000 bytes.
    pub task: String,
    /// When it is to be done; nothing happens by itself then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// After how long it no longer counts, at most a year: nobody is woken for it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// Parameters of `request_review`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RequestReviewParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The commit to look at.
    pub commit: String,
    /// Who is to look at it: participants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<AgentName>,
    /// The thread role that is to look at it; with neither it is for everybody but you.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_role: Option<ThreadRole>,
    /// After how long it no longer counts, at most a year: nobody is woken for it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

/// Parameters of `collect_verdicts`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CollectVerdictsParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The message that asks; the last `re_review_requested` unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// How long to wait until nobody is left whose verdict is pending, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// What somebody makes of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is good.
    Accepted,
    /// It is not.
    Rejected,
    /// It has not said.
    Pending,
}

impl Verdict {
    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Pending => "pending",
        }
    }
}

/// Answer of `collect_verdicts`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CollectVerdictsResponse {
    /// The thread.
    pub thread_id: ThreadId,
    /// The message that asks.
    pub message_id: MessageId,
    /// Its `seq`.
    pub seq: u64,
    /// The commit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Rejected when anybody says so, accepted when everybody does, else pending.
    pub verdict: Verdict,
    /// Whom it asks, by name.
    pub verdicts: Vec<VerdictView>,
    /// The thread holds more messages after it than are looked at: later ones may say something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
}

/// What one of those asked said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictView {
    /// Who.
    pub agent: AgentName,
    /// What it makes of it.
    pub verdict: Verdict,
    /// The message that says so last, or its last one that answers without saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Its `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When that was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Findings that it reported or rejected since and that are still open.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub open_findings: u32,
}
