//! Messages on the wire.

use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{MessageKind, MessageState, Priority, Status, ThreadRole};
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Data of an event: an object, kept as it was sent.
pub type Data = serde_json::Map<String, serde_json::Value>;

/// A message as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MessageView {
    /// Its id.
    pub message_id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its place in the thread: 1, 2, 3 without gaps.
    pub seq: u64,
    /// What it is.
    pub kind: MessageKind,
    /// The event's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The version of the event's data.
    pub event_version: u32,
    /// The version of the message's shape.
    pub schema_version: u32,
    /// Who posted it.
    pub from: AgentName,
    /// Whom it is for; empty = everybody but the sender.
    pub to: Vec<AgentName>,
    /// The thread role it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_role: Option<ThreadRole>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// Which lane it takes; absent = normal.
    #[serde(default = "normal", skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// When it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The message it stands in the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MessageId>,
    /// What it follows from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<MessageId>,
    /// Whether it counts now; absent = live.
    #[serde(default = "live", skip_serializing_if = "is_live")]
    pub state: MessageState,
    /// The message that stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MessageId>,
    /// Who took it back or put another in its place, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<WithdrawalView>,
    /// How many agents' messages led to one another, this one counted; absent = a person, or a program that no supervisor
    /// runs, said it.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub hops: u32,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// Text for people.
    pub body: String,
    /// The event's data.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Data,
    /// What its sender sent besides, of a version that this one does not know.
    #[serde(flatten)]
    pub extra: Data,
}

impl MessageView {
    /// What the server says of a message, besides what its sender sent: a sender's field of such a name is not kept.
    pub const SAID_BY_SERVER: [&str; 8] =
        ["message_id", "seq", "from", "state", "superseded_by", "withdrawal", "hops", "posted_at"];
}

/// That a message does not count any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawalView {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: AgentName,
    /// Why, in words; absent = none were given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Parameters of `post_message`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PostMessageParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// `chat` or `event`; `chat` unless said otherwise.
    #[serde(default = "chat")]
    pub kind: MessageKind,
    /// The event's type, for events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The version of the event's data; 1 unless said otherwise.
    #[serde(default = "one")]
    pub event_version: u32,
    /// The version of the message's shape; 1 unless said otherwise.
    #[serde(default = "one")]
    pub schema_version: u32,
    /// Text for people, at most 32 KiB.
    #[serde(default)]
    pub body: String,
    /// The event's data, at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Whom it is for; empty = everybody but you.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<AgentName>,
    /// The thread role it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_role: Option<ThreadRole>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<MessageId>,
    /// `urgent` goes before what is not, in inboxes and among wakes; `normal` unless said otherwise.
    #[serde(default = "normal", skip_serializing_if = "is_normal")]
    pub priority: Priority,
    /// When it no longer counts: nobody is woken for it after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// For how long it counts, at most a year; not together with `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// The message it stands in the place of: yours, or any when you lead the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<MessageId>,
    /// What it follows from, at most 16 messages of the thread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<MessageId>,
    /// Fields that this version does not know are kept with the message, at most 16 KiB.
    #[serde(flatten)]
    pub extra: Data,
}

impl PostMessageParams {
    /// An empty chat message to everybody else in the thread: the ground to fill in the rest of.
    pub fn to_all(thread_id: ThreadId) -> Self {
        Self {
            thread_id,
            kind: MessageKind::Chat,
            event_type: None,
            event_version: 1,
            schema_version: 1,
            body: String::new(),
            data: None,
            to: Vec::new(),
            to_role: None,
            in_reply_to: None,
            priority: Priority::Normal,
            expires_at: None,
            expires_in_ms: None,
            supersedes: None,
            parents: Vec::new(),
            extra: Data::new(),
        }
    }
}

const fn normal() -> Priority {
    Priority::Normal
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

const fn live() -> MessageState {
    MessageState::Live
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_live(state: &MessageState) -> bool {
    *state == MessageState::Live
}

const fn chat() -> MessageKind {
    MessageKind::Chat
}

const fn one() -> u32 {
    1
}

/// Answer of `post_message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostMessageResponse {
    /// The message.
    pub message_id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its place in the thread.
    pub seq: u64,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The index of its ledger entry: durable and provable when you read this.
    pub ledger_index: u64,
}

/// Parameters of `cancel_message`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CancelMessageParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The message.
    pub message_id: MessageId,
    /// Why, in words, at most 2,000 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Parameters of `read_messages`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReadMessagesParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Messages after this `seq`; 0 = from the beginning.
    #[serde(default)]
    pub after_seq: u64,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first message, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `read_messages`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReadMessagesResponse {
    /// In the order of `seq`.
    pub messages: Vec<MessageView>,
    /// Pass it as `after_seq` to go on.
    pub next_seq: u64,
    /// Whether there is more already.
    pub has_more: bool,
    /// The `seq` you have acknowledged; 0 when you take no part.
    pub acked_seq: u64,
}

/// Parameters of `ack_read`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AckReadParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// Everything up to here was read.
    pub seq: u64,
}

/// Answer of `ack_read`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AckReadResponse {
    /// The thread.
    pub thread_id: ThreadId,
    /// The cursor now; never below what it was.
    pub acked_seq: u64,
}

/// Parameters of `inbox`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct InboxParams {
    /// How long to wait for the first unread message, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// A thread with something unread.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct InboxItem {
    /// The thread.
    pub thread_id: ThreadId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// The `seq` you have acknowledged.
    pub acked_seq: u64,
    /// The `seq` of its last message.
    pub last_seq: u64,
    /// Messages after your cursor that are for you and still count.
    pub unread: u32,
    /// Those of them that are urgent.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub urgent: u32,
    /// There was too much to look at all of it: at least so many are unread, and maybe none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread_is_minimum: bool,
}

/// Answer of `inbox`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct InboxResponse {
    /// The threads, those with something urgent first, then newest first; at most 200.
    pub threads: Vec<InboxItem>,
}
