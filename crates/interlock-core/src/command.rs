//! What can be asked for: one command, one decision, one ledger entry.

use std::collections::BTreeSet;

use crate::actor::{Actor, AgentName, Role};
use crate::agent::{Label, Launch, Runtime};
use crate::id::{CommandId, JobId, MessageId, SessionId, ThreadId, WakeId, WebhookId, WorkspaceId};
use crate::job::{NewJob, RetryPolicy};
use crate::reason::Reason;
use crate::session::Observed;
use crate::snapshot::Stage;
use crate::text::Digest;
use crate::thread::{MessageKind, Status, ThreadKind, ThreadRole};
use crate::time::Timestamp;
use crate::wake::{Claimant, Door, Evidence, Lane, Outcome, Usage};
use crate::webhook::{Mark, Told, WebhookFilter};

/// A command with everything about its asking that a decision may depend on.
#[derive(Debug, Clone)]
pub struct Envelope<C = Command> {
    /// Names this request in the ledger.
    pub command_id: CommandId,
    /// The caller's or our id of the HTTP request, for logs.
    pub request_id: String,
    /// The workspace it changes.
    pub workspace_id: WorkspaceId,
    /// Who asks.
    pub actor: Actor,
    /// The operation's id in the operation table.
    pub operation: &'static str,
    /// Digest of the request's parameters: tells a retry from another request with the same key.
    pub fingerprint: Digest,
    /// The W3C trace context's `traceparent`, where the caller sent one.
    pub trace: Option<String>,
    /// The caller's key; the same key and fingerprint give the same answer.
    pub idempotency_key: Option<String>,
    /// Randomness drawn by the shell; ids and salts derive from it.
    pub entropy: [u8; 32],
    /// What is asked.
    pub command: C,
}

/// Everything that can be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Make an agent known.
    RegisterAgent(RegisterAgent),
    /// Open a thread.
    CreateThread(CreateThread),
    /// Post a message.
    PostMessage(PostMessage),
    /// Take a message back.
    CancelMessage(CancelMessage),
    /// Acknowledge messages up to a `seq`.
    AckRead(AckRead),
    /// Change a thread's status.
    ChangeStatus(ChangeStatus),
    /// Let somebody take part in a thread.
    AddParticipant(AddParticipant),
    /// End somebody's part in a thread.
    RemoveParticipant(RemoveParticipant),
    /// Take due wakes for a supervisor.
    ClaimWakes(ClaimWakes),
    /// Note that a supervisor is there.
    NoteSupervisor(NoteSupervisor),
    /// Tell whoever answers for it that nobody takes a wake.
    NoteStranded {
        /// The wake.
        wake_id: WakeId,
    },
    /// Keep wakes while their processes live.
    RenewWakes(RenewWakes),
    /// Say what became of a wake.
    ReportWake(ReportWake),
    /// Wake a participant without a message.
    TriggerParticipant(TriggerParticipant),
    /// Ask for a wake again.
    RetryWake(InterveneWake),
    /// End a wake.
    CancelWake(InterveneWake),
    /// Post what only those who lead the thread may ask for.
    PostAsLead(PostMessage),
    /// Name who must act in a blocked thread.
    AssignOwner(AssignOwner),
    /// Tell whoever must act in a blocked thread again.
    RemindOwner(RemindOwner),
    /// Change a thread's status as an operator, whatever its participants say.
    OperateThread(OperateThread),
    /// Say that one is there.
    Heartbeat {
        /// At work, or idle.
        is_active: bool,
    },
    /// Say what was seen in a session of an agent.
    ObserveSession(ObserveSession),
    /// Stop all agents.
    HaltAgents,
    /// Do something later that nobody waits for.
    EnqueueJob(NewJob),
    /// Take due jobs for a worker.
    ClaimJobs(ClaimJobs),
    /// Keep a job while it is worked on.
    RenewJob(RenewJob),
    /// Say what became of an attempt.
    FinishJob(FinishJob),
    /// Let a dead job try again.
    RequeueJob(RequeueJob),
    /// Count what the workspace has done, and sign it.
    TakeSnapshot(TakeSnapshot),
    /// Let agents run again after they were stopped.
    ResumeAgents {
        /// Only when they are stopped since then.
        since: Option<Timestamp>,
    },
    /// Tell somebody of events over HTTP.
    CreateWebhook(CreateWebhook),
    /// Change where or of what a webhook is told, or whether it is.
    UpdateWebhook(UpdateWebhook),
    /// Note that a webhook's receiver is gone.
    PauseWebhook {
        /// The webhook.
        webhook_id: WebhookId,
        /// Why.
        reason: Reason,
    },
    /// Give a webhook another secret.
    RotateWebhookSecret(RotateWebhookSecret),
    /// Tell a webhook no more.
    DeleteWebhook {
        /// The webhook.
        webhook_id: WebhookId,
    },
    /// Make the next event that a webhook is to be told of a job.
    AdvanceWebhook(AdvanceWebhook),
    /// Note that a wake's own token was used: proof that its runtime accepted.
    NoteCall {
        /// The wake.
        wake_id: WakeId,
    },
}

