//! What a thread is: its status graph, participants, messages and findings.

use std::collections::BTreeMap;

use crate::actor::{AgentName, closed_set};
use crate::agent::Label;
use crate::guard::{Pace, Said};
use crate::id::{FindingId, MessageId, SessionId, ThreadId, WakeId};
use crate::limits::{ACKS_MAX, SESSION_FAILURES_MAX};
use crate::reason::Reason;
use crate::session::Session;
use crate::text::{Digest, Salt};
use crate::time::Timestamp;
use crate::wake::{Chain, Usage};

closed_set! {
    /// Where a thread stands (docs/messaging.md).
    Status {
        /// Work goes on; wakes are dispatched.
        Active = "active",
        /// Work waits for somebody; nothing is dispatched.
        Blocked = "blocked",
        /// The work is done.
        Resolved = "resolved",
        /// The end.
        Closed = "closed",
    }
}

impl Status {
    /// Whether a thread may go from this status to that one. The same status again is no change and always fine.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Active, Self::Blocked | Self::Resolved | Self::Closed)
                | (Self::Blocked | Self::Resolved, Self::Active | Self::Closed)
        )
    }

    /// Whether messages may be posted.
    pub const fn takes_messages(self) -> bool {
        matches!(self, Self::Active | Self::Blocked)
    }
}

closed_set! {
    /// What a thread is for.
    ThreadKind {
        /// Talk.
        Conversation = "conversation",
        /// Work towards a result.
        Workflow = "workflow",
        /// Something broke.
        Incident = "incident",
    }
}

closed_set! {
    /// A participant's part in one thread.
    ThreadRole {
        /// Takes part.
        Participant = "participant",
        /// Leads: changes the thread's status, has the last word.
        Coordinator = "coordinator",
    }
}

closed_set! {
    /// What a message is.
    MessageKind {
        /// Free text.
        Chat = "chat",
        /// Something that happened, with data for machines.
        Event = "event",
        /// Said by Interlock itself.
        System = "system",
    }
}

closed_set! {
    /// Which lane a message takes. `seq` does not depend on it.
    Priority {
        /// In its turn.
        Normal = "normal",
        /// Before everything that is not.
        Urgent = "urgent",
    }
}

impl Priority {
    /// Whether it is the one that is not written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(crate) const fn is_normal(&self) -> bool {
        matches!(self, Self::Normal)
    }

    const fn normal() -> Self {
        Self::Normal
    }
}

closed_set! {
    /// Whether a message still counts; computed when it is read.
    MessageState {
        /// It counts.
        Live = "live",
        /// Its time is over.
        Expired = "expired",
        /// Another message stands in its place.
        Superseded = "superseded",
        /// It was taken back.
        Cancelled = "cancelled",
    }
}

/// That a message was taken back, or another stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Withdrawal {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: AgentName,
    /// The message in its place, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MessageId>,
    /// Why, in words: free text, beside the log.
    #[serde(skip)]
    pub text: String,
    /// The reason's salt.
    #[serde(skip)]
    pub text_salt: Salt,
}

/// Event types with a meaning of their own (docs/messaging.md).
pub mod event_type {
    /// A commit was made for the thread.
    pub const FIX_PUSHED: &str = "fix_pushed";
    /// The work is ready to be looked at again.
    pub const RE_REVIEW_REQUESTED: &str = "re_review_requested";
    /// The reviewer found something.
    pub const FINDING_REPORTED: &str = "finding_reported";
    /// A finding is mended.
    pub const FINDING_VERIFIED: &str = "finding_verified";
    /// A finding is still there.
    pub const FINDING_REJECTED: &str = "finding_rejected";
    /// A finding that its addressee cannot mend.
    pub const FINDING_UNRESOLVED: &str = "finding_unresolved";
    /// Emitted when a thread is resolved; nobody may post it.
    pub const THREAD_RESOLVED: &str = "thread_resolved";
    /// Emitted when a thread is blocked; nobody may post it.
    pub const THREAD_ESCALATED: &str = "thread_escalated";
    /// Emitted on every other change of status; nobody may post it.
    pub const THREAD_STATUS_CHANGED: &str = "thread_status_changed";
    /// Said by Interlock to whoever must act in a blocked thread from now on; nobody may post it.
    pub const ESCALATION_ASSIGNED: &str = "escalation_assigned";
    /// Said by Interlock to whoever must act in a blocked thread and has not yet; nobody may post it.
    pub const ESCALATION_REMINDER: &str = "escalation_reminder";
    /// Work is given to a participant by whoever leads.
    pub const TASK_ASSIGNED: &str = "task_assigned";

