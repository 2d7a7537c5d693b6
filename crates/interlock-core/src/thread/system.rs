//! What Interlock says itself in a thread.

use super::{MessageHead, MessageKind, MessageText, Priority};
use crate::actor::AgentName;
use crate::command::Envelope;
use crate::event::Event;
use crate::id::{MessageId, ThreadId};
use crate::text::Salt;
use crate::time::Now;

/// What is said.
pub(crate) struct Said<'a> {
    /// Of which kind it is.
    pub(crate) event_type: &'a str,
    /// To whom; empty = to everybody.
    pub(crate) to: Vec<AgentName>,
    /// In words.
    pub(crate) body: &'a str,
    /// For machines, as JSON.
    pub(crate) data: String,
    /// Its place in the thread.
    pub(crate) seq: u64,
    /// The number of its id and salt among those that the envelope makes.
    pub(crate) number: u32,
}

impl Said<'_> {
    /// The id that its message will have.
    pub(crate) fn message_id(&self, env: &Envelope, now: &Now) -> MessageId {
        MessageId::derive(now.wall, &env.entropy, self.number)
    }
}

/// That it is said in this thread.
pub(crate) fn said(env: &Envelope, thread_id: ThreadId, said: Said<'_>, now: &Now) -> Event {
    let (message, text) = message(env, said, now);
    // Guards look at what agents say.
    Event::MessagePosted {
        thread_id,
        message,
        finding_print: None,
        said_print: None,
        is_verified_again: false,
        text,
    }
}

fn message(env: &Envelope, said: Said<'_>, now: &Now) -> (MessageHead, MessageText) {
    let message_id = said.message_id(env, now);
    let text = MessageText {
        body: said.body.to_owned(),
        data: said.data,
        extra: String::new(),
        salt: Salt::derive(&env.entropy, said.number),
    };
    let head = MessageHead {
        message_id,
        seq: said.seq,
        kind: MessageKind::System,
        event_type: Some(said.event_type.to_owned()),
        event_version: 1,
        schema_version: 1,
        from: env.actor.name.clone(),
        to: said.to,
        to_role: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires_at: None,
        supersedes: None,
        parents: Vec::new(),
        finding_id: None,
        commit: None,
        wake_id: env.actor.wake_id,
        hops: 0,
        posted_at: now.wall,
        text_digest: text.digest(),
    };
    (head, text)
}
