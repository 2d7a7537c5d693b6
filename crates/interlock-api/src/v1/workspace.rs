//! The workspace as a whole on the wire.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::agent::{Label, Runtime};
use interlock_core::id::{ThreadId, WakeId, WorkspaceId};
use interlock_core::time::Timestamp;
use interlock_core::wake::Lack;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::session::{PresenceView, SessionView};
use super::thread::ThreadView;
use super::wake::WakeView;

/// Parameters of `get_status`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetStatusParams {
    /// Wait while the ledger has so many entries; absent = while nothing is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u64::MAX))]
    pub while_size: Option<u64>,
    /// How long to wait for the change, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Nothing to do.
    Dormant,
    /// A wake waits for it.
    Waiting,
    /// Its process runs.
    Active,
    /// Not run by us.
    Unmanaged,
}

/// One agent at one look.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AgentActivity {
    /// Who.
    pub name: AgentName,
    /// How it is run.
    pub runtime: Runtime,
    /// What it is doing.
    pub activity: Activity,
    /// The wake it runs or waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// That wake's thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// What it last said of itself by a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceView>,
    /// Its sessions, as they were last heard of; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<SessionView>,
}

/// Something that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Attention {
    /// The thread.
    pub thread_id: ThreadId,
    /// Its title.
    pub title: String,
    /// Why it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who must act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgentName>,
    /// Since when.
    pub since: Timestamp,
}

/// A supervisor as the server last heard of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SupervisorView {
    /// Its name.
    pub name: String,
    /// How long ago it last called.
    pub silent_ms: u64,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
    /// Agents that it cannot run, with what is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cannot_run: BTreeMap<AgentName, Lack>,
}

/// Answer of `get_status`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Threads by status.
    pub thread_counts: BTreeMap<String, u64>,
    /// Wakes by state; finished ones by result.
    pub wake_counts: BTreeMap<String, u64>,
    /// Jobs that wait, are worked on or are dead, by state.
    #[serde(default)]
    pub job_counts: BTreeMap<String, u64>,
    /// What waits for a person, longest first; at most 50.
    pub attention: Vec<Attention>,
    /// The agents; at most 200.
    pub agents: Vec<AgentActivity>,
    /// The threads that changed last; at most 20.
    pub threads: Vec<ThreadView>,
    /// Wakes that wait or run; at most 50.
    pub wakes: Vec<WakeView>,
    /// Supervisors heard of since the server started.
    pub supervisors: Vec<SupervisorView>,
    /// Whether all agents are stopped.
    pub is_halted: bool,
    /// Ledger entries.
    pub ledger_size: u64,
}

/// Parameters of `halt_agents`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct HaltAgentsParams {}

/// Answer of `halt_agents`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HaltAgentsResponse {
    /// Wakes that were running, those included whose processes it ended before it was recorded.
    pub running: u32,
    /// Since when agents are stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Whether they were stopped before this call.
    #[serde(default)]
    pub was_halted: bool,
}

/// Parameters of `resume_agents`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ResumeAgentsParams {
    /// Only when agents are stopped since then: another halt than the one that is meant stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Answer of `resume_agents`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResumeAgentsResponse {
    /// Whether this call let agents go on.
    pub resumed: bool,
    /// Whether agents are stopped now.
    pub is_halted: bool,
}
