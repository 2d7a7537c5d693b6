//! What a wake is: one agent to be woken for one thread, with its ladder of proof.

use super::{Door, DoorChange, Forgotten, Lack};
use crate::actor::{AgentName, closed_set};
use crate::agent::Label;
use crate::id::{ThreadId, WakeId};
use crate::reason::Reason;
use crate::time::Timestamp;

closed_set! {
    /// Where a wake stands.
    WakeState {
        /// Waits for its due time and a free agent.
        Pending = "pending",
        /// A process was started for it.
        Running = "running",
        /// Over; see its result.
        Finished = "finished",
    }
}

closed_set! {
    /// How a wake ended.
    WakeResult {
        /// The agent ran and acknowledged.
        Triggered = "triggered",
        /// The agent had read the messages by itself.
        AlreadyActive = "already_active",
        /// The agent could not be woken.
        Failed = "failed",
        /// The thread ended first, an earlier wake of the agent covers its messages, or they were taken back.
        Superseded = "superseded",
        /// The time of the messages that asked for it was over first.
        Expired = "expired",
        /// The agent ran and acknowledged, in a fresh session because its own could not be used.
        FallbackSpawned = "fallback_spawned",
        /// A person ended it.
        Cancelled = "cancelled",
        /// The agent ran and acknowledged, in its session, which a live server of its runtime had not taken it to.
        FallbackResumed = "fallback_resumed",
        /// Nobody saw how its attempt ended, and it may go on: it is not begun again, a person has to look.
        Unknown = "unknown",
    }
}

closed_set! {
    /// What brought a wake to its supervisor.
    Lane {
        /// The commit that made it due.
        Trigger = "trigger",
        /// The polling net, or a retry's due time.
        Poll = "poll",
    }
}

closed_set! {
    /// What proves that the runtime accepted a wake (docs/command-agents.md).
    Evidence {
        /// The first byte of output.
        Output = "output",
        /// A call with the wake's own token.
        Call = "call",
        /// The process ended with exit code 0.
        Exit = "exit",
        /// The runtime's own events: the turn began in the expected session.
        Event = "event",
        /// A hook of the agent's own open session, which was told what waits.
        Hook = "hook",
        /// The agent's turn that ran already, which was told of what cannot wait and took it in.
        Turn = "turn",
    }
}

impl Evidence {
    /// Whether it says that somebody took in a wake for which nothing was started.
    pub(super) const fn is_of_a_waiting_wake(self) -> bool {
        matches!(self, Self::Hook | Self::Turn)
    }
}

closed_set! {
    /// Why the turn of a coding agent's own program failed, as its events and exit tell.
    TurnFault {
        /// The model's service refused the credentials. Trying again does not help.
        ModelUnauthorized = "model_unauthorized",
        /// The model's service asked to wait.
        ModelRateLimited = "model_rate_limited",
        /// The model's service failed, or broke off.
        ModelUnavailable = "model_unavailable",
        /// Interlock's own tools could not be reached from the runtime, or refused its token.
        ToolsUnavailable = "tools_unavailable",
        /// It ended without saying that its turn did.
        TurnIncomplete = "turn_incomplete",
        /// It went on in another session than it was told.
        WrongSession = "wrong_session",
    }
}

impl TurnFault {
    /// The reason a wake is given for it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::ModelUnauthorized => Reason::ModelUnauthorized,
            Self::ModelRateLimited => Reason::ModelRateLimited,
            Self::ModelUnavailable => Reason::ModelUnavailable,
            Self::ToolsUnavailable => Reason::ToolsUnavailable,
            Self::TurnIncomplete => Reason::TurnIncomplete,
            Self::WrongSession => Reason::SessionDiffers,
        }
    }

    /// Whether another attempt may go better.
    pub const fn is_retryable(self) -> bool {
        // What a quota allows is waited for; when that was too often, it is over.
        !matches!(self, Self::ModelUnauthorized | Self::ModelRateLimited)
    }
}

/// What a runtime says its model used for one attempt.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Usage {
    /// Tokens sent to the model, cached ones included.
    pub input_tokens: u64,
    /// Those of them that the model's service had in its cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Tokens the model wrote.
    pub output_tokens: u64,
    /// Millionths of a US dollar, where the runtime tells a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micro_usd: Option<u64>,
}

impl Usage {
    /// Nothing at all.
    pub const NONE: Self =
        Self { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0, cost_micro_usd: None };

