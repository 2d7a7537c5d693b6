//! One turn on a server of Codex, as a pure state machine: what happened goes in, what to do comes out.
//!
//! It reads no clock and owns no socket. What makes it careful: a turn that is sent twice runs twice, and words that are
//! sent while somebody's turn runs become part of that turn. So it looks first, says that it begins before it sends
//! anything, and when its connection breaks it looks for its own message before it says how things stand.

mod answers;
mod ends;
mod notices;
mod urgent;

use std::collections::BTreeMap;

use interlock_core::id::{SessionId, WakeId};
use serde_json::{Value, json};

use urgent::Telling;

use super::message::{Incoming, request};
use super::{greeting, newest_turn};
use crate::attempt::Input;
use crate::runtime::Heard;
use crate::shim::redact::Redactor;

/// How long a server may take to answer our greeting.
pub(crate) const GREETING_MS_MAX: u64 = 3_000;
/// How long a look at a thread may take.
pub(crate) const LOOK_MS_MAX: u64 = 3_000;
/// How long a thread may take to be loaded.
pub(crate) const LOAD_MS_MAX: u64 = 5_000;
/// How long a turn may take to end once it is interrupted.
pub(crate) const INTERRUPT_MS_MAX: u64 = 5_000;
/// How long a person's settings may take to be put back.
pub(crate) const RESTORE_MS_MAX: u64 = 1_000;
/// How long a server is looked for that was lost in the middle of a turn.
pub(crate) const REJOIN_MS_MAX: u64 = 10_000;
/// Turns of a thread's history that are looked through for our own message.
pub(crate) const HISTORY_TURNS_MAX: u32 = 100;

/// What the turn is to be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The thread to go on in; nothing = a fresh one.
    pub(crate) thread: Option<SessionId>,
    /// An earlier life may have sent it already: it is looked for, and not sent.
    pub(crate) is_in_doubt: bool,
    /// An earlier claim of ours, or its deadline, has cut it off, or was about to.
    pub(crate) is_cut: bool,
    /// Names our message in the thread's history.
    pub(crate) client_id: String,
    /// How the thread is loaded, where it is not yet.
    pub(crate) load: Value,
    /// What the turn is begun with.
    pub(crate) start: Value,
    /// The names of MCP servers that give a thread our tools for this agent.
    pub(crate) tools: Vec<&'static str>,
    /// An operator wants it whoever is at work there.
    pub(crate) is_override: bool,
    /// What its log must not show.
    pub(crate) hide: Redactor,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// There is a connection.
    Connected,
    /// There is none to be had.
    Unreachable {
        /// Nobody listens: the server is gone, and with it whatever ran there.
        is_gone: bool,
    },
    /// The connection is over.
    Gone,
    /// The server said something.
    Heard(Incoming),
    /// The server of ours has heard of a person's last words.
    Heeded {
        /// Nobody may enter the session now because of them.
        is_held: bool,
    },
    /// Something that cannot wait is there for the agent.
    Tell {
        /// The wake that it is.
        wake_id: WakeId,
        /// Up to which message.
        seq: u64,
        /// What is to be said.
        text: String,
    },
    /// Nobody would end it if its supervisor stopped: it must not begin.
    Unwatched {
        /// Why.
        why: String,
    },
    /// The start is reported: the turn may begin.
    Go,
    /// It is to end.
    Stop,
    /// It is nobody's any more: it is to end too, but what an earlier life began is not looked for to that end.
    Leave,
    /// A deadline may have passed.
    Timer,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Send this.
    Send(String),
    /// Connect again, after a pause.
    Connect,
    /// Tell our server when a person last said something there, and whether that keeps us out.
    Heed {
        /// When, by the wall clock of this machine.
        person_at_ms: u64,
    },
    /// Write down that it ends by our word, before that is sent.
    Cut,
    /// Tell the attempt.
    Say(Input),
    /// Tell the readers of the log.
    Log(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No connection yet, or none any more.
    Away,
    Greeting,
    /// Whether the thread is loaded, and what it does.
    Looking,
    /// When a person last said something in it.
    Recalling,
    /// Whether that keeps us out.
    Heeding,
    /// Our own message in its history.
    Searching,
    Loading,
    /// Which tools a thread has that somebody else loaded.
    Asking,
    /// Everything is ready, nothing is sent.
    Ready,
    /// The turn is asked for.
    Starting,
    Running,
    /// Our turn is over, a person's settings are put back.
    Restoring,
    Over,
}