/// See [`Command::RegisterAgent`].
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterAgent {
    /// Its name.
    pub name: AgentName,
    /// Its access role.
    pub role: Role,
    /// How it is run.
    pub runtime: Runtime,
    /// How to start it.
    pub launch: Launch,
    /// The label that its supervisor must have; absent = any runs it.
    pub on: Option<Label>,
}

/// See [`Command::CreateThread`].
#[derive(Debug, Clone, PartialEq)]
pub struct CreateThread {
    /// The title.
    pub title: String,
    /// What it is for.
    pub kind: ThreadKind,
    /// Who takes part, with which part; the opener is added as coordinator when absent.
    pub participants: Vec<(AgentName, ThreadRole)>,
}

/// See [`Command::PostMessage`].
#[derive(Debug, Clone, PartialEq)]
pub struct PostMessage {
    /// The thread.
    pub thread_id: ThreadId,
    /// Chat or event.
    pub kind: MessageKind,
    /// The event's type, for events.
    pub event_type: Option<String>,
    /// The version of the event's data.
    pub event_version: u32,
    /// The version of the message's shape.
    pub schema_version: u32,
    /// Text for people.
    pub body: String,
    /// The event's data.
    pub data: Option<serde_json::Map<String, serde_json::Value>>,
    /// Fields that this version does not know, kept as they were sent.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Whom it is for; empty = everybody but the sender.
    pub to: Vec<AgentName>,
    /// The thread role it is for.
    pub to_role: Option<ThreadRole>,
    /// The message it answers.
    pub in_reply_to: Option<MessageId>,
    /// How urgent it is, how long it counts, what it replaces and follows from.
    pub terms: Terms,
}

/// On which terms a message is posted; by default in its turn and for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Before everything that is not.
    pub is_urgent: bool,
    /// When it no longer counts.
    pub expires_at: Option<Timestamp>,
    /// How long it counts; not together with `expires_at`.
    pub expires_in_ms: Option<u64>,
    /// The message it stands in the place of.
    pub supersedes: Option<MessageId>,
    /// What it follows from.
    pub parents: Vec<MessageId>,
}

/// See [`Command::CancelMessage`].
#[derive(Debug, Clone, PartialEq)]
pub struct CancelMessage {
    /// The thread.
    pub thread_id: ThreadId,
    /// The message.
    pub message_id: MessageId,
    /// Why, in words.
    pub text: String,
}

/// See [`Command::AckRead`].
#[derive(Debug, Clone, PartialEq)]
pub struct AckRead {
    /// The thread.
    pub thread_id: ThreadId,
    /// Everything up to here was read.
    pub seq: u64,
}

