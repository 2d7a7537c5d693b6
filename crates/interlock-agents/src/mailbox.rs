//! What an agent needs of the server, as a seam: the real one calls the API, tests hold the thread in memory.

use std::future::Future;

use interlock_api::Problem;
use interlock_api::v1::message::{Data, MessageView};
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::thread::{Status, ThreadRole};

/// A participant of the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub name: AgentName,
    /// With which part.
    pub role: ThreadRole,
    /// Whether a message to it starts a process.
    pub managed: bool,
}

/// The thread as it is now.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Where it stands.
    pub status: Status,
    /// Who takes part.
    pub peers: Vec<Peer>,
    /// Everything that was said, in order.
    pub messages: Vec<MessageView>,
    /// The `seq` this agent has acknowledged.
    pub acked_seq: u64,
}

impl Thread {
    /// The `seq` of the last message; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        self.messages.last().map_or(0, |message| message.seq)
    }

    /// A participant.
    pub fn peer(&self, name: &AgentName) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.name == *name)
    }
}

/// A message to be posted, once: the same key and content however often it is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// What makes it this message and no other.
    pub key: String,
    /// Its event type; a chat message has none.
    pub event_type: Option<&'static str>,
    /// Whom it is for; empty = everybody.
    pub to: Vec<AgentName>,
    /// Text for people.
    pub body: String,
    /// Data for machines.
    pub data: Data,
}

/// A change of the thread's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// What makes it this change and no other.
    pub key: String,
    /// The status wanted.
    pub status: Status,
    /// Which kind of reason.
    pub reason: Reason,
    /// The reason in words.
    pub text: String,
    /// Who must act now.
    pub owner: Option<AgentName>,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MailError {
    /// The server stayed away until the time was up.
    #[error("{0}")]
    Away(Problem),
    /// The server said no.
    #[error("{0}")]
    Refused(Problem),
}

/// An agent's side of one thread.
pub trait Mailbox {
    /// The whole thread: an agent keeps nothing between two wakes.
    fn read(&self) -> impl Future<Output = Result<Thread, MailError>>;
    /// Posts a message; one with this key that is already there counts as posted.
    fn post(&self, post: &Post) -> impl Future<Output = Result<(), MailError>>;
    /// Acknowledges everything up to `seq`.
    fn ack(&self, seq: u64) -> impl Future<Output = Result<(), MailError>>;
    /// Changes the thread's status.
    fn close(&self, close: &Close) -> impl Future<Output = Result<(), MailError>>;
}
