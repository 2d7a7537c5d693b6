//! Sessions on the wire: who says that it is there.

use interlock_core::actor::AgentName;
use interlock_core::id::SessionId;
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
