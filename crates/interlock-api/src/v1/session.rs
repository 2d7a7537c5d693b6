//! Sessions on the wire: who says that it is there, and what was seen of whom.

use interlock_core::actor::AgentName;
use interlock_core::agent::Runtime;
use interlock_core::id::{SessionId, ThreadId, WakeId};
use interlock_core::session::{Activity, Observed, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a session says it is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// At work.
    #[default]
    Active,
    /// There, with nothing to do.
    Idle,
}

/// Parameters of `heartbeat_session`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatSessionParams {
    /// `active` or `idle`; `active` unless said otherwise.
    #[serde(default)]
    pub state: SessionState,
}

/// Answer of `heartbeat_session`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatSessionResponse {
    /// Whose token was used.
    pub agent: AgentName,
    /// The token's session, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Threads in which something is unread for you.
    pub unread_threads: u32,
    /// Come back after this long; silent for longer, you count as away.
    pub next_heartbeat_ms: u32,
}

/// What a participant last said of itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct PresenceView {
    /// What it was doing.
    pub state: SessionState,
    /// How long ago that was.
    pub silent_ms: u64,
}

/// Parameters of `observe_session`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObserveSessionParams {
    /// Whose session; the token's own agent unless said otherwise, which only a supervisor may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// The runtime's session, its UUID written as an id of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// What was seen.
    pub observed: Observed,
    /// How long ago, at most a day.
    #[serde(default)]
    #[schemars(range(max = interlock_core::limits::OBSERVED_AGO_MS_MAX))]
    pub ago_ms: u64,
    /// The wake that the turn's prompt names: while it runs, the prompt is no person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// Whether you will tell the session what waits: what the answer names then counts as told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deliver: bool,
}

/// A thread that a session is to be told of: ids and numbers, never what was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToldThread {
    /// The thread.
    pub thread_id: ThreadId,
    /// Messages in it that are unread for the agent; more when `is_minimum`.
    pub unread: u32,
    /// Whether there may be more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_minimum: bool,
}

/// Answer of `observe_session`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ObserveSessionResponse {
    /// Whose session.
    pub agent: AgentName,
    /// Whether the turn is a wake's, and no person's.
    pub is_ours: bool,
    /// Whether wakes wait for the person in it now.
    #[serde(default)]
    pub is_held: bool,
    /// What the session is to be told of; at most 8 threads, urgent ones first.
    pub told: Vec<ToldThread>,
}

/// A session of an agent as it was last heard of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// The runtime's session; absent = what the agent says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The runtime, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Whose it is.
    pub place: Place,
    /// Whether somebody has it open.
    pub is_open: bool,
    /// Whether wakes wait for the person at it now.
    pub is_held: bool,
    /// What it was last seen doing.
    pub activity: Activity,
    /// How long ago its last sign of life was.
    pub silent_ms: u64,
    /// How long ago a person last sent a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_ago_ms: Option<u64>,
}
