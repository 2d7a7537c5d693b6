//! Wakes on the wire.

use std::collections::{BTreeMap, BTreeSet};

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::agent::{Label, Launch, Runtime};
use interlock_core::id::{SessionId, ThreadId, WakeId, WorkspaceId};
use interlock_core::time::Timestamp;
use interlock_core::wake::{Door, DoorChange, Evidence, Lack, Lane, Outcome, Usage, WakeResult, WakeState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A wake as it is read. Absent times = steps not reached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WakeView {
    /// Its id.
    pub wake_id: WakeId,
    /// Who is woken.
    pub agent: AgentName,
    /// For which thread.
    pub thread_id: ThreadId,
    /// The highest `seq` it is for.
    pub seq: u64,
    /// Who posted the message that asked for it.
    pub cause: AgentName,
    /// Where it stands.
    pub state: WakeState,
    /// Held back while its thread is blocked.
    pub held: bool,
    /// Not in lists: whether it waits because all agents are stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_halted: bool,
    /// Attempts started so far.
    pub attempts: u32,
    /// How its last attempt came to the supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// The door into its runtime that its last attempt went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// The lesser doors that it went on through, in order, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub door_changes: Vec<DoorChange>,
    /// The supervisor that started its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<String>,
    /// Since when nobody knows what became of its last attempt, which may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt_since: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WakeResult>,
    /// Why its last attempt, or it, failed; while it waits also what it was put off for, until `due_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The last process's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What the model used in all its attempts, as far as the runtime tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How many agents' messages led to one another before it; absent = a person, or a program that no supervisor runs,
    /// asked for it.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub hops: u32,
    /// The label that its supervisor must have; absent = any runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
    /// The supervisors that lack what its agent needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declined_by: Vec<String>,
    /// Only in `get_wake`, of one that went through `live`: the session that its agent goes on in in the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// When a process was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<Timestamp>,
    /// When an open session of the agent was told by its own hooks what waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// When somebody was told that no supervisor takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stranded_at: Option<Timestamp>,
    /// When the runtime accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// By which evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// When the agent's own acknowledgement passed `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// When the agent posted in the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Since when it is put off, for `reason`, until `due_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_since: Option<Timestamp>,
    /// Its last attempts, oldest first, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<AttemptView>,
    /// The wake that came to nothing and was asked for again as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<WakeId>,
    /// Who asked for it again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<InterventionView>,
    /// Who ended it: no attempt follows, and a process that runs for it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<InterventionView>,
    /// Not in lists: what the agent said last in its last attempt, as its supervisor heard it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
}

/// One start of a process for a wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
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

/// That a person intervened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterventionView {
    /// Who.
    pub by: AgentName,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub text: String,
}

/// Parameters of `retry_wake`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RetryWakeParams {
    /// The wake: one that came to nothing, or one that waits.
    pub wake_id: WakeId,
    /// Why, in words, at most 2,000 bytes.
    pub text: String,
    /// How long to wait for the end of the wake that answers, at most 50,000 ms; 0 = not at all.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Parameters of `cancel_wake`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelWakeParams {
    /// The wake: one that waits or runs.
    pub wake_id: WakeId,
    /// Why, in words, at most 2,000 bytes.
    pub text: String,
    /// How long to wait until its process is gone, at most 50,000 ms; 0 = not at all.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Parameters of `list_wakes`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListWakesParams {
    /// Only of this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// Only of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WakeState>,
    /// Only those that ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WakeResult>,
    /// Only those that wait, are not held back and are due now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_due: bool,
    /// What a former page gave as `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first wake, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `list_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListWakesResponse {
    /// Newest first.
    pub wakes: Vec<WakeView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Parameters of `get_wake`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWakeParams {
    /// The wake.
    pub wake_id: WakeId,
    /// How long to wait for the wake's end, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Parameters of `trigger_participant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TriggerParticipantParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who is to be woken.
    pub agent: AgentName,
    /// How long to wait for the wake's end, at most 50,000 ms; 0 = not at all.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
    /// Why the agent is to be woken although a person is at work in its session; for operators, and read by everybody in
    /// the thread. Absent = the person is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_reason: Option<String>,
}

/// Answer of `trigger_participant`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TriggerParticipantResponse {
    /// How it went so far: `already_active` when its process runs already, the wake's own result once it is over;
    /// absent while it waits or has just begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WakeResult>,
    /// The wake.
    pub wake: WakeView,
}

/// Parameters of `claim_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClaimWakesParams {
    /// The supervisor's name, stable over its restarts: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub supervisor: String,
    /// This life of it: 1 to 64 of the same characters, another at each start. A claim by a new life releases what
    /// the former one held: the caller must have proved that its processes are gone.
    pub incarnation: String,
    /// Wakes at most, 1 to 32.
    #[schemars(range(min = 1, max = interlock_core::limits::CLAIM_WAKES_MAX))]
    pub limit: u32,
    /// How long to wait for the first wake, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
    /// What it says of itself, at most 16: agents that ask for a label are run by supervisors that have it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = interlock_core::limits::LABELS_MAX))]
    pub labels: BTreeSet<Label>,
    /// Agents whose wakes it had to decline and cannot run still, with what is missing; at most 512.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cannot_run: BTreeMap<AgentName, Lack>,
    /// The claims that it knows of, at most 256; absent = it does not say. What it holds besides was lost with an answer
    /// on its way, and is given out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = interlock_core::limits::HELD_WAKES_MAX))]
    pub holds: Option<Vec<HeldWake>>,
    /// The doors that you know; absent = `resume` and `spawn`. Others are not asked of you.
    #[serde(default = "every_supervisor")]
    pub doors: Vec<Door>,
}