    /// Tokens read and written.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Whether it is nothing at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What remains of this when the other was counted already.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        let cost =
            self.cost_micro_usd.map(|cost| cost.saturating_sub(other.cost_micro_usd.unwrap_or_default()));
        Self {
            input_tokens: self.input_tokens.saturating_sub(other.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_sub(other.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_sub(other.output_tokens),
            cost_micro_usd: cost,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let cost = [self.cost_micro_usd, other.cost_micro_usd];
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_add(other.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_micro_usd: cost.into_iter().flatten().reduce(u64::saturating_add),
        }
    }
}

/// The steps of a wake, each with the time it was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ladder {
    /// A process was started (the last attempt's).
    pub dispatched_at: Option<Timestamp>,
    /// An open session of the agent was told by its own hooks; whether it heard, its acknowledgement says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// The runtime accepted.
    pub accepted_at: Option<Timestamp>,
    /// By which evidence.
    pub evidence: Option<Evidence>,
    /// The agent's own acknowledgement passed the wake's `seq`.
    pub seen_at: Option<Timestamp>,
    /// The agent posted in the thread.
    pub acted_at: Option<Timestamp>,
    /// The end.
    pub finished_at: Option<Timestamp>,
}

/// One agent to be woken for one thread.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, stored by its name")]
pub struct Wake {
    /// Its id.
    pub wake_id: WakeId,
    /// Who is woken.
    pub agent: AgentName,
    /// For which thread.
    pub thread_id: ThreadId,
    /// The highest `seq` it is for.
    pub seq: u64,
    /// Who posted the message that asked for it first.
    pub cause: AgentName,
    /// Where it stands.
    pub state: WakeState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// Held back while its thread is blocked.
    pub held: bool,
    /// Attempts started so far, those released not counted.
    pub attempts: u32,
    /// How often it lost its process through no fault of its agent.
    #[serde(default)]
    pub releases: u32,
    /// The fence of the last dispatched attempt.
    #[serde(default)]
    pub fence: u64,
    /// How often it was held back: a claim from before the last time starts nothing.
    #[serde(default)]
    pub holds: u32,
    /// How its last attempt came to the supervisor.
    pub lane: Option<Lane>,
    /// The door that its last attempt went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// The lesser doors that it went on through, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub door_changes: Vec<DoorChange>,
    /// Failed attempts through its present door that its runtime had not accepted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unaccepted: u32,
    /// Failed attempts that its runtime had accepted, through whatever door.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_turns: u32,
    /// The supervisor that started its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<String>,
    /// Since when nobody knows what became of its last attempt, which may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt_since: Option<Timestamp>,
    /// Since when its turn runs, where that was begun before its last attempt, which only found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_since: Option<Timestamp>,
    /// The steps reached.
    pub ladder: Ladder,
    /// How it ended.
    pub result: Option<WakeResult>,
    /// Why its last attempt, or it, failed.
    pub reason: Option<Reason>,
    /// The last process's exit code.
    pub exit_code: Option<i32>,
    /// Since when it waits for its session, which another process or a person has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_since: Option<Timestamp>,
    /// Its session was given up, so that it runs in a fresh one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_fallback: bool,
    /// The messages that asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// Of those that are not among them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Forgotten>,
    /// Asked for without a message: it is never over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_standing: bool,
    /// It goes before those that are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_urgent: bool,
    /// An operator wants it although a person is at work in the agent's session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_override: bool,
    /// What the model used in all its attempts, as far as the runtime tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Its last attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Attempt>,
    /// The wake that was over and is asked for again as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<WakeId>,
    /// Who asked for it again last, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<Intervention>,
    /// Who ended it, and why: no attempt follows, and a process that runs for it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<Intervention>,
    /// What the agent said last in its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Box<LastMessage>>,
    /// The label that its supervisor must have; absent = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
    /// The supervisors that cannot run its agent, since it last ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declined_by: Vec<String>,
    /// When the first of them said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_since: Option<Timestamp>,
    /// When somebody was told that no supervisor takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stranded_at: Option<Timestamp>,
    /// The chain of agents' wakes that led to it; absent = a person, or a program that no supervisor runs, asked too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// When it was due before a guard put it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_before: Option<Timestamp>,
}

/// One start of a process for a wake, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attempt {
    /// Its number; one that did not count has the number of the next.
    pub number: u32,
    /// What brought the wake to the supervisor.
    pub lane: Lane,
    /// Which one.
    pub supervisor: String,
    /// When the process was started.
    pub at: Timestamp,
    /// When it was over; absent = it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it came to nothing; absent = it did not, or has not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The process's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// That a person intervened, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Intervention {
    /// Who.
    pub by: AgentName,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub text: String,
    /// What the ledger's digest of the words is salted with.
    pub salt: [u8; 16],
}

/// What an agent said last in a turn.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LastMessage {
    /// The words.
    pub text: String,
    /// What the ledger's digest of the words is salted with.
    pub salt: [u8; 16],
}

impl Wake {
    /// Whether it is still for whatever its agent is asked next: one that a person has ended is not.
    pub(crate) const fn covers_more(&self) -> bool {
        !matches!(self.state, WakeState::Finished) && self.cancelled.is_none()
    }

    /// Whether a later message may join it.
    pub(crate) const fn is_joinable(&self) -> bool {
        matches!(self.state, WakeState::Pending) && self.cancelled.is_none()
    }

