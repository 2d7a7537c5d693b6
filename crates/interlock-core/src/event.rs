//! What happened: the ordered events of a command's ledger entry. Additive only; a new shape gets a new `/version`.

use crate::actor::{AgentName, Role};
use crate::agent::{Label, Launch, Runtime};
use crate::id::{AgentId, JobId, MessageId, SessionId, SnapshotId, ThreadId, WakeId, WebhookId};
use crate::reason::Reason;
use crate::snapshot::Content;
use crate::text::{Digest, Salt};
use crate::thread::{MessageHead, MessageText, Status, ThreadKind, ThreadRole};
use crate::time::Timestamp;
use crate::wake::{Chain, Door, Evidence, Forgotten, Lack, Lane, Usage, WakeResult};
use crate::webhook::{Mark, WebhookFilter};

/// One participant of a thread as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Joined {
    /// Who.
    pub agent: AgentName,
    /// With which part.
    pub role: ThreadRole,
    /// Whether a supervisor can wake it.
    pub managed: bool,
    /// Only one with this label; absent = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
}

/// One thing that happened. Free text is skipped when an event is written to the ledger; its digest stays.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind")]
#[expect(missing_docs, reason = "the fields are the rows' fields, documented there")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all events are messages: a box for each would save nothing"
)]
pub enum Event {
    /// An operator's action was refused; nothing else changed.
    #[serde(rename = "operator.action_refused/1")]
    ActionRefused { operation: String, reason: Reason },
    /// A person stopped all agents, until each server ended; so many wakes were running. Not written any more.
    #[serde(rename = "workspace.halted/1")]
    ServersHalted { by: AgentName, running: u32 },
    /// A person stopped all agents until they are let go on; so many wakes were running.
    #[serde(rename = "workspace.halted/2")]
    WorkspaceHalted { by: AgentName, running: u32 },
    /// A person lets agents go on.
    #[serde(rename = "workspace.resumed/1")]
    WorkspaceResumed { by: AgentName },
    /// An agent was made known.
    #[serde(rename = "agent.registered/1")]
    AgentRegistered {
        agent_id: AgentId,
        name: AgentName,
        role: Role,
        runtime: Runtime,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Label>,
        launch_digest: Digest,
        #[serde(skip)]
        launch: Launch,
        #[serde(skip)]
        launch_salt: Salt,
    },
    /// A thread was opened.
    #[serde(rename = "thread.created/1")]
    ThreadCreated {
        thread_id: ThreadId,
        thread_kind: ThreadKind,
        created_by: AgentName,
        participants: Vec<Joined>,
        title_digest: Digest,
        #[serde(skip)]
        title: String,
        #[serde(skip)]
        title_salt: Salt,
    },
    /// Somebody joined a thread.
    #[serde(rename = "thread.participant_added/1")]
    ParticipantAdded { thread_id: ThreadId, participant: Joined },
    /// Somebody left a thread, or was removed from it.
    #[serde(rename = "thread.participant_removed/1")]
    ParticipantRemoved { thread_id: ThreadId, agent: AgentName, by: AgentName },
    /// A message was posted.
    #[serde(rename = "thread.message_posted/1")]
    MessagePosted {
        thread_id: ThreadId,
        message: MessageHead,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding_print: Option<Digest>,
        /// Of an agent's message: what it says, with the thread's salt, so that repeating it is noticed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said_print: Option<Digest>,
        /// Of a `finding_verified`: it was verified before, so this is no progress.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_verified_again: bool,
        #[serde(skip)]
        text: MessageText,
    },
    /// A message was taken back, or another stands in its place.
    #[serde(rename = "thread.message_withdrawn/1")]
    MessageWithdrawn {
        thread_id: ThreadId,
        message_id: MessageId,
        seq: u64,
        by: AgentName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        superseded_by: Option<MessageId>,
        /// Of the reason in words; absent = none was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text_digest: Option<Digest>,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// A participant acknowledged messages.
    #[serde(rename = "thread.cursor_moved/1")]
    CursorMoved { thread_id: ThreadId, agent: AgentName, seq: u64 },
    /// A thread's status changed.
    #[serde(rename = "thread.status_changed/1")]
    StatusChanged {
        thread_id: ThreadId,
        from: Status,
        to: Status,
        reason: Reason,
        owner: Option<AgentName>,
        by: AgentName,
        /// An agent that a supervisor runs wished it, so it is no progress.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_agents: bool,
    },
    /// Somebody else must act in a blocked thread.
    #[serde(rename = "thread.owner_assigned/1")]
    OwnerAssigned {
        thread_id: ThreadId,
        owner: AgentName,
        /// Who had to before; absent = nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former: Option<AgentName>,
        by: AgentName,
        /// A person named it: it may let the thread go on whatever blocked it, an agent too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_entrusted: bool,
        /// Of the reason in words.
        text_digest: Digest,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// Whoever must act in a blocked thread was told again; so many times now.
    #[serde(rename = "thread.owner_reminded/1")]
    OwnerReminded { thread_id: ThreadId, owner: AgentName, reminders: u32 },
    /// An agent is to be woken.
    #[serde(rename = "wake.requested/1")]
    WakeRequested {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        seq: u64,
        cause: AgentName,
        due_at: Timestamp,
        held: bool,
        /// When what is asked for is over; absent = never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// It goes before what is not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_urgent: bool,
        /// No message asked for it: it is never over.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_standing: bool,
        /// How agents' wakes led to it; absent = a person, or a program that no supervisor runs, asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<Chain>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Label>,
    },
    /// A further message is covered by a wake that has not been dispatched yet.
    #[serde(rename = "wake.joined/1")]
    WakeJoined {
        wake_id: WakeId,
        thread_id: ThreadId,
        seq: u64,
        /// When what is asked for is over; absent = never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// It goes before what is not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_urgent: bool,
        /// No message asked for it: it is never over.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_standing: bool,
        /// Others than this message, which are not remembered one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forgotten: Option<Forgotten>,
        /// When it is due from now on; absent = as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        /// How agents' wakes led to it; absent = a person, or a program that no supervisor runs, asks for it too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<Chain>,
    },
    /// Of what asked for a wake beyond what it remembers, the one that ended last was taken back: this is left.
    #[serde(rename = "wake.recounted/1")]
    WakeRecounted {
        wake_id: WakeId,
        thread_id: ThreadId,
        /// Absent = nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forgotten: Option<Forgotten>,
    },
    /// A process was started.
    #[serde(rename = "wake.dispatched/1")]
    WakeDispatched {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        attempt: u32,
        lane: Lane,
        supervisor: String,
        fence: u64,
        /// Absent in entries from before doors were told apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<Door>,
    },
    /// It goes on through a lesser door.
    #[serde(rename = "wake.door_changed/1")]
    WakeDoorChanged {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        from: Door,
        to: Door,
        reason: Reason,
    },
    /// The runtime accepted.
    #[serde(rename = "wake.accepted/1")]
    WakeAccepted { wake_id: WakeId, thread_id: ThreadId, agent: AgentName, evidence: Evidence },
    /// The agent's acknowledgement passed the wake's `seq`.
    #[serde(rename = "wake.seen/1")]
    WakeSeen { wake_id: WakeId, thread_id: ThreadId, agent: AgentName },
    /// The agent posted in the thread.
    #[serde(rename = "wake.acted/1")]
    WakeActed { wake_id: WakeId, thread_id: ThreadId, agent: AgentName },
    /// An attempt failed; another follows at `due_at`.
    #[serde(rename = "wake.attempt_failed/1")]
    WakeAttemptFailed {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        attempt: u32,
        reason: Reason,
        exit_code: Option<i32>,
        due_at: Timestamp,
    },
    /// An attempt ended through no fault of the agent; it is due again at once.
    #[serde(rename = "wake.released/1")]
    WakeReleased {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        reason: Reason,
        /// What was begun may go on without its supervisor: nothing is begun again before somebody has looked.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_in_doubt: bool,
    },
    /// A guard or what somebody else does puts it off, without an attempt being used; it is due again at `due_at`.
    #[serde(rename = "wake.deferred/1")]
    WakeDeferred { wake_id: WakeId, thread_id: ThreadId, agent: AgentName, reason: Reason, due_at: Timestamp },
    /// An operator wants it although a person is at work in the agent's session; the reason stands in the message that
    /// goes with it.
    #[serde(rename = "wake.overridden/1")]
    WakeOverridden {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        by: AgentName,
        message_id: MessageId,
        due_at: Timestamp,
    },
    /// A supervisor cannot run the wake's agent; others may.
    #[serde(rename = "wake.declined/1")]
    WakeDeclined { wake_id: WakeId, thread_id: ThreadId, agent: AgentName, supervisor: String, lacks: Lack },
    /// No supervisor takes it: none is there, or none with its label. Somebody was told.
    #[serde(rename = "wake.stranded/1")]
    WakeStranded {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        /// The label that a supervisor must have; absent = none would do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Label>,
    },
    /// The runtime told what its model used for an attempt.
    #[serde(rename = "wake.used/1")]
    WakeUsed { wake_id: WakeId, thread_id: ThreadId, agent: AgentName, usage: Usage },
    /// A participant's later wakes in the thread resume this session.
    #[serde(rename = "session.bound/1")]
    SessionBound { thread_id: ThreadId, agent: AgentName, wake_id: WakeId, session_id: SessionId },
    /// A participant's session in the thread is given up; its next wake begins a fresh one.
    #[serde(rename = "session.released/1")]
    SessionReleased {
        thread_id: ThreadId,
        agent: AgentName,
        wake_id: WakeId,
        session_id: SessionId,
        reason: Reason,
    },
    /// A wake is over.
    #[serde(rename = "wake.finished/1")]
    WakeFinished {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        result: WakeResult,
        reason: Option<Reason>,
        exit_code: Option<i32>,
    },
    /// A person asked for a wake again: for one that is over as this new one, for one that waits at once.
    #[serde(rename = "wake.retry_requested/1")]
    WakeRetryRequested {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        /// The wake that is over; absent = this very one waited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        former: Option<WakeId>,
        due_at: Timestamp,
        /// How agents' wakes led to it; absent = a person, or a program that no supervisor runs, asks for it too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<Chain>,
        by: AgentName,
        /// Of the reason in words.
        text_digest: Digest,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// A person wants a wake to end: no attempt follows, and a process that runs for it is stopped.
    #[serde(rename = "wake.cancel_requested/1")]
    WakeCancelRequested {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        by: AgentName,
        /// Of the reason in words.
        text_digest: Digest,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// What an agent said last in a turn, as its supervisor heard it. It wakes nobody and is no message.
    #[serde(rename = "wake.said/1")]
    WakeSaid {
        wake_id: WakeId,
        thread_id: ThreadId,
        agent: AgentName,
        /// Of the words.
        text_digest: Digest,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// A job failed too often.
    #[serde(rename = "job.died/1")]
    JobDied { job_id: JobId, job: String, attempts: u32, reason: Reason },
    /// A person let a dead job try again.
    #[serde(rename = "job.requeued/1")]
    JobRequeued {
        job_id: JobId,
        job: String,
        by: AgentName,
        /// Of the reason in words.
        text_digest: Digest,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// What the workspace has done by now was counted, at a moment that somebody named.
    #[serde(rename = "snapshot.taken/1")]
    SnapshotTaken {
        snapshot_id: SnapshotId,
        by: AgentName,
        content: Box<Content>,
        /// Of the content's canonical JSON, without salt: whoever has this entry can compute it.
        content_digest: Digest,
        /// Of what is said of it in words; absent = nothing is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text_digest: Option<Digest>,
        #[serde(skip)]
        text: String,
        #[serde(skip)]
        text_salt: Salt,
    },
    /// Somebody is told of events over HTTP.
    #[serde(rename = "webhook.created/1")]
    WebhookCreated {
        webhook_id: WebhookId,
        by: AgentName,
        role: Role,
        filter: WebhookFilter,
        /// Where in the ledger it begins; absent = behind this event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Mark>,
        url_digest: Digest,
        #[serde(skip)]
        url: String,
        #[serde(skip)]
        url_salt: Salt,
        #[serde(skip)]
        seed: Digest,
    },
    /// A webhook is told of other events, or elsewhere.
    #[serde(rename = "webhook.updated/1")]
    WebhookUpdated {
        webhook_id: WebhookId,
        by: AgentName,
        /// In the place of the one before; absent = as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<WebhookFilter>,
        /// Of the new address; absent = as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url_digest: Option<Digest>,
        #[serde(skip)]
        url: String,
        #[serde(skip)]
        url_salt: Salt,
    },
    /// A webhook is told of nothing for a while.
    #[serde(rename = "webhook.paused/1")]
    WebhookPaused {
        webhook_id: WebhookId,
        by: AgentName,
        /// Absent = a person wished it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
    /// A webhook goes on where it was.
    #[serde(rename = "webhook.resumed/1")]
    WebhookResumed { webhook_id: WebhookId, by: AgentName },
    /// A webhook has another secret; the one before counts until then.
    #[serde(rename = "webhook.secret_rotated/1")]
    WebhookSecretRotated {
        webhook_id: WebhookId,
        by: AgentName,
        previous_until: Timestamp,
        #[serde(skip)]
        seed: Digest,
    },
    /// A webhook is there no more.
    #[serde(rename = "webhook.deleted/1")]
    WebhookDeleted { webhook_id: WebhookId, by: AgentName },
}

impl Event {
    /// The thread it belongs to, where it belongs to one.
    pub const fn thread_id(&self) -> Option<ThreadId> {
        match self {
            Self::ActionRefused { .. }
            | Self::ServersHalted { .. }
            | Self::WorkspaceHalted { .. }
            | Self::WorkspaceResumed { .. }
            | Self::AgentRegistered { .. }
            | Self::JobDied { .. }
            | Self::JobRequeued { .. }
            | Self::SnapshotTaken { .. }
            | Self::WebhookCreated { .. }
            | Self::WebhookUpdated { .. }
            | Self::WebhookPaused { .. }
            | Self::WebhookResumed { .. }
            | Self::WebhookSecretRotated { .. }
            | Self::WebhookDeleted { .. } => None,
            Self::ThreadCreated { thread_id, .. }
            | Self::ParticipantAdded { thread_id, .. }
            | Self::ParticipantRemoved { thread_id, .. }
            | Self::MessagePosted { thread_id, .. }
            | Self::MessageWithdrawn { thread_id, .. }
            | Self::CursorMoved { thread_id, .. }
            | Self::StatusChanged { thread_id, .. }
            | Self::WakeRequested { thread_id, .. }
            | Self::WakeJoined { thread_id, .. }
            | Self::WakeRecounted { thread_id, .. }
            | Self::WakeDispatched { thread_id, .. }
            | Self::WakeDoorChanged { thread_id, .. }
            | Self::WakeAccepted { thread_id, .. }
            | Self::WakeSeen { thread_id, .. }
            | Self::WakeActed { thread_id, .. }
            | Self::WakeAttemptFailed { thread_id, .. }
            | Self::WakeReleased { thread_id, .. }
            | Self::WakeDeferred { thread_id, .. }
            | Self::WakeOverridden { thread_id, .. }
            | Self::WakeDeclined { thread_id, .. }
            | Self::WakeStranded { thread_id, .. }
            | Self::WakeUsed { thread_id, .. }
            | Self::SessionBound { thread_id, .. }
            | Self::SessionReleased { thread_id, .. }
            | Self::OwnerAssigned { thread_id, .. }
            | Self::OwnerReminded { thread_id, .. }
            | Self::WakeRetryRequested { thread_id, .. }
            | Self::WakeCancelRequested { thread_id, .. }
            | Self::WakeSaid { thread_id, .. }
            | Self::WakeFinished { thread_id, .. } => Some(*thread_id),
        }
    }

    /// Whether a supervisor has something to look at after it.
    pub fn concerns_supervisors(&self) -> bool {
        match self {
            // A person's word, and progress, make due at once what was put off as agents' doing.
            Self::MessagePosted { message, .. } => message.may_free_wakes(),
            _ => self.concerns_claims(),
        }
    }

    /// Whether it changes of itself what a claim finds.
    const fn concerns_claims(&self) -> bool {
        matches!(
            self,
            Self::WakeRequested { .. }
                | Self::WakeReleased { .. }
                | Self::WakeDeferred { .. }
                | Self::WakeOverridden { .. }
                | Self::WakeDeclined { .. }
                | Self::WakeFinished { .. }
                | Self::WakeAttemptFailed { .. }
                | Self::WakeRetryRequested { .. }
                | Self::WakeCancelRequested { .. }
                | Self::OwnerAssigned { .. }
                // A guard that throttles agents may have put it off: a person ends that.
                | Self::WakeJoined { chain: None, .. }
                | Self::WakeJoined { due_at: Some(_), .. }
                | Self::StatusChanged { .. }
                | Self::WorkspaceHalted { .. }
                | Self::WorkspaceResumed { .. }
        )
    }

    /// Whether the thread's timeline gets a row for it. Messages are read from their own rows, acknowledgements are shown
    /// by the wakes that they end, and last words by the wake that they end.
    pub const fn is_on_timeline(&self) -> bool {
        self.thread_id().is_some()
            && !matches!(
                self,
                Self::MessagePosted { .. }
                    | Self::CursorMoved { .. }
                    | Self::WakeJoined { .. }
                    | Self::WakeSaid { .. }
            )
    }
}