fn every_supervisor() -> Vec<Door> {
    Door::OF_EVERY_SUPERVISOR.to_vec()
}

/// A wake handed to a supervisor, with everything its process needs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClaimedWake {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The wake.
    pub wake: WakeView,
    /// Goes into every renewal and report.
    pub fence: u64,
    /// How it came to you; goes into the report that its process was started.
    pub lane: Lane,
    /// How the agent is run.
    #[serde(default = "command")]
    pub runtime: Runtime,
    /// The door to go through; absent = `resume` where there is a session to go on in, else `spawn`. Through `live` nothing
    /// is sent before the report that it was started is answered: what is not recorded cannot be looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// What became of the attempt before is not known, and it may go on: look for it before anything is begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_in_doubt: bool,
    /// An operator wants it although a person is at work in the agent's session: do not ask about the person's last words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_override: bool,
    /// The session of this attempt's token; for Claude Code also the id of a fresh session.
    pub session_id: SessionId,
    /// The runtime's session to go on in; absent = begin a fresh one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<SessionId>,
    /// The bearer token of this agent and this wake.
    pub token: String,
    /// Until when the process may run, and the token holds.
    pub deadline: Timestamp,
    /// The prompt: ids only, never message bodies.
    pub prompt: String,
    /// How to start it.
    pub launch: Launch,
    /// How long the runtime may take to accept.
    pub accept_timeout_ms: u32,
    /// How long the process may run.
    pub run_ms_max: u32,
    /// How long the lease holds without renewal; renew at a third of it, and end the process when it has run out.
    pub lease_ms: u32,
}

const fn command() -> Runtime {
    Runtime::Command
}

impl ClaimedWake {
    /// The door to go through.
    pub const fn door(&self) -> Door {
        match (self.door, self.resume) {
            (Some(door), _) => door,
            (None, Some(_)) => Door::Resume,
            (None, None) => Door::Spawn,
        }
    }
}

/// Answer of `claim_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClaimWakesResponse {
    /// The wakes; empty when the wait ended without one.
    pub wakes: Vec<ClaimedWake>,
    /// All agents are to be stopped now.
    pub halt: bool,
    /// Wakes of yours that a person ended: their processes are to be stopped. Each is told once; renewals tell always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<WakeId>,
    /// What turns that you run through `live` are to be told of. Each is told once; renewals tell always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urgent: Vec<UrgentWake>,
}

/// An urgent wake of an agent whose turn runs already in the same thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UrgentWake {
    /// The wake whose turn runs, which you hold.
    pub running: WakeId,
    /// The wake that cannot wait.
    pub wake_id: WakeId,
    /// The highest `seq` it is for: the same one is not told twice.
    pub seq: u64,
    /// What the turn is to be told: ids only, never message bodies.
    pub prompt: String,
}

/// A wake that a supervisor holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HeldWake {
    /// The wake.
    pub wake_id: WakeId,
    /// The claim's fence.
    pub fence: u64,
}

/// Parameters of `renew_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RenewWakesParams {
    /// The supervisor's name.
    pub supervisor: String,
    /// This life of it.
    pub incarnation: String,
    /// The wakes to keep, at most 64.
    pub wakes: Vec<HeldWake>,
}

/// A wake that is still held.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RenewedWake {
    /// The wake.
    pub wake_id: WakeId,
    /// Whether it counts as accepted, be it by a call that only the server saw.
    pub is_accepted: bool,
    /// Whether a person ended it: its process is to be stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cancelled: bool,
    /// What its turn is to be told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgent: Option<UrgentWake>,
}

/// Answer of `renew_wakes`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RenewWakesResponse {
    /// What you still hold; end the processes of the others.
    pub wakes: Vec<RenewedWake>,
    /// All agents are to be stopped now.
    pub halt: bool,
}

/// What a supervisor observed of a wake's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum ReportParams {
    /// It was started.
    Started {
        /// As the claim said.
        lane: Lane,
        /// The door that is used; absent = as the claim said. In the place of `live`, where there is no such door, it may be
        /// the next lesser one: that is recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<Door>,
    },
    /// It accepted the wake.
    Accepted {
        /// The proof.
        evidence: Evidence,
        /// The runtime's session that the turn runs in, where it has one: later wakes resume it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
    },
    /// Its turn has taken in that another wake of its agent for the same thread cannot wait.
    Told {
        /// That one.
        wake_id: WakeId,
        /// Up to which message it was told.
        seq: u64,
    },
    /// It and its whole group are gone.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// What its model used, where the runtime tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// The runtime counts from the beginning of its session, not of this turn.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_session_total: bool,
        /// What the agent said last, without secrets; of more than 2,000 bytes the beginning is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_message: Option<String>,
    },
}

/// Parameters of `report_wake`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReportWakeParams {
    /// The wake.
    pub wake_id: WakeId,
    /// This life of the supervisor.
    pub incarnation: String,
    /// The claim's fence.
    pub fence: u64,
    /// What was observed.
    pub report: ReportParams,
}