/// Where one turn stands.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what was sent, told, seen and asked for comes in any order; no state machine has fewer"
)]
pub(crate) struct Turn {
    wanted: Wanted,
    stage: Stage,
    thread: Option<SessionId>,
    next_id: u64,
    /// The request whose answer the stage waits for.
    awaited: Option<u64>,
    until_ms: Option<u64>,
    pages: u32,
    /// The thread was loaded before we came: these are the settings it had.
    before: Option<Value>,
    /// Our message may be there: nothing is ever sent again without a look.
    is_sent: bool,
    /// Somebody has the thread loaded, as the last look says.
    is_loaded: bool,
    /// Something runs in the thread, as the last look says.
    is_active: bool,
    /// The attempt was told that it begins.
    is_told: bool,
    /// Somebody else's turn was seen since we looked.
    is_taken: bool,
    has_begun: bool,
    is_stopping: bool,
    /// Whose message came first in the turns that were seen: ours, or somebody else's. Theirs is the turn.
    owners: BTreeMap<String, bool>,
    /// The turn of ours, once it is known.
    ours: Option<String>,
    /// Until when a server is looked for that was lost.
    rejoin_until_ms: Option<u64>,
    /// Up to which message of each wake that cannot wait it was told.
    urgent: BTreeMap<WakeId, u64>,
    /// What it is being told now.
    telling: Option<Telling>,
    heard: Heard,
    /// How it ended, once that is known.
    end: Option<Input>,
    /// It was left without knowing its end.
    may_go_on: bool,
}