    /// Emitted when an operator has an agent woken although a person is at work in its session; nobody may post it.
    pub const WAKE_OVERRIDDEN: &str = "wake_overridden";

    /// Said by Interlock to whoever answers for the thread when no supervisor takes a wake; nobody may post it.
    pub const WAKE_STRANDED: &str = "wake_stranded";

    /// Types that only rules emit.
    pub const RESERVED: [&str; 7] = [
        THREAD_RESOLVED,
        THREAD_ESCALATED,
        THREAD_STATUS_CHANGED,
        ESCALATION_ASSIGNED,
        ESCALATION_REMINDER,
        WAKE_OVERRIDDEN,
        WAKE_STRANDED,
    ];
    /// The others: types that anybody who takes part may post.
    pub const POSTED: [&str; 7] = [
        FIX_PUSHED,
        RE_REVIEW_REQUESTED,
        FINDING_REPORTED,
        FINDING_VERIFIED,
        FINDING_REJECTED,
        FINDING_UNRESOLVED,
        TASK_ASSIGNED,
    ];
}

/// One participant as the thread's row holds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// The part in this thread.
    pub role: ThreadRole,
    /// The highest `seq` acknowledged; never goes back.
    pub cursor: u64,
    /// Whether a supervisor can wake it; frozen when it joined.
    pub managed: bool,
    /// The label that its supervisor must have; absent = any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Label>,
    /// The `seq` of the thread's last message when it joined: what was said before was not for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since_seq: u64,
    /// Its last acknowledgements, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acks: Vec<Acked>,
    /// The runtime's session to resume for this participant in this thread: the conversation that it remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// When that session last showed a sign of life: a turn began, was accepted or ended in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_at: Option<Timestamp>,
    /// When attempts failed in that session since the last good one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_failures: Vec<Timestamp>,
    /// What was told to have been used in that session so far.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub session_usage: Usage,
    /// When it was woken of late.
    #[serde(default, skip_serializing_if = "Pace::is_none")]
    pub pace: Pace,
    /// What it said last, and how often in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What a wake of it was for that came to nothing: it is asked for again when the thread goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
}

/// Messages that a participant could not be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owed {
    /// The highest `seq` of them.
    pub seq: u64,
    /// When the last of them no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Owed {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        let until = self.until.zip(other.until).map(|(one, two)| one.max(two));
        Self { seq: self.seq.max(other.seq), until }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_none(number: &u32) -> bool {
    *number == 0
}

/// One acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acked {
    /// Up to where.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// When somebody acknowledged a message, as far as that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenAt {
    /// Then.
    At(Timestamp),
    /// Then or before.
    NoLaterThan(Timestamp),
}

impl Member {
    /// When it acknowledged the message with this `seq`; nothing while it has not.
    pub fn seen(&self, seq: u64) -> Option<SeenAt> {
        let place = self.acks.iter().position(|acked| acked.seq >= seq)?;
        let at = self.acks.get(place)?.at;
        // The first that is remembered may have had one before it that is not.
        let is_first = place == 0 && self.acks.len() >= ACKS_MAX;
        Some(if is_first { SeenAt::NoLaterThan(at) } else { SeenAt::At(at) })
    }

    /// When its session last showed a sign of life: in a turn of ours, or to whoever was seen at work in it.
    pub fn last_life(&self, seen: Option<&Session>) -> Option<Timestamp> {
        self.session_at.map(|at| seen.map_or(at, |session| at.max(session.seen_at)))
    }