    /// What put it off is over.
    pub(crate) fn is_due_again(&mut self) {
        if let Some(due_at) = self.due_before.take() {
            (self.reason, self.due_at) = (None, due_at);
        }
    }
}

/// How agents' wakes led to one another: a wake, a message posted in its run, the wake that asks for, and so on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chain {
    /// How many agents' messages it is long.
    pub hops: u32,
    /// Since when it is counted: its beginning, or the last progress of a thread that it went through.
    pub since: Timestamp,
    /// The agents of its last hops, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<AgentName>,
    /// Interlock asks for the wake, so that somebody acts in a thread that they brought to a halt: the chain goes on there,
    /// but no guard of agents' wakes puts it off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_escalation: bool,
}

impl Chain {
    /// One that begins at this time.
    pub(crate) const fn from(since: Timestamp) -> Self {
        Self { hops: 0, since, via: Vec::new(), is_escalation: false }
    }

    /// The chain of a wake that several asked for: of one that a person asked for too it is none, else the longest.
    pub(crate) fn joined(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.zip(other).map(|(one, other)| {
            let is_escalation = one.is_escalation || other.is_escalation;
            let longest = if other.hops > one.hops { other } else { one };
            Self { is_escalation, ..longest }
        })
    }
}

impl Wake {
    /// Whether only agents' words ask for it: guards may put it off, and hold it back while its thread is blocked.
    pub fn is_by_agents_alone(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| !chain.is_escalation)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(seq: &u64) -> bool {
    *seq == 0
}

/// A message that asked for a wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ask {
    /// Its `seq`.
    pub seq: u64,
    /// When it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_withdrawn: bool,
}

/// Who holds a wake: an operational row, outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lease {
    /// The wake.
    pub wake_id: WakeId,
    /// The agent, so that one agent never runs twice.
    pub agent: AgentName,
    /// The supervisor that holds it; stable over its restarts.
    pub supervisor: String,
    /// One life of that supervisor.
    pub incarnation: String,
    /// Grows with every claim; a report with another value comes from the past.
    pub fence: u64,
    /// The wake's `holds` when it was claimed.
    #[serde(default)]
    pub holds: u32,
    /// The door that it is to go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// What became of the attempt before is to be found out first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_in_doubt: bool,
    /// Whether the wake's own token was used before the report that its process was started: an early acceptance.
    #[serde(default)]
    pub is_called: bool,
    /// Whether a claim's answer has told the supervisor that the wake's process is to be stopped; renewals tell always.
    #[serde(default)]
    pub is_told_to_stop: bool,
    /// Up to which message a claim's answer has told the supervisor of what cannot wait; renewals tell always.
    #[serde(default, skip_serializing_if = "is_none")]
    pub urgent_seq: u64,
    /// Until when; renewed while the process lives.
    pub until: Timestamp,
}

impl Lease {
    /// Whether it holds nothing any more, whatever the clock says: its row only keeps the fence.
    pub(crate) fn is_over(&self) -> bool {
        self.until == Timestamp::default()
    }

    /// Whether the wake has not been held back since this claim. One that has keeps the agent until its time is up,
    /// because its process may be about to start, but nothing is started on it any more. To look starts nothing.
    pub(crate) const fn may_start(&self, wake: &Wake) -> bool {
        self.is_in_doubt || self.holds == wake.holds
    }
}

/// How one attempt's process ended, as its supervisor observed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// The process ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal that the supervisor did not send ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Not accepted in time; the group was killed.
    NotAccepted,
    /// Ran longer than it may; the group was killed.
    RunTimeExceeded,
    /// The command could not be started.
    SpawnFailed,
    /// The supervisor lacks what the agent needs, so nothing was started; no attempt is consumed.
    CannotRun {
        /// What.
        lacks: Lack,
    },
    /// Nothing was started, through no fault of the agent: a former process of it does not end. Not for ever.
    NotStarted,
    /// The supervisor stopped it on a person's word; no attempt is consumed.
    Halted,
    /// The runtime knows no such session; no attempt is consumed.
    SessionGone,
    /// Another process has the session open; nothing was said to it, no attempt is consumed.
    SessionBusy,
    /// There is no such door here now, and nothing of an earlier attempt lives behind it; no attempt is consumed, the
    /// wake goes on through the next one at once.
    DoorUnavailable,
    /// The attempt before was looked for, and whether it goes on or has ended cannot be told. Nothing was begun.
    InDoubt,
    /// The attempt before was looked for, and nothing of it runs; nothing was begun. No attempt is consumed, and the next
    /// one begins like any other.
    NotRunning,
    /// The runtime's turn failed, as its own events tell.
    TurnFailed {
        /// Why.
        fault: TurnFault,
        /// For `model_rate_limited`: after which time the model's service takes requests again, where it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset_in_ms: Option<u64>,
    },
}
