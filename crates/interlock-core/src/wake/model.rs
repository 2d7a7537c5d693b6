//! What a wake is: one agent to be woken for one thread, with its ladder of proof.

use crate::actor::{AgentName, closed_set};
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
        /// The thread ended first, or an earlier wake of the agent covers its messages.
        Superseded = "superseded",
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
    }
}

/// The steps of a wake, each with the time it was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ladder {
    /// A process was started (the last attempt's).
    pub dispatched_at: Option<Timestamp>,
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
    /// The steps reached.
    pub ladder: Ladder,
    /// How it ended.
    pub result: Option<WakeResult>,
    /// Why its last attempt, or it, failed.
    pub reason: Option<Reason>,
    /// The last process's exit code.
    pub exit_code: Option<i32>,
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
    /// Whether the wake's own token was used before the report that its process was started: an early acceptance.
    #[serde(default)]
    pub is_called: bool,
    /// Until when; renewed while the process lives.
    pub until: Timestamp,
}

impl Lease {
    /// Whether the wake has not been held back since this claim. One that has keeps the agent until its time is up,
    /// because its process may be about to start, but nothing is started on it any more.
    pub(crate) const fn may_start(&self, wake: &Wake) -> bool {
        self.holds == wake.holds
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
    /// Nothing was started, through no fault of the agent: a former process of it does not end. Not for ever.
    NotStarted,
    /// The supervisor stopped it on a person's word; no attempt is consumed.
    Halted,
}