/// See [`Command::ChangeStatus`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeStatus {
    /// The thread.
    pub thread_id: ThreadId,
    /// The status wanted.
    pub status: Status,
    /// Which kind of reason, for machines.
    pub reason: Reason,
    /// The reason in words.
    pub text: String,
    /// Who must act now; only with `blocked`.
    pub owner: Option<AgentName>,
}

/// See [`Command::AddParticipant`].
#[derive(Debug, Clone, PartialEq)]
pub struct AddParticipant {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who.
    pub agent: AgentName,
    /// With which part.
    pub role: ThreadRole,
}

/// See [`Command::RemoveParticipant`].
#[derive(Debug, Clone, PartialEq)]
pub struct RemoveParticipant {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who.
    pub agent: AgentName,
}

/// See [`Command::TriggerParticipant`].
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerParticipant {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who is to be woken.
    pub agent: AgentName,
    /// Although a person is at work in the agent's session: the reason in words.
    pub override_reason: Option<String>,
}

/// See [`Command::ObserveSession`]; the time is a duration that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObserveSession {
    /// Whose session.
    pub agent: AgentName,
    /// The runtime's name of it.
    pub session_id: Option<SessionId>,
    /// The runtime.
    pub runtime: Option<Runtime>,
    /// What was seen.
    pub observed: Observed,
    /// How long ago.
    pub ago_ms: u64,
    /// The wake that the turn's prompt names.
    pub wake_id: Option<WakeId>,
    /// The threads that the session can be told of, because something in them is unread.
    pub threads: Vec<ThreadId>,
}

/// See [`Command::RetryWake`] and [`Command::CancelWake`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterveneWake {
    /// The wake.
    pub wake_id: WakeId,
    /// Why, in words.
    pub text: String,
}

/// See [`Command::AssignOwner`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignOwner {
    /// The thread.
    pub thread_id: ThreadId,
    /// Who must act from now on.
    pub owner: AgentName,
    /// Why, in words.
    pub text: String,
}

/// See [`Command::RemindOwner`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemindOwner {
    /// The thread.
    pub thread_id: ThreadId,
    /// The escalation that is meant, by its beginning: a later one has reminders of its own.
    pub since: Timestamp,
}

/// See [`Command::OperateThread`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperateThread {
    /// The thread.
    pub thread_id: ThreadId,
    /// What is to be done.
    pub action: ThreadAction,
    /// Why, in words.
    pub text: String,
    /// The status that it must have; absent = any from which the action leads on.
    pub expected: Option<Status>,
}

/// What an operator does to a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadAction {
    /// Block it.
    Escalate {
        /// Who must act; absent = whom the rule of escalation names.
        owner: Option<AgentName>,
    },
    /// Make it active again.
    Unblock,
    /// Close it, whatever is open in it.
    Close,
}

/// See [`Command::ClaimWakes`].
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimWakes {
    /// The supervisor, stable over restarts.
    pub supervisor: String,
    /// This life of it.
    pub incarnation: String,
    /// How many at most.
    pub limit: u32,
    /// What made it ask.
    pub lane: Lane,
    /// What it says of itself, and what is known of the others.
    pub claimant: Claimant,
    /// The doors that it knows.
    pub doors: Vec<Door>,
}

/// See [`Command::NoteSupervisor`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSupervisor {
    /// The supervisor, stable over restarts.
    pub supervisor: String,
    /// Its labels.
    pub labels: BTreeSet<Label>,
}

/// See [`Command::RenewWakes`].
#[derive(Debug, Clone, PartialEq)]
pub struct RenewWakes {
    /// The supervisor.
    pub supervisor: String,
    /// This life of it.
    pub incarnation: String,
    /// The wakes it holds, with their fences.
    pub wakes: Vec<(WakeId, u64)>,
}

/// See [`Command::ClaimJobs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimJobs {
    /// The worker, for people to read.
    pub worker: String,
    /// How many at most.
    pub limit: u32,
    /// For how long they are held.
    pub lease_ms: i64,
}