impl Turn {
    /// A turn that nothing was done for.
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self {
            stage: Stage::Away,
            thread: wanted.thread,
            next_id: 1,
            awaited: None,
            until_ms: None,
            pages: 0,
            before: None,
            is_sent: wanted.is_in_doubt,
            is_loaded: false,
            is_active: false,
            is_told: false,
            is_taken: false,
            has_begun: false,
            is_stopping: false,
            owners: BTreeMap::new(),
            ours: None,
            rejoin_until_ms: None,
            urgent: BTreeMap::new(),
            telling: None,
            heard: Heard { is_session_total: true, ..Heard::default() },
            end: None,
            may_go_on: false,
            wanted,
        }
    }

    /// Whether nothing more will come out.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether what was sent may go on, now that nothing more will come out.
    pub(crate) const fn may_go_on(&self) -> bool {
        self.may_go_on
    }

    /// The thread that it runs in, once it is known.
    pub(crate) const fn thread(&self) -> Option<SessionId> {
        self.thread
    }

    /// When to say [`Event::Timer`] next.
    pub(crate) fn timer_ms(&self) -> Option<u64> {
        self.until_ms.filter(|_| !self.is_over())
    }

    /// Take in what happened at this time.
    pub(crate) fn on(&mut self, at_ms: u64, event: Event) -> Vec<Act> {
        if self.is_over() {
            return Vec::new();
        }
        match event {
            Event::Connected => self.greet(at_ms),
            Event::Unreachable { is_gone } => self.on_unreachable(at_ms, is_gone),
            Event::Gone => self.on_gone(at_ms),
            Event::Heard(Incoming::Answer { id, result }) => self.on_answer(at_ms, id, result),
            Event::Heard(Incoming::Notice { method, params }) => self.on_notice(at_ms, &method, &params),
            Event::Heard(Incoming::Asked { method, params }) => self.on_asked(&method, &params),
            Event::Heeded { is_held } => self.on_heeded(at_ms, is_held),
            Event::Tell { wake_id, seq, text } => self.tell(wake_id, seq, &text),
            Event::Unwatched { why } => {
                self.is_told = false;
                self.unavailable(&why)
            }
            Event::Go => self.go(at_ms),
            Event::Leave if !self.is_told => self.over(Input::NotStarted),
            Event::Stop | Event::Leave => self.stop(at_ms),
            Event::Timer if self.until_ms.is_some_and(|until| at_ms >= until) => self.on_late(at_ms),
            Event::Heard(Incoming::Noise) | Event::Timer => Vec::new(),
        }
    }

    fn send(&mut self, stage: Stage, until_ms: Option<u64>, method: &str, params: &Value) -> Vec<Act> {
        let id = self.next_id;
        self.next_id += 1;
        (self.stage, self.awaited, self.until_ms) = (stage, Some(id), until_ms);
        vec![Act::Send(request(id, method, params))]
    }

    fn greet(&mut self, at_ms: u64) -> Vec<Act> {
        self.send(Stage::Greeting, Some(at_ms + GREETING_MS_MAX), "initialize", &greeting())
    }

    fn thread_text(&self) -> String {
        self.thread.map(SessionId::to_uuid_text).unwrap_or_default()
    }

    fn look(&mut self, at_ms: u64) -> Vec<Act> {
        if self.thread.is_none() {
            return self.load(at_ms);
        }
        let params = json!({"threadId": self.thread_text(), "includeTurns": false});
        self.send(Stage::Looking, Some(at_ms + LOOK_MS_MAX), "thread/read", &params)
    }

    fn search(&mut self, at_ms: u64, cursor: Option<&str>) -> Vec<Act> {
        self.pages += 1;
        let params = newest_turn(&self.thread_text(), cursor);
        self.send(Stage::Searching, Some(at_ms + LOOK_MS_MAX), "thread/turns/list", &params)
    }

    fn recall(&mut self, at_ms: u64) -> Vec<Act> {
        let params = newest_turn(&self.thread_text(), None);
        self.send(Stage::Recalling, Some(at_ms + LOOK_MS_MAX), "thread/turns/list", &params)
    }

    fn load(&mut self, at_ms: u64) -> Vec<Act> {
        let mut params = self.wanted.load.clone();
        let method = match (self.thread, params.as_object_mut()) {
            (Some(thread), Some(params)) => {
                params.insert("threadId".into(), thread.to_uuid_text().into());
                params.insert("excludeTurns".into(), true.into());
                "thread/resume"
            }
            _ => "thread/start",
        };
        self.send(Stage::Loading, Some(at_ms + LOAD_MS_MAX), method, &params)
    }

    fn go(&mut self, at_ms: u64) -> Vec<Act> {
        if self.stage != Stage::Ready {
            return Vec::new();
        }
        if let Some(end) = self.end.take() {
            return self.found_over(end);
        }
        if self.ours.is_some() {
            // Found running: there is nothing to send.
            return self.begun(at_ms);
        }
        if self.is_taken {
            return self.over(Input::SessionBusy);
        }
        let mut params = self.wanted.start.clone();
        if let Some(params) = params.as_object_mut() {
            params.insert("threadId".into(), self.thread_text().into());
            params.insert("clientUserMessageId".into(), self.wanted.client_id.clone().into());
        }
        self.is_sent = true;
        // How long it may take to be accepted the attempt knows.
        self.send(Stage::Starting, None, "turn/start", &params)
    }
}

/// Turns that are told apart while ours runs.
const OWNERS_MAX: usize = 64;
/// SIGKILL, as which the end of a server counts.
const KILLED: i32 = 9;

#[cfg(test)]
mod tests;
