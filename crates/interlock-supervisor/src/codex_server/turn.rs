//! One turn on a server of Codex, as a pure state machine: what happened goes in, what to do comes out.
//!
//! It reads no clock and owns no socket. What makes it careful: a turn that is sent twice runs twice, and words that are
//! sent while somebody's turn runs become part of that turn. So it looks first, says that it begins before it sends
//! anything, and when its connection breaks it looks for its own message before it says how things stand.

use std::collections::BTreeMap;

use interlock_core::id::SessionId;
use interlock_core::wake::TurnFault;
use serde_json::{Value, json};

use super::history::{self, Found};
use super::item;
use super::message::{Incoming, Refused, notification, request};
use crate::attempt::Input;
use crate::runtime::text::{cut, member};
use crate::runtime::{Fault, Heard};
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
pub(crate) const HISTORY_TURNS_MAX: u32 = 20;

/// What the turn is to be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The thread to go on in; nothing = a fresh one.
    pub(crate) thread: Option<SessionId>,
    /// An earlier life may have sent it already: it is looked for first.
    pub(crate) is_in_doubt: bool,
    /// Names our message in the thread's history.
    pub(crate) client_id: String,
    /// How the thread is loaded, where it is not yet.
    pub(crate) load: Value,
    /// What the turn is begun with.
    pub(crate) start: Value,
    /// The names of MCP servers that give a thread our tools for this agent.
    pub(crate) tools: Vec<&'static str>,
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
    /// The start is reported: the turn may begin.
    Go,
    /// It is to end.
    Stop,
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
    /// The attempt was told that it begins.
    is_told: bool,
    /// Somebody else's turn was seen since we looked.
    is_taken: bool,
    has_begun: bool,
    is_stopping: bool,
    /// Whose message came first in the turns that were seen: ours, or somebody else's. Theirs is the turn.
    owners: BTreeMap<String, bool>,
    turn: Option<String>,
    /// Until when a server is looked for that was lost.
    rejoin_until_ms: Option<u64>,
    heard: Heard,
    /// How it ended, once that is known.
    end: Option<Input>,
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
            is_told: false,
            is_taken: false,
            has_begun: false,
            is_stopping: false,
            owners: BTreeMap::new(),
            turn: None,
            rejoin_until_ms: None,
            heard: Heard { is_session_total: true, ..Heard::default() },
            end: None,
            wanted,
        }
    }

    /// Whether nothing more will come out.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
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
            Event::Heard(Incoming::Noise) => Vec::new(),
            Event::Go => self.go(at_ms),
            Event::Stop => self.stop(at_ms),
            Event::Timer if self.until_ms.is_some_and(|until| at_ms >= until) => self.on_late(at_ms),
            Event::Timer => Vec::new(),
        }
    }

    // What is sent.

    fn send(&mut self, stage: Stage, until_ms: Option<u64>, method: &str, params: &Value) -> Vec<Act> {
        let id = self.next_id;
        self.next_id += 1;
        (self.stage, self.awaited, self.until_ms) = (stage, Some(id), until_ms);
        vec![Act::Send(request(id, method, params))]
    }

    fn greet(&mut self, at_ms: u64) -> Vec<Act> {
        let client = json!({"name": "interlock", "title": "Interlock", "version": env!("CARGO_PKG_VERSION")});
        let params = json!({"clientInfo": client, "capabilities": {"experimentalApi": true}});
        self.send(Stage::Greeting, Some(at_ms + GREETING_MS_MAX), "initialize", &params)
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

    /// One turn a page, so that a page is never longer than a turn.
    fn search(&mut self, at_ms: u64, cursor: Option<&str>) -> Vec<Act> {
        self.pages += 1;
        let params = json!({
            "threadId": self.thread_text(), "limit": 1, "sortDirection": "desc", "itemsView": "full", "cursor": cursor,
        });
        self.send(Stage::Searching, Some(at_ms + LOOK_MS_MAX), "thread/turns/list", &params)
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
        if self.turn.is_some() {
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

    // What ends it.

    fn over(&mut self, end: Input) -> Vec<Act> {
        (self.stage, self.until_ms, self.awaited) = (Stage::Over, None, None);
        vec![Act::Say(end)]
    }

    /// What the runtime has told goes before how it ended.
    fn over_with_word(&mut self, end: Input) -> Vec<Act> {
        let mut acts = vec![Act::Say(Input::Heard(self.heard))];
        acts.extend(self.over(end));
        acts
    }

    /// Nothing was sent: another door may do it. What an earlier life may have sent is not done by another door: it is
    /// looked for again.
    fn unavailable(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("not through Codex's server: {why}"))];
        let is_open = self.is_told || self.is_sent;
        acts.extend(self.over(if is_open { Input::NotStarted } else { Input::DoorUnavailable }));
        acts
    }

    /// The turn was sent, and nothing more is to be learnt of it.
    fn lost(&mut self, why: &str) -> Vec<Act> {
        let mut acts = vec![Act::Log(format!("the turn is lost: {why}"))];
        acts.extend(self.over_with_word(Input::Signalled { signal: KILLED }));
        acts
    }

    /// The turn is over: a person's settings are put back first.
    fn ended(&mut self, at_ms: u64, end: Input) -> Vec<Act> {
        let Some(before) = self.before.take() else { return self.over_with_word(end) };
        self.end = Some(end);
        self.send(Stage::Restoring, Some(at_ms + RESTORE_MS_MAX), "thread/settings/update", &before)
    }

    fn restored(&mut self) -> Vec<Act> {
        let end = self.end.take().unwrap_or(Input::NotStarted);
        self.over_with_word(end)
    }

    /// How a turn of ours ended, as the server tells.
    fn judge(&mut self, turn: &Value) -> (Input, Option<String>) {
        let error = turn.get("error").unwrap_or(&Value::Null);
        match member(turn, "/status") {
            "completed" => {
                self.heard.is_done = true;
                (Input::Exited { code: 0 }, None)
            }
            "failed" => {
                self.heard.fault = Some(Fault::Turn(item::fault(error)));
                let why = cut(&self.wanted.hide, member(error, "/message"));
                (Input::Exited { code: 1 }, Some(format!("the turn failed: {why}")))
            }
            _ => {
                self.heard.fault = Some(Fault::Turn(TurnFault::TurnIncomplete));
                (Input::Exited { code: 1 }, Some("the turn was interrupted".into()))
            }
        }
    }

    // What happened.

    fn on_unreachable(&mut self, at_ms: u64, is_gone: bool) -> Vec<Act> {
        if !self.is_told {
            // What ran there is gone with its server.
            self.is_sent &= !is_gone;
            return self.unavailable("nobody answers on its socket");
        }
        match self.rejoin_until_ms {
            Some(until) if at_ms < until && !self.is_stopping => vec![Act::Connect],
            _ => self.lost("its server is gone"),
        }
    }

    fn on_gone(&mut self, at_ms: u64) -> Vec<Act> {
        if self.stage == Stage::Restoring {
            return self.restored();
        }
        if !self.is_told || !self.is_sent {
            return self.unavailable("the connection broke");
        }
        let until = *self.rejoin_until_ms.get_or_insert(at_ms + REJOIN_MS_MAX);
        if at_ms >= until {
            return self.lost("its server does not say what became of it");
        }
        (self.stage, self.awaited, self.pages, self.until_ms) = (Stage::Away, None, 0, Some(until));
        vec![Act::Log("the connection to Codex's server broke".into()), Act::Connect]
    }

    fn on_late(&mut self, at_ms: u64) -> Vec<Act> {
        match self.stage {
            Stage::Restoring => self.restored(),
            Stage::Running => self.lost("it does not say that it was interrupted"),
            Stage::Away if self.is_told => self.lost("its server is gone"),
            _ if self.is_told && self.is_sent => self.on_gone(at_ms),
            _ => self.unavailable("it does not answer in time"),
        }
    }

    fn stop(&mut self, at_ms: u64) -> Vec<Act> {
        if self.is_stopping {
            return Vec::new();
        }
        self.is_stopping = true;
        match self.stage {
            // Its answer says what to interrupt.
            Stage::Starting => {
                self.until_ms = Some(at_ms + INTERRUPT_MS_MAX);
                Vec::new()
            }
            Stage::Running => self.interrupt(at_ms),
            Stage::Restoring => Vec::new(),
            // It is told once it is found again.
            _ if self.is_told && self.is_sent && self.end.is_none() => Vec::new(),
            _ => self.over(Input::NotStarted),
        }
    }

    fn interrupt(&mut self, at_ms: u64) -> Vec<Act> {
        if self.turn.as_ref().and_then(|turn| self.owners.get(turn)) == Some(&false) {
            let mut acts = vec![Act::Log("the turn is a person's and goes on".into())];
            acts.extend(self.ended(at_ms, Input::Signalled { signal: KILLED }));
            return acts;
        }
        let params = json!({"threadId": self.thread_text(), "turnId": self.turn});
        self.send(Stage::Running, Some(at_ms + INTERRUPT_MS_MAX), "turn/interrupt", &params)
    }

    fn on_answer(&mut self, at_ms: u64, id: u64, result: Result<Value, Refused>) -> Vec<Act> {
        if self.awaited != Some(id) {
            return Vec::new();
        }
        self.awaited = None;
        match self.stage {
            Stage::Greeting => match result {
                Ok(_) => {
                    let mut acts = vec![Act::Send(notification("initialized"))];
                    acts.extend(self.look(at_ms));
                    acts
                }
                Err(refused) => self.refused(&refused),
            },
            Stage::Looking => self.on_looked(at_ms, result),
            Stage::Searching => self.on_page(at_ms, result),
            Stage::Loading => self.on_loaded(at_ms, result),
            Stage::Asking => self.on_tools(result),
            Stage::Starting => self.on_started(at_ms, result),
            Stage::Restoring => self.restored(),
            Stage::Running | Stage::Away | Stage::Ready | Stage::Over => Vec::new(),
        }
    }

    /// The server does not do what was asked, and nothing was sent that could run.
    fn refused(&mut self, refused: &Refused) -> Vec<Act> {
        if refused.is_busy() {
            return self.over(Input::SessionBusy);
        }
        if refused.is_gone() && !self.is_told {
            return self.over(Input::SessionGone);
        }
        let why = cut(&self.wanted.hide, &refused.message);
        self.unavailable(&why)
    }

    fn on_looked(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        let thread = match &result {
            Ok(answer) => answer.get("thread").unwrap_or(&Value::Null),
            // It has not loaded it, and that is all that this says.
            Err(_) => &Value::Null,
        };
        let is_active = member(thread, "/status/type") == "active";
        if self.is_sent {
            return self.search(at_ms, None);
        }
        if is_active {
            return self.over(Input::SessionBusy);
        }
        let is_loaded = matches!(member(thread, "/status/type"), "idle" | "systemError");
        // What it is set to is told when it is loaded again, which changes nothing.
        self.before = is_loaded.then(|| Value::Null);
        self.load(at_ms)
    }

    fn on_page(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        let page = match result {
            Ok(page) => page,
            // A thread that was never written down holds nothing of ours.
            Err(refused) if !self.has_begun => {
                let why = cut(&self.wanted.hide, &refused.message);
                return self.not_found(at_ms, &why);
            }
            Err(_) => return self.lost("its thread cannot be looked at"),
        };
        match history::find(&page, &self.wanted.client_id) {
            Some(Found::Running { turn }) => {
                self.turn = Some(turn);
                self.load(at_ms)
            }
            Some(Found::Over { turn }) => self.on_found_over(at_ms, &turn),
            None => match history::next(&page).filter(|_| self.pages < HISTORY_TURNS_MAX) {
                Some(cursor) => self.search(at_ms, Some(&cursor)),
                None => self.not_found(at_ms, "it is not in the thread's history"),
            },
        }
    }

    /// Our message is not there. What was never sent may be sent; what was sent and is lost has failed.
    fn not_found(&mut self, at_ms: u64, why: &str) -> Vec<Act> {
        if self.is_told {
            return self.lost(why);
        }
        self.is_sent = false;
        self.look(at_ms)
    }

    /// A turn with our message ended while nobody listened.
    fn on_found_over(&mut self, at_ms: u64, turn: &Value) -> Vec<Act> {
        let is_interrupted = !matches!(member(turn, "/status"), "completed" | "failed");
        if self.is_told {
            if is_interrupted && !self.is_stopping {
                return self.lost("it was cut off");
            }
            let (end, text) = self.judge(turn);
            let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
            acts.extend(self.began());
            acts.extend(self.ended(at_ms, end));
            return acts;
        }
        if is_interrupted {
            // Its server died with the former life, or somebody ended it: the work is still to be done.
            self.is_sent = false;
            return self.look(at_ms);
        }
        let (end, text) = self.judge(turn);
        self.end = Some(end);
        let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
        acts.push(Act::Log("the turn had ended while no supervisor listened".into()));
        acts.extend(self.ready());
        acts
    }

    fn found_over(&mut self, end: Input) -> Vec<Act> {
        let mut acts = self.began();
        acts.extend(self.over_with_word(end));
        acts
    }

    fn on_loaded(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        let answer = match result {
            Ok(answer) => answer,
            Err(_) if self.is_told => return self.lost("its thread cannot be loaded"),
            Err(refused) => return self.refused(&refused),
        };
        let Some(thread) = SessionId::from_uuid_text(member(&answer, "/thread/id")) else {
            return self.unavailable("it names no thread");
        };
        if self.thread.is_some_and(|wanted| wanted != thread) {
            return self.unavailable("it loaded another thread");
        }
        self.thread = Some(thread);
        if self.turn.is_some() {
            // Its person's settings were noted by the life that began the turn.
            self.before = None;
            if member(&answer, "/thread/status/type") != "active" {
                // It ended between the two looks.
                return self.search(at_ms, None);
            }
            return if self.is_told { self.begun(at_ms) } else { self.ready() };
        }
        if member(&answer, "/thread/status/type") == "active" {
            return self.over(Input::SessionBusy);
        }
        if self.before.is_none() {
            return self.ready();
        }
        self.before = Some(settings(&answer, thread));
        let params = json!({"threadId": self.thread_text(), "detail": "toolsAndAuthOnly"});
        self.send(Stage::Asking, Some(at_ms + LOOK_MS_MAX), "mcpServerStatus/list", &params)
    }

    /// A thread that somebody else loaded keeps the tools that it was loaded with.
    fn on_tools(&mut self, result: Result<Value, Refused>) -> Vec<Act> {
        let servers = result.unwrap_or_default();
        let servers = servers.get("data").and_then(Value::as_array);
        let has = |server: &Value| {
            let tools = server.get("tools").and_then(Value::as_object);
            self.wanted.tools.contains(&member(server, "/name")) && tools.is_some_and(|tools| !tools.is_empty())
        };
        if servers.is_some_and(|servers| servers.iter().any(has)) {
            return self.ready();
        }
        self.unavailable("somebody has the thread loaded there, without our tools for this agent")
    }

    fn ready(&mut self) -> Vec<Act> {
        (self.stage, self.until_ms) = (Stage::Ready, None);
        self.is_told = true;
        vec![Act::Say(Input::Spawned)]
    }

    fn on_started(&mut self, at_ms: u64, result: Result<Value, Refused>) -> Vec<Act> {
        match result {
            Ok(answer) => {
                self.turn = Some(member(&answer, "/turn/id").to_owned());
                (self.stage, self.until_ms) = (Stage::Running, None);
                if self.is_stopping { self.interrupt(at_ms) } else { Vec::new() }
            }
            Err(refused) => {
                self.is_sent = false;
                self.refused(&refused)
            }
        }
    }

    /// It runs already, and has our message.
    fn begun(&mut self, at_ms: u64) -> Vec<Act> {
        (self.stage, self.until_ms, self.rejoin_until_ms) = (Stage::Running, None, None);
        let mut acts = self.began();
        if self.is_stopping {
            acts.extend(self.interrupt(at_ms));
        }
        acts
    }

    /// The runtime has taken our message in.
    fn began(&mut self) -> Vec<Act> {
        let Some(session_id) = self.thread.filter(|_| !self.has_begun) else { return Vec::new() };
        self.has_begun = true;
        vec![Act::Say(Input::Began { session_id })]
    }

    fn on_asked(&self, method: &str, params: &Value) -> Vec<Act> {
        if !self.is_here(params) {
            return Vec::new();
        }
        // Every client is asked; to answer is for a person at one of them.
        vec![Act::Log(format!("it asks a person: {}", cut(&self.wanted.hide, method)))]
    }

    fn is_here(&self, params: &Value) -> bool {
        self.thread.is_some() && member(params, "/threadId") == self.thread_text()
    }

    fn on_notice(&mut self, at_ms: u64, method: &str, params: &Value) -> Vec<Act> {
        if !self.is_here(params) {
            return Vec::new();
        }
        let is_waiting = matches!(self.stage, Stage::Loading | Stage::Asking | Stage::Ready);
        match method {
            "turn/started" if is_waiting && self.turn.is_none() => {
                self.is_taken = true;
                Vec::new()
            }
            "item/started" if member(params, "/item/type") == "userMessage" => {
                self.note_owner(params);
                Vec::new()
            }
            "item/completed" if member(params, "/item/type") == "userMessage" => self.on_message(params),
            "item/completed" if self.is_our_turn(member(params, "/turnId")) => {
                let item = params.get("item").unwrap_or(&Value::Null);
                item::line(item, &self.wanted.hide).map(Act::Log).into_iter().collect()
            }
            "thread/tokenUsage/updated" => {
                self.heard.usage = item::usage(params).or(self.heard.usage);
                Vec::new()
            }
            "error" if self.is_our_turn(member(params, "/turnId")) => {
                let why = cut(&self.wanted.hide, member(params, "/error/message"));
                vec![Act::Log(format!("error: {why}"))]
            }
            "turn/completed" if self.is_our_turn(member(params, "/turn/id")) => {
                let (end, text) = self.judge(params.get("turn").unwrap_or(&Value::Null));
                let mut acts: Vec<_> = text.map(Act::Log).into_iter().collect();
                acts.extend(self.ended(at_ms, end));
                acts
            }
            _ => Vec::new(),
        }
    }

    fn is_our_turn(&self, turn: &str) -> bool {
        self.stage == Stage::Running && self.turn.as_deref() == Some(turn)
    }

    /// Whoever's message comes first in a turn, theirs it is.
    fn note_owner(&mut self, params: &Value) {
        if matches!(self.stage, Stage::Starting | Stage::Running) && self.owners.len() < OWNERS_MAX {
            let is_ours = member(params, "/item/clientId") == self.wanted.client_id;
            self.owners.entry(member(params, "/turnId").to_owned()).or_insert(is_ours);
        }
    }

    fn on_message(&mut self, params: &Value) -> Vec<Act> {
        self.note_owner(params);
        if member(params, "/item/clientId") == self.wanted.client_id {
            return self.began();
        }
        if self.is_our_turn(member(params, "/turnId")) {
            return vec![Act::Log("somebody said something in this turn".into())];
        }
        Vec::new()
    }
}

/// Turns that are told apart while ours runs.
const OWNERS_MAX: usize = 64;
/// SIGKILL, as which the end of a server counts.
const KILLED: i32 = 9;

/// What a turn of ours changes for those after it, as it was before.
fn settings(answer: &Value, thread: SessionId) -> Value {
    let mut settings = json!({"threadId": thread.to_uuid_text()});
    for (from, to) in
        [("approvalPolicy", "approvalPolicy"), ("sandbox", "sandboxPolicy"), ("cwd", "cwd"), ("model", "model")]
    {
        if let (Some(value), Some(settings)) = (answer.get(from), settings.as_object_mut()) {
            settings.insert(to.into(), value.clone());
        }
    }
    settings
}

#[cfg(test)]
mod tests;