/// See [`Command::RenewJob`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewJob {
    /// The job.
    pub job_id: JobId,
    /// The claim's fence.
    pub fence: u64,
    /// For how long from now it is held.
    pub lease_ms: i64,
}

/// See [`Command::FinishJob`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishJob {
    /// The job.
    pub job_id: JobId,
    /// The claim's fence.
    pub fence: u64,
    /// What became of the attempt.
    pub outcome: JobOutcome,
}

/// See [`Command::RequeueJob`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequeueJob {
    /// The job.
    pub job_id: JobId,
    /// Why, in words.
    pub text: String,
}

/// See [`Command::TakeSnapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeSnapshot {
    /// What the moment is called.
    pub stage: Stage,
    /// What is to be said of it, in words; empty = nothing.
    pub text: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// The work is done.
    Done,
    /// It failed; the next attempt may not.
    Failed(String),
    /// It failed, and no attempt will do better.
    Hopeless(String),
    /// It failed; the next attempt is not to be made before this.
    FailedUntil(String, Timestamp),
    /// Nothing was tried, and nothing is to be before this: it does not count as an attempt.
    Later(Timestamp),
}

/// See [`Command::CreateWebhook`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateWebhook {
    /// Where events go.
    pub url: String,
    /// Which.
    pub filter: WebhookFilter,
    /// Where in the ledger it begins; absent = with what is yet to come.
    pub from: Option<Mark>,
}

/// See [`Command::UpdateWebhook`]: what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateWebhook {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where events go.
    pub url: Option<String>,
    /// Which.
    pub filter: Option<WebhookFilter>,
    /// Whether it is told of nothing for a while.
    pub is_paused: Option<bool>,
}

/// See [`Command::RotateWebhookSecret`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateWebhookSecret {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// How long the secret before counts beside the new one.
    pub overlap_ms: u64,
}

/// See [`Command::AdvanceWebhook`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvanceWebhook {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where it stands, as far as whoever asks knows.
    pub from: Mark,
    /// Where it stands then.
    pub to: Mark,
    /// The event it is told of on the way; absent = none of them is for it.
    pub told: Option<Told>,
    /// How often the delivery is tried.
    pub policy: RetryPolicy,
    /// A delivery whose attempt has ended, though that is not written yet.
    pub ended: Option<DeliveryEnded>,
}

/// A delivery's attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryEnded {
    /// The delivery.
    pub job_id: JobId,
    /// Whether the receiver took it.
    pub is_delivered: bool,
}

/// See [`Command::ReportWake`].
#[derive(Debug, Clone, PartialEq)]
pub struct ReportWake {
    /// The wake.
    pub wake_id: WakeId,
    /// This life of the supervisor.
    pub incarnation: String,
    /// The claim the report belongs to.
    pub fence: u64,
    /// What is reported.
    pub report: Report,
}

/// What a supervisor can report of a wake; times are durations it measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The process was started.
    Started {
        /// What brought the wake to the supervisor.
        lane: Lane,
        /// The door that was used; absent = as the claim said.
        door: Option<Door>,
    },
    /// The runtime accepted.
    Accepted {
        /// The proof.
        evidence: Evidence,
        /// The runtime's session that the turn runs in, where it has one.
        session_id: Option<SessionId>,
    },
    /// Its turn has taken in that another wake of its agent for the same thread cannot wait.
    Told {
        /// That one.
        wake_id: WakeId,
        /// Up to which message it was told.
        seq: u64,
    },
    /// The process is gone, its whole group too.
    Ended {
        /// How it ended.
        outcome: Outcome,
        /// What its model used, where the runtime tells.
        usage: Option<Usage>,
        /// The runtime counts from the beginning of its session, not of this turn.
        is_session_total: bool,
        /// What the agent said last, without secrets.
        last_message: Option<String>,
    },
}