    /// Its session is alive at this time.
    pub(crate) fn note_life(&mut self, at: Timestamp) {
        if self.session.is_some() {
            self.session_at = Some(at);
        }
    }

    /// An attempt in its session failed, or went well.
    pub(crate) fn note_attempt(&mut self, at: Timestamp, is_good: bool) {
        if is_good {
            self.session_failures.clear();
        } else if self.session.is_some() {
            if self.session_failures.len() >= SESSION_FAILURES_MAX {
                self.session_failures.remove(0);
            }
            self.session_failures.push(at);
        }
    }

    pub(crate) fn note_ack(&mut self, acked: Acked) {
        if self.acks.len() >= ACKS_MAX {
            self.acks.remove(0);
        }
        self.acks.push(acked);
    }
}

/// The counters of the loop guard, in the same row as what they guard.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Guard {
    /// Finished wakes since the last progress.
    pub turns: u32,
    /// Finished wakes in all.
    pub turns_total: u64,
    /// Commits already announced as `fix_pushed`; a repeated one is no progress. The last 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
    /// How many of them counted as progress in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pushes: u64,
    /// When the last progress was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_at: Option<Timestamp>,
    /// When the last progress was made, or a person, or a program that no supervisor runs, last said something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attended_at: Option<Timestamp>,
    /// What models used for the thread since a person last let it go on after it was blocked.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub spent: Usage,
    /// What models used for the thread in all.
    #[serde(default, skip_serializing_if = "Usage::is_none")]
    pub spent_total: Usage,
}

/// A thread with its participants: the row that every post reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Thread {
    /// Its id.
    pub thread_id: ThreadId,
    /// What it is for.
    pub kind: ThreadKind,
    /// Where it stands.
    pub status: Status,
    /// Why it is blocked, or how it ended.
    pub reason: Option<Reason>,
    /// Who must act while it is blocked.
    pub owner: Option<AgentName>,
    /// Who opened it.
    pub created_by: AgentName,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The `seq` of its last message; 0 = none yet.
    pub seq: u64,
    /// Who takes part.
    pub members: BTreeMap<AgentName, Member>,
    /// The loop guard's counters.
    #[serde(default)]
    pub guard: Guard,
    /// What is known of the escalation while it is blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// The title: free text, beside the log.
    #[serde(skip)]
    pub title: String,
    /// The title's salt.
    #[serde(skip)]
    pub title_salt: Salt,
}

/// That a blocked thread waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Escalation {
    /// Since when the thread is blocked.
    pub since: Timestamp,
    /// Who named whoever must act: by blocking the thread, or later.
    pub assigned_by: AgentName,
    /// When.
    pub assigned_at: Timestamp,
    /// Why, in words; empty where it was the blocking itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the ledger's digest of the words is salted with.
    #[serde(default)]
    pub salt: [u8; 16],
    /// Whether a person named whoever must act, after the thread was blocked: an agent, too, may then let it go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_entrusted: bool,
    /// How often whoever must act was told again.
    #[serde(default)]
    pub reminders: u32,
    /// When it was told again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
}

impl Thread {
    /// Whether wakes of this participant are held back: in a thread that is not active everybody's are, but for those of
    /// whoever must act in it. A paused thread waits for nobody.
    pub fn is_held_for(&self, agent: &AgentName) -> bool {
        let acts = self.status == Status::Blocked
            && self.reason != Some(Reason::Paused)
            && self.owner.as_ref() == Some(agent);
        self.status != Status::Active && !acts
    }

    /// Whether a wake of this participant that such a chain asks for is held back. In a blocked thread agents' words wake
    /// nobody, not even whoever must act: two of them would wake each other there, and no guard would count.
    pub(crate) fn holds_back(&self, agent: &AgentName, chain: Option<&Chain>) -> bool {
        let is_by_agents = chain.is_some_and(|chain| !chain.is_escalation);
        self.is_held_for(agent) || (self.status == Status::Blocked && is_by_agents)
    }
}

/// A message as it is stored and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The thread it was posted in.
    pub thread_id: ThreadId,
    /// Everything but the free text.
    pub head: MessageHead,
    /// The free text.
    pub text: MessageText,
    /// Set when it was taken back.
    pub withdrawal: Option<Withdrawal>,
}

