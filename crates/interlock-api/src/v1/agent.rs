//! Agents on the wire.

use interlock_core::Reason;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{AgentState, Label, Launch, Runtime, Sandbox};
use interlock_core::id::{AgentId, SessionId, ThreadId, WakeId};
use interlock_core::time::Timestamp;
use interlock_core::wake::{Capability, Door, Evidence, Repeat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `register_agent`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegisterAgentParams {
    /// The name: unique in the workspace, never reused.
    pub name: AgentName,
    /// The access role its tokens carry; `participant` unless said otherwise.
    #[serde(default = "participant")]
    pub role: Role,
    /// How it is run; `unmanaged` unless said otherwise.
    #[serde(default = "unmanaged")]
    pub runtime: Runtime,
    /// How to start it, for runtime `command`.
    #[serde(default)]
    pub launch: Launch,
    /// Only a supervisor with this label runs it; absent = any that has what it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
}

const fn participant() -> Role {
    Role::Participant
}

const fn unmanaged() -> Runtime {
    Runtime::Unmanaged
}

/// What an agent's models used within a day: what `agent_tokens_per_day_max` of the policy is held against.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct SpentView {
    /// Tokens read and written.
    pub tokens: u64,
    /// When the day is over; what is used after that begins the next.
    pub until: Timestamp,
    /// Tokens at which its wakes wait for the end of the day; absent = any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_max: Option<i64>,
}

/// An agent as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AgentView {
    /// Its id.
    pub agent_id: AgentId,
    /// Its name.
    pub name: AgentName,
    /// Its access role.
    pub role: Role,
    /// How it is run.
    pub runtime: Runtime,
    /// The command line's words; empty for unmanaged agents, and for callers who may not manage agents.
    pub command: Vec<String>,
    /// Its working directory, where one was configured; only for callers who may manage agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The repository it works in; like the fields below, only for callers who may manage agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// For `codex` and `claude`: what it may do; absent = `workspace-write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// For `codex` and `claude`: the model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// For `claude`: tool rules allowed without asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    /// For `codex` and `claude`: further folders that may be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
    /// What its models used within a day, as far as the runtime tells; absent = nothing so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentView>,
    /// Until when its wakes wait for its quota at the model's service; may be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_until: Option<Timestamp>,
    /// The label that its supervisor must have; absent = any runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
    /// For `codex`: its sessions are kept in a server of Codex that its supervisor runs, and that people can attach to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// For `codex` and `claude`: their own folder, where it was given to the agent by CODEX_HOME or CLAUDE_CONFIG_DIR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// The doors into its runtime, in the order in which they are tried; none into an unmanaged agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<DoorView>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// What it does now; only in `list_agents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<StandingView>,
}

/// What an agent does now, computed when somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandingView {
    /// What it does.
    pub state: AgentState,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when at the earliest, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whose doing it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AgentName>,
    /// The wake that says so; only for callers who see the wakes of all agents, and for the agent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// The thread that it is about; for the same callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// Of an agent whose sessions are kept in a server: the one that it goes on in there, for the same callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
}

/// A door into a runtime, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorView {
    /// Which.
    pub door: Door,
    /// What it can prove acceptance with.
    pub evidence: Vec<Evidence>,
    /// Whether it finds out that somebody else is in the session.
    pub sees_human: bool,
    /// What keeps an attempt whose outcome nobody saw from having its work done twice.
    pub repeat: Repeat,
    /// Whether what it starts dies with its supervisor.
    pub dies_with_supervisor: bool,
}

impl From<&Capability> for DoorView {
    fn from(of: &Capability) -> Self {
        Self {
            door: of.door,
            evidence: of.evidence.to_vec(),
            sees_human: of.sees_human,
            repeat: of.repeat,
            dies_with_supervisor: of.dies_with_supervisor,
        }
    }
}

/// Parameters of `list_agents`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListAgentsParams {
    /// Names after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first agent, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// Answer of `list_agents`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListAgentsResponse {
    /// By name.
    pub agents: Vec<AgentView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
