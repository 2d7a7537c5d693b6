//! For tests: a thread in memory that behaves like the server's, and messages to fill it with.

use std::cell::{Cell, RefCell};

use interlock_api::Problem;
use interlock_api::v1::message::{Data, MessageView};
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{MessageKind, MessageState, Priority, Status, ThreadRole};
use interlock_core::time::Timestamp;
use serde_json::Value;

use crate::mailbox::{Close, MailError, Mailbox, Peer, Post, Thread};

pub(crate) fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

pub(crate) fn thread_id() -> ThreadId {
    ThreadId::from_u128(7)
}

/// A thread of `person`, `executor` and `reviewer`, who leads, without messages.
pub(crate) fn thread() -> Thread {
    let peer = |text: &str, role, managed| Peer { name: name(text), role, managed };
    Thread {
        status: Status::Active,
        peers: vec![
            peer("executor", ThreadRole::Participant, true),
            peer("person", ThreadRole::Coordinator, false),
            peer("reviewer", ThreadRole::Coordinator, true),
        ],
        messages: Vec::new(),
        acked_seq: 0,
    }
}

/// Adds a message; an empty `event_type` is free text, an empty `to` everybody.
pub(crate) fn say(thread: &mut Thread, from: &str, to: &str, event_type: &str, data: &Value) {
    let seq = thread.last_seq() + 1;
    thread.messages.push(MessageView {
        hops: 0,
        message_id: MessageId::from_u128(u128::from(seq)),
        thread_id: thread_id(),
        seq,
        kind: if event_type.is_empty() { MessageKind::Chat } else { MessageKind::Event },
        event_type: (!event_type.is_empty()).then(|| event_type.to_owned()),
        event_version: 1,
        schema_version: 1,
        from: name(from),
        to: if to.is_empty() { Vec::new() } else { vec![name(to)] },
        to_role: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires_at: None,
        supersedes: None,
        parents: Vec::new(),
        state: MessageState::Live,
        superseded_by: None,
        withdrawal: None,
        posted_at: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(seq).unwrap()),
        body: "text".to_owned(),
        data: data.as_object().cloned().unwrap_or_default(),
        extra: serde_json::Map::new(),
    });
}

/// The server's side of the thread.
pub(crate) struct Stage {
    thread: RefCell<Thread>,
    keys: RefCell<Vec<(String, String)>>,
    cursors: RefCell<Vec<(AgentName, u64)>>,
    pub(crate) closed: RefCell<Option<Close>>,
    /// Mutations until the agent is cut off, as if it were killed; none = never.
    pub(crate) fuse: Cell<Option<usize>>,
}

impl Stage {
    pub(crate) fn new(thread: Thread) -> Self {
        Self {
            thread: RefCell::new(thread),
            keys: RefCell::default(),
            cursors: RefCell::default(),
            closed: RefCell::default(),
            fuse: Cell::new(None),
        }
    }

    pub(crate) fn seat(&self, agent: &str) -> Seat<'_> {
        Seat { stage: self, me: name(agent) }
    }

    pub(crate) fn thread(&self) -> Thread {
        self.thread.borrow().clone()
    }

    /// Whether anything was said to an agent since it last acknowledged.
    pub(crate) fn is_due(&self, agent: &str) -> bool {
        let me = name(agent);
        let cursor = self.cursor(&me);
        let thread = self.thread.borrow();
        thread.status == Status::Active
            && thread.messages.iter().any(|message| {
                message.seq > cursor
                    && message.from != me
                    && (message.to.is_empty() || message.to.contains(&me))
            })
    }

    fn cursor(&self, me: &AgentName) -> u64 {
        self.cursors.borrow().iter().filter(|(name, _)| name == me).map(|(_, seq)| *seq).max().unwrap_or(0)
    }

    fn burn(&self) -> Result<(), MailError> {
        match self.fuse.get() {
            Some(0) => Err(MailError::Away(Problem::new(Reason::ServerUnreachable, "cut off", ""))),
            Some(left) => {
                self.fuse.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the key is new; the same key with other content is a failed test.
    fn is_new(&self, key: &str, content: String) -> bool {
        let mut keys = self.keys.borrow_mut();
        if let Some((_, known)) = keys.iter().find(|(known, _)| known == key) {
            assert_eq!(*known, content, "`{key}` was used for something else");
            return false;
        }
        keys.push((key.to_owned(), content));
        true
    }
}

/// One agent's side of a stage.
pub(crate) struct Seat<'a> {
    stage: &'a Stage,
    me: AgentName,
}

impl Mailbox for Seat<'_> {
    async fn read(&self) -> Result<Thread, MailError> {
        let mut thread = self.stage.thread();
        thread.acked_seq = self.stage.cursor(&self.me);
        Ok(thread)
    }

    async fn post(&self, post: &Post) -> Result<(), MailError> {
        self.stage.burn()?;
        assert!(post.key.len() <= 200, "{}", post.key);
        if self.stage.is_new(&format!("{} {}", self.me, post.key), format!("{post:?}")) {
            let data = Value::Object(Data::clone(&post.data));
            let event_type = post.event_type.unwrap_or_default();
            let mut thread = self.stage.thread.borrow_mut();
            say(&mut thread, self.me.as_str(), "", event_type, &data);
            if let Some(last) = thread.messages.last_mut() {
                last.to.clone_from(&post.to);
                last.body.clone_from(&post.body);
            }
        }
        Ok(())
    }

    async fn ack(&self, seq: u64) -> Result<(), MailError> {
        self.stage.burn()?;
        self.stage.cursors.borrow_mut().push((self.me.clone(), seq));
        Ok(())
    }

    async fn close(&self, close: &Close) -> Result<(), MailError> {
        self.stage.burn()?;
        if self.stage.is_new(&format!("{} {}", self.me, close.key), format!("{close:?}")) {
            self.stage.thread.borrow_mut().status = close.status;
            *self.stage.closed.borrow_mut() = Some(close.clone());
        }
        Ok(())
    }
}
