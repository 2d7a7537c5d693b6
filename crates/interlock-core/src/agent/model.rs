//! What an agent is: a name with a role and, when Interlock runs it, a runtime.

use crate::actor::{AgentName, Role, closed_set};
use crate::id::AgentId;
use crate::text::{Digest, Salt};
use crate::time::Timestamp;

closed_set! {
    /// How an agent is run.
    Runtime {
        /// Not by us: a person, or a program that polls its inbox.
        Unmanaged = "unmanaged",
        /// A command line, one process per wake (docs/command-agents.md).
        Command = "command",
    }
}

/// One variable of an agent's environment: `NAME` is taken from the supervisor's, `NAME=VALUE` is set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchVariable {
    /// The variable's name.
    pub name: String,
    /// Its value; absent = the supervisor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How to start a command agent.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The command line's words; no shell is started.
    pub command: Vec<String>,
    /// The working directory, absolute; absent = the supervisor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The repository the agent works in, given to it as `INTERLOCK_REPO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Variables beyond the fixed ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<LaunchVariable>,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Agent {
    /// Its id.
    pub agent_id: AgentId,
    /// Its name.
    pub name: AgentName,
    /// Its access role.
    pub role: Role,
    /// How it is run.
    pub runtime: Runtime,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The salted digest of its launch description.
    pub launch_digest: Digest,
    /// How to start it: free text, beside the log.
    #[serde(skip)]
    pub launch: Launch,
    /// The launch description's salt.
    #[serde(skip)]
    pub launch_salt: Salt,
}

impl Agent {
    /// Whether a supervisor can wake it.
    pub const fn is_managed(&self) -> bool {
        matches!(self.runtime, Runtime::Command)
    }
}