impl Message {
    /// Whether it counts at this time. What was taken back before its time was over was taken back.
    pub fn state(&self, now: Timestamp) -> MessageState {
        match &self.withdrawal {
            Some(withdrawal) if withdrawal.superseded_by.is_some() => MessageState::Superseded,
            Some(_) => MessageState::Cancelled,
            None if self.head.is_expired(now) => MessageState::Expired,
            None => MessageState::Live,
        }
    }
}

impl MessageHead {
    /// Whether a person says it, or a program that no supervisor runs.
    pub(crate) fn is_from_outside(&self) -> bool {
        self.hops == 0 && self.kind != MessageKind::System
    }

    /// Whether it may make due what was put off as agents' doing: somebody looks after the thread, or it may be progress.
    pub(crate) fn may_free_wakes(&self) -> bool {
        let may_be_progress = [event_type::FIX_PUSHED, event_type::FINDING_VERIFIED];
        self.is_from_outside()
            || self.event_type.as_deref().is_some_and(|name| may_be_progress.contains(&name))
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What somebody did about a message: its first message that answers it or follows from it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// Who.
    pub agent: AgentName,
    /// The message that answers.
    pub message_id: MessageId,
    /// Its `seq`.
    pub seq: u64,
    /// When it was posted.
    pub at: Timestamp,
}

/// A message without its free text: what the ledger entry holds of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MessageHead {
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the thread: 1, 2, 3 without gaps.
    pub seq: u64,
    /// What it is.
    pub kind: MessageKind,
    /// The event's type, for events and system messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The version of that event type's data.
    pub event_version: u32,
    /// The version of the message's shape.
    pub schema_version: u32,
    /// Who posted it.
    pub from: AgentName,
    /// Whom it is for; empty = everybody but the sender.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<AgentName>,
    /// The thread role it is for, where it was addressed so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_role: Option<ThreadRole>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// Which lane it takes.
    #[serde(default = "Priority::normal", skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// When it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The message it stands in the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MessageId>,
    /// What it follows from, besides what it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<MessageId>,
    /// The finding it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding_id: Option<FindingId>,
    /// The commit it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The wake in whose run it was posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_id: Option<WakeId>,
    /// How many agents' messages led to it and each other's wakes, itself counted; 0 = a person's, or a program's that
    /// no supervisor runs.
    #[serde(default, skip_serializing_if = "is_none")]
    pub hops: u32,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The salted digest of body and data.
    pub text_digest: Digest,
}

/// A message's free text, kept beside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageText {
    /// Text for people.
    pub body: String,
    /// The event's data as JSON text; empty = none.
    pub data: String,
    /// Fields that no version known here has, as JSON text; empty = none.
    pub extra: String,
    /// Makes the digest useless for guessing short texts.
    pub salt: Salt,
}

impl MessageText {
    /// The digest the ledger holds of this text.
    pub fn digest(&self) -> Digest {
        let mut parts = vec![self.body.as_bytes(), self.data.as_bytes()];
        if !self.extra.is_empty() {
            parts.push(self.extra.as_bytes());
        }
        crate::text::digest(&self.salt, &parts)
    }
}

closed_set! {
    /// Where a finding stands.
    FindingState {
        /// Reported, not mended.
        Open = "open",
        /// Mended, as its reporter says.
        Verified = "verified",
        /// Its addressee cannot mend it.
        Unresolved = "unresolved",
    }
}

/// A finding of a thread.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// Its id, minted by its reporter.
    pub finding_id: FindingId,
    /// The thread it was reported in.
    pub thread_id: ThreadId,
    /// Digest of path, rule and message with the thread's salt: two findings of it are identical when this is equal.
    pub print: Digest,
    /// Where it stands.
    pub state: FindingState,
    /// How often it was reported or rejected since it was last verified.
    pub cycles: u32,
    /// The `seq` of the message that reported it first.
    pub reported_seq: u64,
    /// The commit that settled it.
    pub commit: Option<String>,
}
