//! The error taxonomy: a closed set of codes to branch on, an open set of reasons to look up
//! (docs/errors/README.md).

use std::fmt;

/// The closed set that callers branch on. Each has one HTTP status and one exit code.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The request itself is wrong; sending it again will not help.
    InvalidArgument,
    /// No token, or none that holds.
    Unauthorized,
    /// The token holds, but not for this.
    Forbidden,
    /// The request names a workspace that is not the token's.
    WorkspaceMismatch,
    /// It is not there, or not for you to know.
    NotFound,
    /// The state of things does not allow it.
    Conflict,
    /// The thread cannot go from its status to that one.
    InvalidThreadTransition,
    /// The idempotency key was used for something else.
    IdempotencyConflict,
    /// A precondition of the request did not hold.
    PreconditionFailed,
    /// The request is too big.
    PayloadTooLarge,
    /// The method, media type or header is not supported.
    Unsupported,
    /// Too many requests.
    RateLimited,
    /// Not now; try again.
    Unavailable,
    /// Stored data is broken.
    DataLoss,
    /// A defect of ours.
    Internal,
}

impl Code {
    /// Every code, in the order of docs/errors/README.md.
    pub const ALL: [Self; 15] = [
        Self::InvalidArgument,
        Self::Unauthorized,
        Self::Forbidden,
        Self::WorkspaceMismatch,
        Self::NotFound,
        Self::Conflict,
        Self::InvalidThreadTransition,
        Self::IdempotencyConflict,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::Unsupported,
        Self::RateLimited,
        Self::Unavailable,
        Self::DataLoss,
        Self::Internal,
    ];

