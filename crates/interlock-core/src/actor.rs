//! Who acts, in which role, and what a role may do. Deny by default: what the table does not list is refused.

use std::borrow::Cow;
use std::fmt;

use crate::id::{SessionId, WakeId, WorkspaceId};
use crate::limits::AGENT_NAME_CHARS_MAX;

/// An agent's name: unique in its workspace, never reused; also the name of a person who takes part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct AgentName(String);

/// Why a text is no agent name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an agent name: 1 to 64 of a-z 0-9 `_` `-` `.`, beginning with a letter or digit")]
pub struct AgentNameError(String);

impl AgentName {
    /// The name with this text.
    pub fn parse(text: &str) -> Result<Self, AgentNameError> {
        let wrong = || AgentNameError(text.chars().take(80).collect());
        let first = text.chars().next().ok_or_else(wrong)?;
        let fits = text.len() <= AGENT_NAME_CHARS_MAX
            && (first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for AgentName {
    type Err = AgentNameError;
    fn from_str(text: &str) -> Result<Self, AgentNameError> {
        Self::parse(text)
    }
}

impl<'de> serde::Deserialize<'de> for AgentName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for AgentName {
    fn schema_name() -> Cow<'static, str> {
        "AgentName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$"})
    }
}

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value with this text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// Access role: what a token may do at all. Workflow roles are another axis (docs/roles.md).
    Role {
        /// Reads and writes in its own threads.
        Participant = "participant",
        /// Opens threads, sees and manages all of them.
        Coordinator = "coordinator",
        /// Reads everything, changes nothing.
        Auditor = "auditor",
        /// Runs the instance: agents, threads, halting.
        Operator = "operator",
        /// Wakes agents on behalf of the server.
        Supervisor = "supervisor",
        /// Everything but being a supervisor.
        Admin = "admin",
    }
}

closed_set! {
    /// What an operation needs.
    Permission {
        /// Open a thread.
        ThreadCreate = "thread:create",
        /// Read threads, messages, inbox.
        ThreadRead = "thread:read",
        /// Change a thread's status; who may is decided by the thread's own roles.
        ThreadStatus = "thread:status",
        /// Block and close threads from outside.
        ThreadOperate = "thread:operate",
        /// Add and remove participants; who may is decided by the thread's own roles.
        ThreadMembers = "thread:members",
        /// Post messages and acknowledge them.
        MessageWrite = "message:write",
        /// Register and change agents.
        AgentManage = "agent:manage",
        /// List agents.
        AgentRead = "agent:read",
        /// Read wakes.
        WakeRead = "wake:read",
        /// Ask for wakes again and end them; who may is decided by the thread's own roles.
        WakeManage = "wake:manage",
        /// Claim, renew and report wakes.
        WakeRun = "wake:run",
        /// Read jobs.
        JobRead = "job:read",
        /// Let dead jobs try again.
        JobManage = "job:manage",
        /// Read and export the ledger.
        LedgerRead = "ledger:read",
        /// See the whole workspace at one look.
        WorkspaceRead = "workspace:read",
        /// Stop all agents.
        WorkspaceHalt = "workspace:halt",
        /// Take snapshots.
        SnapshotTake = "snapshot:take",
        /// Make, change, test and delete webhooks.
        WebhookManage = "webhook:manage",
        /// Say what happens in an agent's session.
        SessionObserve = "session:observe",
        /// List webhooks.
        WebhookRead = "webhook:read",
    }
}

impl Role {
    /// Whether this role has that permission: the one table that says so.
    pub const fn may(self, permission: Permission) -> bool {
        use Permission as P;
        match self {
            Self::Admin | Self::Operator => !matches!(permission, P::WakeRun),
            Self::Coordinator => matches!(
                permission,
                P::ThreadCreate
                    | P::ThreadRead
                    | P::ThreadStatus
                    | P::ThreadMembers
                    | P::MessageWrite
                    | P::AgentRead
                    | P::WakeRead
                    | P::WakeManage
                    | P::WorkspaceRead
                    | P::SnapshotTake
                    | P::SessionObserve
            ),
            Self::Participant => matches!(
                permission,
                P::ThreadRead
                    | P::ThreadStatus
                    | P::ThreadMembers
                    | P::MessageWrite
                    | P::AgentRead
                    | P::WakeRead
                    | P::WakeManage
                    | P::SessionObserve
            ),
            Self::Auditor => matches!(
                permission,
                P::ThreadRead
                    | P::AgentRead
                    | P::WakeRead
                    | P::JobRead
                    | P::LedgerRead
                    | P::WorkspaceRead
                    | P::WebhookRead
            ),
            Self::Supervisor => {
                matches!(permission, P::WakeRun | P::WakeRead | P::AgentRead | P::SessionObserve)
            }
        }
    }

    /// Whether this role sees and manages threads that it takes no part in.
    pub const fn sees_all_threads(self) -> bool {
        matches!(self, Self::Admin | Self::Operator | Self::Auditor | Self::Coordinator)
    }
}

/// An operation as far as authorization is concerned: ties a permit to what it permits.
pub trait Guarded: Send + Sync + 'static {
    /// The operation's id.
    const OPERATION: &'static str;
    /// What the caller's role must have.
    const PERMISSION: Permission;
}

/// Who acts: taken from a verified token, never from a request's body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// The agent or person.
    pub name: AgentName,
    /// The access role.
    pub role: Role,
    /// The workspace acted in.
    pub workspace_id: WorkspaceId,
    /// The session of the runtime, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The wake whose process this is, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// The fence of the claim that it was started on; absent in tokens from before claims were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<u64>,
}
