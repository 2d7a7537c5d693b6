//! What an agent is: a name with a role and, when Interlock runs it, a runtime.

use super::Label;
use crate::actor::{AgentName, Role, closed_set};
use crate::guard::{Quota, Spent};
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
        /// Codex CLI, one turn per wake, its session resumed (docs/runtimes.md).
        Codex = "codex",
        /// Claude Code, one turn per wake, its session resumed (docs/runtimes.md).
        Claude = "claude",
    }
}

impl Runtime {
    /// Whether it is a coding agent's own command line program: Interlock adds the arguments.
    pub const fn is_cli(self) -> bool {
        matches!(self, Self::Codex | Self::Claude)
    }

    /// The variable that says where its person's configuration and sessions are.
    pub const fn home_variable(self) -> Option<&'static str> {
        match self {
            Self::Codex => Some("CODEX_HOME"),
            Self::Claude => Some("CLAUDE_CONFIG_DIR"),
            Self::Command | Self::Unmanaged => None,
        }
    }
}

closed_set! {
    /// What a coding agent's command line program may do on the machine.
    Sandbox {
        /// Read, and run what changes nothing.
        ReadOnly = "read-only",
        /// Change what is below the working directory and the folders named as writable.
        WorkspaceWrite = "workspace-write",
        /// Anything; only when it is asked for by this name.
        DangerFullAccess = "danger-full-access",
    }
}

/// One variable of an agent's environment: `NAME` is taken from the supervisor's, `NAME=VALUE` is set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct LaunchVariable {
    /// The variable's name.
    pub name: String,
    /// Its value; absent = the supervisor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How to start an agent.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Launch {
    /// The command line's words; no shell is started. For `codex` and `claude` the program and first arguments, or
    /// nothing: then the program is looked for on the supervisor's PATH.
    #[serde(default)]
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
    /// For `codex` and `claude`: what it may do; absent = `workspace-write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// For `codex` and `claude`: the model; absent = what the user's own configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// For `claude`: tool rules allowed without asking, in its own syntax (`Bash(cargo test:*)`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    /// For `codex` and `claude`: further folders that may be written, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<String>,
    /// For `codex`: its sessions are kept in a server of Codex that the supervisor runs for its CODEX_HOME, and that people
    /// can attach to (docs/runtimes.md).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// What this version does not know, kept and handed to the supervisor as it was sent.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Launch {
    /// The value that is set for this variable, where it is not the supervisor's own.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let set = self.environment.iter().find(|variable| variable.name == name);
        set.and_then(|variable| variable.value.as_deref())
    }

    /// Whether something is set that only a coding agent's own program understands.
    pub const fn is_for_cli(&self) -> bool {
        self.sandbox.is_some()
            || self.model.is_some()
            || !self.allowed_tools.is_empty()
            || !self.writable.is_empty()
    }
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
    /// The label that its supervisor must have; absent = any runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The salted digest of its launch description.
    pub launch_digest: Digest,
    /// What its models used of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// That its quota at the model's service is used up, until it has done a turn again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
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
        !matches!(self.runtime, Runtime::Unmanaged)
    }
}