    /// The text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::WorkspaceMismatch => "WORKSPACE_MISMATCH",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::InvalidThreadTransition => "INVALID_THREAD_TRANSITION",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::Unsupported => "UNSUPPORTED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Internal => "INTERNAL",
        }
    }

    /// The HTTP status that goes with it unless the reason says another of its family (405, 415, 428, 431).
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::WorkspaceMismatch => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::InvalidThreadTransition | Self::IdempotencyConflict => 409,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge => 413,
            Self::Unsupported => 415,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::DataLoss | Self::Internal => 500,
        }
    }

    /// The exit code of a command that ends with it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::NotFound
            | Self::Conflict
            | Self::InvalidThreadTransition
            | Self::IdempotencyConflict
            | Self::PreconditionFailed => 1,
            Self::InvalidArgument | Self::PayloadTooLarge | Self::Unsupported => 2,
            Self::Unauthorized | Self::Forbidden | Self::WorkspaceMismatch => 3,
            Self::RateLimited | Self::Unavailable => 4,
            Self::DataLoss => 5,
            Self::Internal => 70,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($name:ident => $text:literal, $code:ident, $title:literal;)*) => {
        /// The open set of reasons: never renamed, never reused; each has its page `docs/errors/<REASON>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum Reason {
            $(#[doc = $title] #[serde(rename = $text)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code it belongs to.
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }

            /// One short sentence, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

reasons! {
    BodyMalformed => "BODY_MALFORMED", InvalidArgument, "the request body is not what this operation takes";
    ParameterInvalid => "PARAMETER_INVALID", InvalidArgument, "a parameter is not valid";
    UsageInvalid => "USAGE_INVALID", InvalidArgument, "the command line is not valid";
    LimitExceeded => "LIMIT_EXCEEDED", InvalidArgument, "a value is over its limit";
    SchemaVersionUnsupported => "SCHEMA_VERSION_UNSUPPORTED", InvalidArgument, "this schema_version is not supported";
    EventTypeReserved => "EVENT_TYPE_RESERVED", InvalidArgument, "this event type is for Interlock alone";
    EventDataInvalid => "EVENT_DATA_INVALID", InvalidArgument, "the event's data lacks what its type needs";
    ConfigInvalid => "CONFIG_INVALID", InvalidArgument, "the configuration is not valid";
    NotARepository => "NOT_A_REPOSITORY", InvalidArgument, "the path is no git repository that can be worked in";
    RepositoryEmpty => "REPOSITORY_EMPTY", InvalidArgument, "the repository has no commit";
    InstanceInvalid => "INSTANCE_INVALID", InvalidArgument, "the folder is no Interlock instance, or none can be made there";
    PathUnwritable => "PATH_UNWRITABLE", InvalidArgument, "the path cannot be written";
    CheckNotRunnable => "CHECK_NOT_RUNNABLE", InvalidArgument, "a check command cannot be run";
    DatabaseForeign => "DATABASE_FOREIGN", InvalidArgument, "the file is no Interlock database";
    KeysDiffer => "KEYS_DIFFER", Conflict, "the ledger is signed with another key";
    SchemaTooNew => "SCHEMA_TOO_NEW", InvalidArgument, "the database was written by a newer Interlock";
    TokenMissing => "TOKEN_MISSING", Unauthorized, "no bearer token was sent";
    TokenInvalid => "TOKEN_INVALID", Unauthorized, "the bearer token does not hold";
    TokenExpired => "TOKEN_EXPIRED", Unauthorized, "the bearer token has expired";
    TokenRevoked => "TOKEN_REVOKED", Unauthorized, "tokens of this name are no longer taken";
    RoleMissing => "ROLE_MISSING", Forbidden, "the token's role may not do this";
    PersonRequired => "PERSON_REQUIRED", Forbidden, "a guard or a person blocked the thread: an agent cannot let it go on";
    OwnTokenRequired => "OWN_TOKEN_REQUIRED", Forbidden, "an agent in a wake acts with the token of its wake only";
    NotCoordinator => "NOT_COORDINATOR", Forbidden, "only a coordinator of the thread may do this";
    WorkspaceUnknown => "WORKSPACE_UNKNOWN", Forbidden, "the token's workspace is not served here";
    CrossOrigin => "CROSS_ORIGIN", Forbidden, "the request's Host or Origin is not this server";
    WorkspaceDiffers => "WORKSPACE_DIFFERS", WorkspaceMismatch, "the request names another workspace than its token";
    ThreadNotFound => "THREAD_NOT_FOUND", NotFound, "there is no such thread for you";
    DenialNotFound => "DENIAL_NOT_FOUND", NotFound, "no denial of this request is remembered";
    AgentNotFound => "AGENT_NOT_FOUND", NotFound, "there is no such agent";
    WakeNotFound => "WAKE_NOT_FOUND", NotFound, "there is no such wake for you";
    MessageNotFound => "MESSAGE_NOT_FOUND", NotFound, "there is no such message in the thread";
    RouteNotFound => "ROUTE_NOT_FOUND", NotFound, "there is no such route";
    LogNotFound => "LOG_NOT_FOUND", NotFound, "the wake has no log here";
    LedgerEmpty => "LEDGER_EMPTY", NotFound, "the ledger has no entry yet";
    AgentExists => "AGENT_EXISTS", Conflict, "an agent of this name exists already";
    ParticipantMissing => "PARTICIPANT_MISSING", Conflict, "an addressee is no participant of the thread";
    ParticipantExists => "PARTICIPANT_EXISTS", Conflict, "the agent takes part in the thread already, with another role";
    LastCoordinator => "LAST_COORDINATOR", Conflict, "the thread would have no coordinator left";
    MessageExpired => "MESSAGE_EXPIRED", Conflict, "the message's time is over";
    MessageWithdrawn => "MESSAGE_WITHDRAWN", Conflict, "the message was taken back";
    ThreadWrongStatus => "THREAD_WRONG_STATUS", Conflict, "the thread's status does not allow it";
    FindingUnknown => "FINDING_UNKNOWN", Conflict, "the finding was not reported in this thread";
    CursorAhead => "CURSOR_AHEAD", Conflict, "the acknowledged position is beyond the thread's last message";
    RuntimeUnmanaged => "RUNTIME_UNMANAGED", Conflict, "the participant is not run by a supervisor";
    LeaseLost => "LEASE_LOST", Conflict, "another claim of the wake has replaced this one";
    WakeWrongState => "WAKE_WRONG_STATE", Conflict, "the wake is not in the state for this report";
    ServerRunning => "SERVER_RUNNING", Conflict, "another server holds this instance";
    ServerNotRunning => "SERVER_NOT_RUNNING", Conflict, "no server runs on this instance";
    SupervisorRunning => "SUPERVISOR_RUNNING", Conflict, "another supervisor holds this state folder";
    NothingToMove => "NOTHING_TO_MOVE", Conflict, "there is nothing of this instance to move";
    TargetNotEmpty => "TARGET_NOT_EMPTY", Conflict, "the place to move to holds something else of this instance";
    InstanceExists => "INSTANCE_EXISTS", Conflict, "there is an instance here already";
    TransitionInvalid => "TRANSITION_INVALID", InvalidThreadTransition, "the thread cannot change to that status";
    KeyReused => "KEY_REUSED", IdempotencyConflict, "the idempotency key was used for another request";
    KeyMissing => "KEY_MISSING", PreconditionFailed, "a mutation needs an Idempotency-Key";
    BodyTooLarge => "BODY_TOO_LARGE", PayloadTooLarge, "the request body is too large";
    MethodUnsupported => "METHOD_UNSUPPORTED", Unsupported, "the route does not take this method";
    MediaTypeUnsupported => "MEDIA_TYPE_UNSUPPORTED", Unsupported, "the body must be application/json";
    HeadersTooLarge => "HEADERS_TOO_LARGE", Unsupported, "the request's headers are too large";
    RequestsTooFrequent => "REQUESTS_TOO_FREQUENT", RateLimited, "the caller makes too many requests";
    ServerBusy => "SERVER_BUSY", RateLimited, "too many requests are waiting";
    SubscribersTooMany => "SUBSCRIBERS_TOO_MANY", RateLimited, "too many subscribers follow the events already";
    StoreUnavailable => "STORE_UNAVAILABLE", Unavailable, "the store cannot be written or read now";
    ServerUnreachable => "SERVER_UNREACHABLE", Unavailable, "the server cannot be reached";
    ServerStopping => "SERVER_STOPPING", Unavailable, "the server is stopping";
    AddressOccupied => "ADDRESS_OCCUPIED", Unavailable, "the address is in use";
    DatabaseBroken => "DATABASE_BROKEN", DataLoss, "the database file is broken";
    StateCorrupt => "STATE_CORRUPT", DataLoss, "stored rows contradict each other; the workspace is frozen";
    LedgerInvalid => "LEDGER_INVALID", DataLoss, "the exported ledger does not verify";
    Defect => "INTERNAL", Internal, "a defect of the server; its log has the request id";
    Paused => "PAUSED", Conflict, "the thread was paused by a person";
    NoProgress => "NO_PROGRESS", Conflict, "too many turns without progress";
    IdenticalFindings => "IDENTICAL_FINDINGS", Conflict, "the same finding came back too often";
    WakeFailed => "WAKE_FAILED", Conflict, "an agent could not be woken";
    FindingUnresolved => "FINDING_UNRESOLVED", Conflict, "an agent could not mend a finding";
    OpenFindings => "OPEN_FINDINGS", Conflict, "the review ended with open findings";
    LeashReached => "LEASH_REACHED", Conflict, "the run reached its limit of turns or minutes";
    ByRequest => "BY_REQUEST", Conflict, "a participant asked for it";
    NotConverged => "NOT_CONVERGED", Conflict, "the agents ended without resolving the thread";
    ChaosStepFailed => "CHAOS_STEP_FAILED", Conflict, "a step of a chaos run did not show what it should";
    ConsentMissing => "CONSENT_MISSING", Conflict, "nobody agreed that a coding agent's program is started";
    Interrupted => "INTERRUPTED", Conflict, "the run was interrupted";
    NotAccepted => "NOT_ACCEPTED", Conflict, "the agent's process did not accept the wake in time";
    NotAcked => "NOT_ACKED", Conflict, "the agent's process ended well but never acknowledged its messages";
    ExitedWithError => "EXITED_WITH_ERROR", Conflict, "the agent's process ended with an error";
    KilledBySignal => "KILLED_BY_SIGNAL", Conflict, "the agent's process was killed by a signal";
    TryAgain => "TRY_AGAIN", Conflict, "the agent's process asked to be tried again";
    RunTimeExceeded => "RUN_TIME_EXCEEDED", Conflict, "the agent's process ran longer than it may";
    SpawnFailed => "SPAWN_FAILED", Conflict, "the agent's command could not be started";
    CannotRunHere => "CANNOT_RUN_HERE", Conflict, "the supervisor lacks what the agent needs";
    NotStarted => "NOT_STARTED", Conflict, "a former process of the agent does not end";
    HeldBack => "HELD_BACK", Conflict, "the thread was no longer active when the agent was to be started";
    SessionGone => "SESSION_GONE", Conflict, "the runtime knows no such session any more";
    SessionBusy => "SESSION_BUSY", Conflict, "another process has the agent's session open";
    HumanActive => "HUMAN_ACTIVE", Conflict, "a person is at work in the agent's session";
    ToldInTurn => "TOLD_IN_TURN", Conflict, "the agent's turn that ran was told of what cannot wait";
    ToldByHook => "TOLD_BY_HOOK", Conflict, "the agent's open session was told what waits";
    SessionStale => "SESSION_STALE", Conflict, "the agent's session showed no sign of life for too long";
    ResumeFailed => "RESUME_FAILED", Conflict, "the agent's session could not be resumed";
    CrashLoop => "CRASH_LOOP", Conflict, "the agent failed too often in its session within a short time";
    DoorUnavailable => "DOOR_UNAVAILABLE", Conflict, "there is no such way into the agent's runtime here now";
    FallbackLimit => "FALLBACK_LIMIT", Conflict, "too many agents run in sessions begun in the place of others";
    WakeInDoubt => "WAKE_IN_DOUBT", Conflict, "nobody saw how the wake's attempt ended, and it may go on";
    SessionDiffers => "SESSION_DIFFERS", Conflict, "the runtime went on in another session than it was told";
    ModelUnauthorized => "MODEL_UNAUTHORIZED", Conflict, "the model's service refused the agent's credentials";
    ModelRateLimited => "MODEL_RATE_LIMITED", Conflict, "the model's service asked the agent to wait";
    ModelUnavailable => "MODEL_UNAVAILABLE", Conflict, "the model's service failed or broke off";
    ToolsUnavailable => "TOOLS_UNAVAILABLE", Conflict, "the agent's runtime could not reach Interlock's tools";
    TurnIncomplete => "TURN_INCOMPLETE", Conflict, "the agent's runtime ended without finishing its turn";
    WakeRateLimited => "WAKE_RATE_LIMITED", Conflict, "the agent was woken too often in the thread within a minute";
    AutoWakeBudget => "AUTO_WAKE_BUDGET", Conflict, "agents woke the agent too often without progress or a person's word";
    WakeBacklog => "WAKE_BACKLOG", Conflict, "too many wakes that agents caused wait already";
    CausalLoop => "CAUSAL_LOOP", Conflict, "agents woke each other too long without progress";
    RepeatedMessages => "REPEATED_MESSAGES", Conflict, "an agent said the same too often without progress";
    BudgetSpent => "BUDGET_SPENT", Conflict, "the budget of tokens or cost is spent";
    ModelQuota => "MODEL_QUOTA", Conflict, "the agent's quota at the model's service is used up for now";
    LeaseExpired => "LEASE_EXPIRED", Conflict, "the supervisor of the wake went silent";
    JobNotFound => "JOB_NOT_FOUND", NotFound, "there is no such job";
    JobNotDead => "JOB_NOT_DEAD", Conflict, "only a dead job is requeued";
    JobExists => "JOB_EXISTS", Conflict, "a job that does the same is not over yet";
    JobLost => "JOB_LOST", Conflict, "the worker does not hold the job any more";
    JobFailed => "JOB_FAILED", Conflict, "the job failed too often";
    JobAbandoned => "JOB_ABANDONED", Conflict, "the job's worker went silent in its last attempt";
    WebhookNotFound => "WEBHOOK_NOT_FOUND", NotFound, "there is no such webhook";
    WebhookUrlRefused => "WEBHOOK_URL_REFUSED", InvalidArgument, "events are not sent to that address";
    WebhookGone => "WEBHOOK_GONE", Conflict, "the webhook's receiver says that it is gone";
    Halted => "HALTED", Conflict, "all agents were stopped by a person";
    ThreadEnded => "THREAD_ENDED", Conflict, "the thread was resolved or closed";
    ParticipantRemoved => "PARTICIPANT_REMOVED", Conflict, "the agent takes no part in the thread any more";
    OverrideRequired => "OVERRIDE_REQUIRED", InvalidArgument, "the reason must say that it overrides";
    StatusDiffers => "STATUS_DIFFERS", PreconditionFailed, "the thread has another status than was expected";
    HumanOverride => "HUMAN_OVERRIDE", Conflict, "an operator overrode what is open in the thread";
    CoordinatorOverride => "COORDINATOR_OVERRIDE", Conflict, "a coordinator overrode what blocked the thread";
    WakeCancelled => "WAKE_CANCELLED", Conflict, "a person ended the wake";
    NotBlocked => "NOT_BLOCKED", Conflict, "only a blocked thread has somebody who must act";
    AlreadySeen => "ALREADY_SEEN", Conflict, "the agent had read the messages before it was woken";
}

impl Reason {
    /// The reason with this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// The HTTP status: the code's, but for the members of a family that have their own.
    pub const fn status(self) -> u16 {
        match self {
            Self::MethodUnsupported => 405,
            Self::HeadersTooLarge => 431,
            Self::KeyMissing => 428,
            _ => self.code().status(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule said no: what to branch on, what to look up, a sentence to read and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What to look up.
    pub reason: Reason,
    /// A sentence for people: lower case, no full stop, the caller's input in backticks.
    pub detail: String,
    /// What to do about it, as an imperative.
    pub hint: Option<String>,
    /// When the same request may succeed, where that is known.
    pub retry_after_ms: Option<u64>,
    /// The id of what is there but not for the caller, who is told that it is not there. Never on the wire.
    pub hidden: Option<String>,
}

impl Refusal {
    /// A refusal with this reason and sentence.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), hint: None, retry_after_ms: None, hidden: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the time after which it may succeed.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The same for something that is there and not for the caller: it reads as if it was not there, and is a denial.
    #[must_use]
    pub fn hiding(mut self, id: impl fmt::Display) -> Self {
        self.hidden = Some(id.to_string());
        self
    }

    /// The code to branch on.
    pub const fn code(&self) -> Code {
        self.reason.code()
    }

    /// Whether it says that the caller may not, rather than that it cannot be done.
    pub const fn is_denial(&self) -> bool {
        self.hidden.is_some() || matches!(self.code(), Code::Forbidden | Code::WorkspaceMismatch)
    }
}
