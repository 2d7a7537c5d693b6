//! Every way a turn can go, on a virtual clock and with a server made of words.

mod doubting;
mod ending;
mod going;
mod people;
mod urgent;

use serde_json::{Value, json};

use super::*;
use crate::codex_server::message::Refused;
use crate::runtime::Fault;
use crate::shim::redact::Redactor;
use interlock_core::wake::{TurnFault, Usage};

const THREAD: &str = "01a224b3-b972-75c0-8a2b-867f121f4c28";

fn session() -> SessionId {
    SessionId::from_uuid_text(THREAD).unwrap()
}

fn wanted() -> Wanted {
    Wanted {
        thread: Some(session()),
        is_in_doubt: false,
        is_cut: false,
        client_id: "wak_x.1".into(),
        load: json!({"sandbox": "read-only"}),
        start: json!({"approvalPolicy": "never"}),
        tools: vec!["interlock_wake"],
        is_override: false,
        hide: Redactor::new([b"sesame!".to_vec()]),
    }
}

/// A turn, the time, and the requests that were sent.
struct Play {
    turn: Turn,
    at_ms: u64,
    sent: Vec<(u64, String, Value)>,
    said: Vec<Input>,
    log: Vec<String>,
    connects: usize,
    /// What was sent by the time at which it was written down that it ends by our word.
    cuts: Vec<usize>,
    /// When a person said something, as our server was told.
    heeds: Vec<u64>,
}

impl Play {
    fn new(wanted: Wanted) -> Self {
        let turn = Turn::new(wanted);
        Self {
            turn,
            at_ms: 0,
            sent: vec![],
            said: vec![],
            log: vec![],
            connects: 0,
            cuts: vec![],
            heeds: vec![],
        }
    }

    fn on(&mut self, event: Event) -> &mut Self {
        for act in self.turn.on(self.at_ms, event) {
            match act {
                Act::Send(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let id = message["id"].as_u64().unwrap_or_default();
                    let method = message["method"].as_str().unwrap().to_owned();
                    self.sent.push((id, method, message["params"].clone()));
                }
                Act::Connect => self.connects += 1,
                Act::Cut => self.cuts.push(self.sent.len()),
                Act::Say(input) => self.said.push(input),
                Act::Log(text) => self.log.push(text),
                Act::Heed { person_at_ms } => self.heeds.push(person_at_ms),
            }
        }
        self
    }

    /// The deadline that it waits for has come.
    fn late(&mut self) -> &mut Self {
        let at_ms = self.turn.timer_ms().expect("it waits for a deadline");
        self.at_ms = at_ms - 1;
        let before = (self.sent.len(), self.said.len());
        self.on(Event::Timer);
        assert_eq!((self.sent.len(), self.said.len()), before, "not a millisecond too soon");
        self.at_ms = at_ms;
        self.on(Event::Timer)
    }

    /// The last thing that was asked, which must be this.
    #[track_caller]
    fn asks(&self, method: &str) -> &Value {
        let (_, last, params) = self.sent.last().expect("something was sent");
        assert_eq!(last, method, "{:?}", self.sent);
        params
    }

    #[track_caller]
    fn answer(&mut self, method: &str, result: Value) -> &mut Self {
        self.asks(method);
        let id = self.sent.last().unwrap().0;
        self.on(Event::Heard(Incoming::Answer { id, result: Ok(result) }))
    }

    #[track_caller]
    fn refuse(&mut self, method: &str, message: &str) -> &mut Self {
        self.asks(method);
        let id = self.sent.last().unwrap().0;
        let refused = Refused { message: message.to_owned() };
        self.on(Event::Heard(Incoming::Answer { id, result: Err(refused) }))
    }

    fn tell(&mut self, method: &str, mut params: Value) -> &mut Self {
        params["threadId"] = THREAD.into();
        self.on(Event::Heard(Incoming::Notice { method: method.into(), params }))
    }

    fn says(&mut self, turn: &str, client_id: impl Into<Value>) -> &mut Self {
        let client_id: Value = client_id.into();
        let item = json!({"type": "userMessage", "clientId": client_id});
        self.tell("item/started", json!({"turnId": turn, "item": item}));
        self.tell("item/completed", json!({"turnId": turn, "item": item}))
    }

    fn completes(&mut self, turn: &str, status: &str, error: impl Into<Value>) -> &mut Self {
        let error: Value = error.into();
        self.tell("turn/completed", json!({"turn": {"id": turn, "status": status, "error": error}}))
    }

    /// Connected, greeted, and looking at the thread.
    fn greeted(&mut self) -> &mut Self {
        self.on(Event::Connected).answer("initialize", json!({"userAgent": "x"}));
        assert_eq!(self.sent[1].1, "initialized");
        self
    }

    /// The thread is loaded there, and has this status.
    fn open(&mut self, status: &str) -> &mut Self {
        self.greeted().answer("thread/read", json!({"thread": {"status": {"type": status}}}))
    }

    /// Up to the point at which nothing is sent yet and all is ready, in a thread that nobody has loaded.
    fn ready(&mut self) -> &mut Self {
        self.greeted().answer("thread/read", json!({"thread": {"status": {"type": "notLoaded"}}}));
        self.answer("thread/resume", loaded("idle"))
    }

    /// In the middle of its turn.
    fn running(&mut self) -> &mut Self {
        self.ready()
            .on(Event::Go)
            .answer("turn/start", json!({"turn": {"id": "t1"}}))
            .says("t1", json!("wak_x.1"))
    }

    #[track_caller]
    fn ended(&self, how: &[Input]) {
        assert_eq!(self.said, how, "{:?}", self.log);
        assert!(self.turn.is_over());
        assert_eq!(self.turn.timer_ms(), None);
    }

    fn sent_turns(&self) -> usize {
        self.sent.iter().filter(|(_, method, _)| method == "turn/start").count()
    }
}

fn loaded(status: &str) -> Value {
    json!({
        "thread": {"id": THREAD, "status": {"type": status}}, "approvalPolicy": "on-request",
        "sandbox": {"type": "workspaceWrite"}, "cwd": "/srv/anna", "model": "m",
    })
}

fn page(client_id: &str, status: &str, more: bool) -> Value {
    json!({
        "data": [{"id": "t1", "status": status, "items": [{"type": "userMessage", "clientId": client_id}]}],
        "nextCursor": more.then_some("next"),
    })
}

const fn heard(is_done: bool, fault: Option<Fault>) -> Input {
    Input::Heard(Heard {
        usage: None,
        is_session_total: true,
        is_done,
        fault,
        reset_in_ms: None,
        resets_at_s: None,
        last_message: None,
    })
}

const BEGAN: fn() -> Input = || Input::Began { session_id: session() };
const DONE: Input = heard(true, None);
const KILLED_BY_NOBODY: Input = Input::Signalled { signal: 9 };
