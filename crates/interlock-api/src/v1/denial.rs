//! Denials on the wire: what callers were not allowed, for whoever may audit. Ids and enums, no free text.

use interlock_core::actor::{AgentName, Role};
use interlock_core::id::{DenialId, SessionId, WorkspaceId};
use interlock_core::time::Timestamp;
use interlock_core::{Code, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A denial as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DenialView {
    /// Its id.
    pub denial_id: DenialId,
    /// The request's id, as the caller was told. One that a caller chose may come again.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// The workspace of the token.
    pub workspace_id: WorkspaceId,
    /// Who asked.
    pub actor: AgentName,
    /// In which access role.
    pub role: Role,
    /// The session of the runtime, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The operation that was asked for; `mcp` for a request that the MCP endpoint did not let in.
    pub operation: String,
    /// What the caller was told to branch on. NOT_FOUND where it may not know that there is something.
    pub code: Code,
    /// What the caller was told to look up.
    pub reason: Reason,
    /// The id of what it was asked of, where the request named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The trace that the request is part of: the second field of its W3C `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// Parameters of `list_denials`. Every one that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListDenialsParams {
    /// Only of this caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<AgentName>,
    /// Only of this operation, or `mcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What a former page gave as `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first denial, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `list_denials`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListDenialsResponse {
    /// Newest first.
    pub denials: Vec<DenialView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Parameters of `get_denial`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetDenialParams {
    /// The request's id, as the caller was told in the problem details and the header `X-Request-Id`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,64}$"))]
    pub request_id: String,
    /// How long to wait for it, at most 50,000 ms: another server of the database writes its own a little later.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}
