//! A thread in short, for whoever comes to it late: made by rules, without a model.

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::{FindingId, ThreadId};
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `summarize_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SummarizeThreadParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Wait while the thread has no message after this `seq`; absent = while nothing in it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// How long to wait for the change, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// A finding that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenFinding {
    /// Its id.
    pub finding_id: FindingId,
    /// Who reported it.
    pub reported_by: AgentName,
    /// The message that reported it last; the one that reported it first where the last is before `from_seq`.
    pub seq: u64,
    /// The file.
    pub path: String,
    /// The line; 0 = the file as a whole.
    pub line: u64,
    /// The rule it breaks.
    pub rule: String,
    /// How bad it is.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// How often it was reported or rejected since it was last verified.
    pub cycles: u32,
    /// Whether its addressee has said that it cannot mend it.
    pub is_unresolved: bool,
}

/// Something that was decided: a finding settled, or a change of the thread's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// The message that says so.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: AgentName,
    /// What: the message's event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The finding it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_id: Option<FindingId>,
    /// In words, cut to 300 characters.
    pub text: String,
}

/// One participant's part so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParticipantSummary {
    /// Who.
    pub agent: AgentName,
    /// Its part in the thread.
    pub role: ThreadRole,
    /// The `seq` it has acknowledged.
    pub acked_seq: u64,
    /// Messages for it beyond that which still hold, from `from_seq` on.
    pub unread: u32,
    /// Whether more may be unread: it has acknowledged less than what comes before `from_seq`.
    #[serde(default)]
    pub unread_is_minimum: bool,
    /// Its last message, from `from_seq` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_word: Option<LastWord>,
}

/// What somebody said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastWord {
    /// The message.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The event's type, for events.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The text, cut to 300 characters.
    pub text: String,
}

/// Answer of `summarize_thread`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadSummary {
    /// The thread.
    pub thread_id: ThreadId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// Why it is blocked, or how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who must act while it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
    /// The `seq` of its last message.
    pub last_seq: u64,
    /// The first message, which says what the thread is about, cut to 2,000 characters.
    pub task: String,
    /// Findings that are not settled, in the order of their reports.
    pub open_findings: Vec<OpenFinding>,
    /// The last 50 decisions, oldest first.
    pub decisions: Vec<Decided>,
    /// Who takes part.
    pub participants: Vec<ParticipantSummary>,
    /// The first `seq` that was looked at: later than 1 when the thread has more than 1,000 messages.
    pub from_seq: u64,
}
