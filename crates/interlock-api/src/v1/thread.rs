//! Threads on the wire.

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::{FindingId, ThreadId, WakeId};
use interlock_core::thread::{FindingState, Status, ThreadKind, ThreadRole};
use interlock_core::time::Timestamp;
use interlock_core::wake::Usage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::MessageView;

/// A participant to be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ParticipantParams {
    /// Who.
    pub agent: AgentName,
    /// With which part; `participant` unless said otherwise.
    #[serde(default = "participant")]
    pub role: ThreadRole,
}

const fn participant() -> ThreadRole {
    ThreadRole::Participant
}

/// Parameters of `create_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreateThreadParams {
    /// The title, at most 200 bytes.
    #[schemars(length(min = 1, max = interlock_core::limits::TITLE_BYTES_MAX))]
    pub title: String,
    /// What it is for; `workflow` unless said otherwise.
    #[serde(default = "workflow")]
    pub kind: ThreadKind,
    /// Who takes part; you are added as coordinator when absent.
    #[serde(default)]
    pub participants: Vec<ParticipantParams>,
}

const fn workflow() -> ThreadKind {
    ThreadKind::Workflow
}

/// A participant as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ParticipantView {
    /// Who.
    pub agent: AgentName,
    /// With which part.
    pub role: ThreadRole,
    /// Whether a supervisor can wake it.
    pub managed: bool,
    /// The highest `seq` it acknowledged.
    pub acked_seq: u64,
}

/// A finding as a thread shows it; its text is in the message that reported it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FindingView {
    /// Its id.
    pub finding_id: FindingId,
    /// Where it stands.
    pub state: FindingState,
    /// How often it came back.
    pub cycles: u32,
    /// The `seq` of the message that reported it.
    pub reported_seq: u64,
    /// The commit that settled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// A thread as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ThreadView {
    /// Its id.
    pub thread_id: ThreadId,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub kind: ThreadKind,
    /// Where it stands.
    pub status: Status,
    /// Why it is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who must act while it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
    /// Who opened it.
    pub created_by: AgentName,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The `seq` of its last message; 0 = none yet.
    pub last_seq: u64,
    /// Who takes part.
    pub participants: Vec<ParticipantView>,
    /// Finished wakes since the last progress.
    pub turns_without_progress: u32,
    /// Finished wakes in all.
    pub turns: u64,
    /// What models used for it, and what they may; absent while nothing was used and nothing is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetView>,
    /// Its findings; only in `get_thread`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingView>,
}

/// What models used for a thread, as far as the runtimes tell, and what they may.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct BudgetView {
    /// Since a person last let the thread go on after it was blocked: what the limits are held against.
    pub spent: Usage,
    /// In all.
    pub total: Usage,
    /// Tokens read and written, at which the thread is blocked; absent = any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<i64>,
    /// Millionths of a US dollar at which it is; absent = any cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd_max: Option<i64>,
}

/// Parameters of `get_thread`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetThreadParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Wait while the thread has this status; absent = while nothing in it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub while_status: Option<Status>,
    /// How long to wait for the change, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

impl GetThreadParams {
    /// The thread as it is now.
    pub const fn now(thread_id: ThreadId) -> Self {
        Self { thread_id, while_status: None, wait_ms: 0 }
    }
}

/// Parameters of `list_threads`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListThreadsParams {
    /// Only threads with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What a former page gave as `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first thread, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `list_threads`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListThreadsResponse {
    /// Newest first.
    pub threads: Vec<ThreadView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Parameters of `update_thread_status`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdateThreadStatusParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The status wanted.
    pub status: Status,
    /// Which kind of reason: BY_REQUEST, PAUSED, FINDING_UNRESOLVED, OPEN_FINDINGS, LEASH_REACHED or
    /// NOT_CONVERGED.
    #[serde(default = "by_request")]
    pub reason: Reason,
    /// The reason in words, at most 2,000 bytes.
    #[serde(default)]
    pub text: String,
    /// Who must act now, only with `blocked`; whoever opened the thread unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
}

const fn by_request() -> Reason {
    Reason::ByRequest
}

/// Parameters of `add_participant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AddParticipantParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who.
    pub agent: AgentName,
    /// With which part; `participant` unless said otherwise.
    #[serde(default = "participant")]
    pub role: ThreadRole,
}

/// Parameters of `remove_participant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RemoveParticipantParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who.
    pub agent: AgentName,
}

/// Answer of `remove_participant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RemoveParticipantResponse {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who takes no part any more.
    pub agent: AgentName,
}

/// Parameters of `read_timeline`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReadTimelineParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Items after this position (`index.n`); absent = from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first item, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// One thing that happened in a thread.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TimelineItem {
    /// Where it stands in the ledger: `index.n`.
    pub position: String,
    /// The ledger entry's index.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// Who: the sender of a message, the agent of a wake.
    pub actor: AgentName,
    /// What: a message's event type or `message`, else the ledger kind without its version (`wake.accepted`).
    #[serde(rename = "type")]
    pub kind: String,
    /// The message's `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The wake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageView>,
    /// The reason in words of a message that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The ledger event, for everything but messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<serde_json::Value>,
}

/// Answer of `read_timeline`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReadTimelineResponse {
    /// In the ledger's order.
    pub items: Vec<TimelineItem>,
    /// Pass it as `after` to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether there is more already.
    pub has_more: bool,
}
