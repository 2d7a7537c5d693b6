//! Every way a turn can go, on a virtual clock and with a server made of words.

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
    /// When a person said something, as our server was told.
    heeds: Vec<u64>,
}

impl Play {
    fn new(wanted: Wanted) -> Self {
        let turn = Turn::new(wanted);
        Self { turn, at_ms: 0, sent: vec![], said: vec![], log: vec![], connects: 0, heeds: vec![] }
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

#[test]
fn a_turn_that_goes_well_is_sent_once_and_told_in_order() {
    let mut play = Play::new(wanted());
    play.ready();
    assert_eq!(play.said, [Input::Spawned]);
    assert_eq!(play.sent_turns(), 0, "nothing before the start is reported");
    let load = play.asks("thread/resume");
    assert_eq!(
        (&load["threadId"], &load["excludeTurns"], &load["sandbox"]),
        (&json!(THREAD), &json!(true), &json!("read-only"))
    );
    play.on(Event::Go);
    let start = play.asks("turn/start").clone();
    assert_eq!((&start["threadId"], &start["clientUserMessageId"]), (&json!(THREAD), &json!("wak_x.1")));
    play.tell("turn/started", json!({"turn": {"id": "t1"}}));
    play.answer("turn/start", json!({"turn": {"id": "t1"}})).says("t1", json!("wak_x.1"));
    assert_eq!(play.said, [Input::Spawned, BEGAN()]);
    assert_eq!(play.turn.timer_ms(), None, "how long it runs the attempt knows");
    play.tell(
        "item/completed",
        json!({"turnId": "t1", "item": {"type": "agentMessage", "text": "sesame! opens"}}),
    );
    play.tell(
        "thread/tokenUsage/updated",
        json!({"tokenUsage": {"total": {"inputTokens": 9, "outputTokens": 2}}}),
    );
    play.completes("t1", "completed", Value::Null);
    let usage = Usage { input_tokens: 9, output_tokens: 2, ..Usage::default() };
    let word = Heard {
        usage: Some(usage),
        is_session_total: true,
        is_done: true,
        last_message: Some("[redacted] opens".into()),
        ..Heard::default()
    };
    play.ended(&[Input::Spawned, BEGAN(), Input::Heard(word), Input::Exited { code: 0 }]);
    assert_eq!(play.log, ["[redacted] opens"]);
    assert_eq!(play.sent_turns(), 1);
}

/// Heard as they come, or found with a turn that ended while nobody listened; words of other turns, and those to a person
/// whose turn it is, are not ours to tell.
#[test]
fn the_last_words_of_our_own_turn_are_told() {
    let says = |turn: &str, kind: &str, text: &str| {
        ("item/completed", json!({"turnId": turn, "item": {"type": kind, "text": text}}))
    };
    for (first, words, want) in [
        ("wak_x.1", vec![says("t1", "agentMessage", "one"), says("t1", "agentMessage", "two")], Some("two")),
        ("wak_x.1", vec![says("t1", "agentMessage", "one"), says("t0", "agentMessage", "two")], Some("one")),
        ("wak_x.1", vec![says("t1", "agentMessage", "one"), says("t1", "reasoning", "two")], Some("one")),
        ("wak_x.1", vec![says("t1", "agentMessage", "one"), says("t1", "agentMessage", "")], Some("one")),
        ("theirs", vec![says("t1", "agentMessage", "to a person")], None),
    ] {
        let mut play = Play::new(wanted());
        play.ready().on(Event::Go).answer("turn/start", json!({"turn": {"id": "t1"}}));
        play.says("t1", first).says("t1", "wak_x.1");
        for (method, params) in words {
            play.tell(method, params);
        }
        play.completes("t1", "completed", Value::Null);
        let Some(Input::Heard(heard)) = play.said.get(2) else { panic!("{:?}", play.said) };
        assert_eq!(heard.last_message.as_deref(), want, "{first}");
    }
    let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
    play.greeted().answer("thread/read", json!({"thread": {"status": {"type": "notLoaded"}}}));
    let mut found = page("wak_x.1", "completed", false);
    let items = found["data"][0]["items"].as_array_mut().unwrap();
    items.extend(["one", "sesame! two"].map(|text| json!({"type": "agentMessage", "text": text})));
    play.answer("thread/turns/list", found).on(Event::Go);
    let Some(Input::Heard(heard)) = play.said.get(2) else { panic!("{:?}", play.said) };
    assert_eq!(heard.last_message.as_deref(), Some("[redacted] two"));
}

#[test]
fn a_fresh_thread_is_begun_without_a_look() {
    let mut play = Play::new(Wanted { thread: None, ..wanted() });
    play.greeted().answer("thread/start", loaded("idle")).on(Event::Go);
    assert_eq!(play.asks("turn/start")["threadId"], THREAD);
    play.answer("turn/start", json!({"turn": {"id": "t1"}})).says("t1", json!("wak_x.1"));
    assert_eq!(play.said, [Input::Spawned, BEGAN()]);
}

/// A thread that somebody else has loaded: what they set stays as it was, and without our tools it is no use.
#[test]
fn a_loaded_thread_keeps_its_persons_settings() {
    let servers =
        |name: &str, tools: Value| json!({"data": [{"name": "other"}, {"name": name, "tools": tools}]});
    for status in ["idle", "systemError"] {
        let mut play = Play::new(wanted());
        play.open(status).answer("thread/turns/list", json!({"data": []}));
        play.answer("thread/resume", loaded(status));
        play.answer("mcpServerStatus/list", servers("interlock_wake", json!({"ack_read": {}})));
        play.on(Event::Go).answer("turn/start", json!({"turn": {"id": "t1"}})).says("t1", json!("wak_x.1"));
        play.completes("t1", "completed", Value::Null);
        let put_back = json!({
            "threadId": THREAD, "approvalPolicy": "on-request", "sandboxPolicy": {"type": "workspaceWrite"},
            "cwd": "/srv/anna", "model": "m",
        });
        assert_eq!(play.asks("thread/settings/update"), &put_back);
        assert_eq!(play.said.len(), 2, "it ends when that is done");
        play.answer("thread/settings/update", json!({}));
        play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    }
    for (name, tools) in [
        ("interlock", json!({"ack_read": {}})),
        ("interlock_wake", json!({})),
        ("interlock_wake", Value::Null),
    ] {
        let mut play = Play::new(wanted());
        play.open("idle").answer("thread/turns/list", json!({"data": []}));
        play.answer("thread/resume", loaded("idle")).answer("mcpServerStatus/list", servers(name, tools));
        play.ended(&[Input::DoorUnavailable]);
    }
    // However putting back goes, and whenever it does not, the turn has ended as it has.
    for way in 0..3 {
        let mut play = Play::new(wanted());
        play.open("idle").answer("thread/turns/list", json!({"data": []}));
        play.answer("thread/resume", loaded("idle"));
        play.answer("mcpServerStatus/list", servers("interlock_wake", json!({"ack_read": {}})));
        play.on(Event::Go).answer("turn/start", json!({"turn": {"id": "t1"}}));
        play.completes("t1", "completed", Value::Null);
        match way {
            0 => play.late(),
            1 => play.on(Event::Gone),
            _ => play.refuse("thread/settings/update", "no"),
        };
        play.ended(&[Input::Spawned, DONE, Input::Exited { code: 0 }]);
    }
}

/// A person's last words in a loaded thread are told to our server, which says whether they keep us out.
#[test]
fn the_last_words_of_a_person_are_heeded() {
    let said = |id: &str, at: u64| json!({"type": "userMessage", "clientId": id, "startedAtMs": at});
    let page = |status: &str, items: Value| json!({"data": [{"id": "t0", "status": status, "items": items}]});
    for is_held in [true, false] {
        let mut play = Play::new(wanted());
        play.open("idle").answer("thread/turns/list", page("completed", json!([said("theirs", 77)])));
        assert_eq!((&play.heeds, play.said.len()), (&vec![77], 0));
        play.on(Event::Heeded { is_held });
        if is_held {
            play.ended(&[Input::SessionBusy]);
        } else {
            play.asks("thread/resume");
        }
    }
    // Words of ours are no person's; those of a person in a turn of ours are.
    let mut play = Play::new(wanted());
    play.open("idle").answer("thread/turns/list", page("failed", json!([said("wak_y.1", 5)])));
    play.asks("thread/resume");
    let mut play = Play::new(wanted());
    let both = json!([said("wak_y.1", 5), said("theirs", 6)]);
    play.open("idle").answer("thread/turns/list", page("completed", both));
    assert_eq!(play.heeds, [6]);
    // A turn that began between the two looks, and a history that is not to be had.
    let mut play = Play::new(wanted());
    play.open("idle").answer("thread/turns/list", page("inProgress", json!([])));
    play.ended(&[Input::SessionBusy]);
    let mut play = Play::new(wanted());
    play.open("idle").refuse("thread/turns/list", "no").asks("thread/resume");
    // An operator wants it all the same.
    let mut play = Play::new(Wanted { is_override: true, ..wanted() });
    play.open("idle").asks("thread/resume");
    // Whatever comes while our server is asked ends it as before anything was sent.
    for (event, how) in [(Event::Gone, Input::DoorUnavailable), (Event::Stop, Input::NotStarted)] {
        let mut play = Play::new(wanted());
        play.open("idle").answer("thread/turns/list", page("completed", json!([said("theirs", 77)])));
        play.on(event).on(Event::Heeded { is_held: false }).ended(&[how]);
    }
}

#[test]
fn what_somebody_else_does_there_is_waited_for() {
    // By the first look, by the second, by what is told until the start is reported.
    let mut play = Play::new(wanted());
    play.greeted().answer(
        "thread/read",
        json!({"thread": {"status": {"type": "active", "activeFlags": ["waitingOnApproval"]}}}),
    );
    play.ended(&[Input::SessionBusy]);
    let mut play = Play::new(wanted());
    play.open("idle").answer("thread/turns/list", json!({"data": []}));
    play.answer("thread/resume", loaded("active")).ended(&[Input::SessionBusy]);
    let mut play = Play::new(wanted());
    play.ready().tell("turn/started", json!({"turn": {"id": "theirs"}})).completes(
        "theirs",
        "completed",
        Value::Null,
    );
    play.on(Event::Go).ended(&[Input::Spawned, Input::SessionBusy]);
    assert_eq!(play.sent_turns(), 0);
    // In another process.
    let mut play = Play::new(wanted());
    play.greeted().answer("thread/read", json!({"thread": {"status": {"type": "notLoaded"}}}));
    play.refuse("thread/resume", "thread x already has an active writer").ended(&[Input::SessionBusy]);
    // What happens in other threads, and in threads of helpers, is no concern of ours.
    let mut play = Play::new(wanted());
    play.ready();
    let other = json!({"threadId": "another", "turn": {"id": "t9"}});
    play.on(Event::Heard(Incoming::Notice { method: "turn/started".into(), params: other })).on(Event::Go);
    assert_eq!(play.sent_turns(), 1);
}

/// Their words came in the same instant: ours became part of their turn, which is theirs to end.
#[test]
fn a_turn_that_ours_got_into_is_never_interrupted() {
    let mut play = Play::new(wanted());
    play.ready().on(Event::Go);
    play.tell("turn/started", json!({"turn": {"id": "theirs"}})).says("theirs", Value::Null);
    play.answer("turn/start", json!({"turn": {"id": "theirs"}})).says("theirs", json!("wak_x.1"));
    assert_eq!(play.said, [Input::Spawned, BEGAN()]);
    play.on(Event::Stop);
    assert!(play.sent.iter().all(|(_, method, _)| method != "turn/interrupt"), "{:?}", play.sent);
    play.ended(&[Input::Spawned, BEGAN(), heard(false, None), KILLED_BY_NOBODY]);
    // The other way round it is ours.
    let mut play = Play::new(wanted());
    play.running().says("t1", json!("a person")).on(Event::Stop);
    assert_eq!(play.asks("turn/interrupt"), &json!({"threadId": THREAD, "turnId": "t1"}));
    assert!(play.log.iter().any(|line| line.contains("somebody said something")), "{:?}", play.log);
    // And of a turn that ended before ours began nothing follows.
    let mut play = Play::new(wanted());
    play.ready().on(Event::Go).says("theirs", Value::Null).completes("theirs", "completed", Value::Null);
    play.answer("turn/start", json!({"turn": {"id": "t1"}})).says("t1", json!("wak_x.1")).on(Event::Stop);
    play.asks("turn/interrupt");
}

#[test]
fn a_turn_is_interrupted_and_its_end_awaited() {
    let incomplete = heard(false, Some(Fault::Turn(TurnFault::TurnIncomplete)));
    let mut play = Play::new(wanted());
    play.running().on(Event::Stop).on(Event::Stop);
    play.answer("turn/interrupt", json!({})).completes("t1", "interrupted", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), incomplete, Input::Exited { code: 1 }]);
    // Stopped between the request and its answer.
    let mut play = Play::new(wanted());
    play.ready().on(Event::Go).on(Event::Stop).answer("turn/start", json!({"turn": {"id": "t1"}}));
    play.asks("turn/interrupt");
    // The end may come before the answer, and the answer may be a no because of it.
    let mut play = Play::new(wanted());
    play.running().on(Event::Stop).refuse("turn/interrupt", "no active turn to interrupt");
    play.completes("t1", "completed", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    // A server that does not say so leaves a doubt, and no lie.
    let mut play = Play::new(wanted());
    play.running().on(Event::Stop).answer("turn/interrupt", json!({})).late();
    play.ended(&[Input::Spawned, BEGAN(), heard(false, None), Input::Unknown]);
    // Before anything was sent there is nothing to interrupt.
    for steps in 0..3 {
        let mut play = Play::new(wanted());
        match steps {
            0 => play.on(Event::Connected),
            1 => play.greeted(),
            _ => play.ready(),
        };
        play.on(Event::Stop);
        assert_eq!(play.said.last(), Some(&Input::NotStarted));
        assert_eq!(play.sent_turns(), 0);
    }
}

#[test]
fn a_turn_that_fails_says_why() {
    let status = |code: u32| json!({"message": "sesame! no", "codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": code}}});
    for (status_text, error, fault) in [
        ("failed", status(401), TurnFault::ModelUnauthorized),
        ("failed", status(429), TurnFault::ModelRateLimited),
        ("failed", status(500), TurnFault::ModelUnavailable),
        ("interrupted", Value::Null, TurnFault::TurnIncomplete),
        ("something new", Value::Null, TurnFault::TurnIncomplete),
    ] {
        let mut play = Play::new(wanted());
        play.running().completes("t1", status_text, error);
        play.ended(&[
            Input::Spawned,
            BEGAN(),
            heard(false, Some(Fault::Turn(fault))),
            Input::Exited { code: 1 },
        ]);
        assert!(!play.log.join("\n").contains("sesame!"), "{:?}", play.log);
    }
}

/// A server that is silent at any step before something is sent: no later than its deadline another door is tried.
#[test]
fn silence_is_waited_for_to_the_millisecond() {
    for (step, deadline) in [GREETING_MS_MAX, LOOK_MS_MAX, LOAD_MS_MAX].into_iter().enumerate() {
        let mut play = Play::new(wanted());
        play.at_ms = 1_000;
        play.on(Event::Connected);
        if step > 0 {
            play.answer("initialize", json!({}));
        }
        if step > 1 {
            play.answer("thread/read", json!({"thread": {"status": {"type": "notLoaded"}}}));
        }
        assert_eq!(play.turn.timer_ms(), Some(1_000 + deadline));
        // Noise is no answer, and neither is one to another question.
        play.on(Event::Heard(Incoming::Noise));
        play.on(Event::Heard(Incoming::Answer { id: 77, result: Ok(json!({})) }));
        play.late().ended(&[Input::DoorUnavailable]);
    }
}

#[test]
fn what_is_refused_before_anything_was_sent_leads_to_another_door() {
    let mut play = Play::new(wanted());
    play.on(Event::Unreachable { is_gone: true }).ended(&[Input::DoorUnavailable]);
    let mut play = Play::new(wanted());
    play.on(Event::Connected).refuse("initialize", "too old").ended(&[Input::DoorUnavailable]);
    for (words, how) in [
        ("no rollout found for thread id x", Input::SessionGone),
        ("required MCP servers failed to initialize: sesame!", Input::DoorUnavailable),
        ("unknown field", Input::DoorUnavailable),
    ] {
        let mut play = Play::new(wanted());
        // A thread that it has not loaded it does not even know.
        play.greeted().refuse("thread/read", "thread not loaded: x").refuse("thread/resume", words);
        play.ended(&[how]);
        assert!(!play.log.join("\n").contains("sesame!"), "{:?}", play.log);
    }
    for answer in [
        json!({}),
        json!({"thread": {"id": "odd"}}),
        json!({"thread": {"id": "01a224b3-b972-75c0-8a2b-867f121f4c29"}}),
    ] {
        let mut play = Play::new(wanted());
        play.greeted()
            .answer("thread/read", json!({}))
            .answer("thread/resume", answer)
            .ended(&[Input::DoorUnavailable]);
    }
    for gone_at in 0..3 {
        let mut play = Play::new(wanted());
        match gone_at {
            0 => play.on(Event::Connected),
            1 => play.greeted(),
            _ => play.ready(),
        };
        play.on(Event::Gone);
        let how = if gone_at < 2 { Input::DoorUnavailable } else { Input::NotStarted };
        assert_eq!(play.said.last(), Some(&how));
    }
    // Once the start is reported, a no is no attempt either: nothing ran.
    for (words, how) in
        [("thread x already has an active writer", Input::SessionBusy), ("odd", Input::NotStarted)]
    {
        let mut play = Play::new(wanted());
        play.ready().on(Event::Go).refuse("turn/start", words).ended(&[Input::Spawned, how]);
    }
}

/// The connection breaks in the middle: it looks for its own message, and never sends it again.
#[test]
fn a_broken_connection_is_mended_and_the_turn_found() {
    let again = |play: &mut Play| {
        play.on(Event::Gone);
        assert_eq!(play.connects, 1);
        play.on(Event::Connected).answer("initialize", json!({}));
        play.answer("thread/read", json!({"thread": {"status": {"type": "active"}}}));
    };
    // It runs: it is followed.
    let mut play = Play::new(wanted());
    again(play.running());
    play.answer("thread/turns/list", page("wak_x.1", "inProgress", true))
        .answer("thread/resume", loaded("active"));
    play.completes("t1", "completed", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    // It ended meanwhile; or between the two looks.
    let mut play = Play::new(wanted());
    again(play.running());
    play.answer("thread/turns/list", page("wak_x.1", "completed", false));
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    let mut play = Play::new(wanted());
    again(play.running());
    play.answer("thread/turns/list", page("wak_x.1", "inProgress", false))
        .answer("thread/resume", loaded("idle"));
    play.answer("thread/turns/list", page("wak_x.1", "completed", false));
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    // Its answer was lost, but not its message: that is acceptance enough.
    let mut play = Play::new(wanted());
    again(play.ready().on(Event::Go));
    play.answer("thread/turns/list", page("else", "completed", true));
    assert_eq!(play.asks("thread/turns/list")["cursor"], "next");
    play.answer("thread/turns/list", page("wak_x.1", "failed", true));
    let fault = Fault::Turn(TurnFault::ModelUnavailable);
    play.ended(&[Input::Spawned, BEGAN(), heard(false, Some(fault)), Input::Exited { code: 1 }]);
    // It never arrived, or was cut off with its server.
    for found in [page("else", "completed", false), page("wak_x.1", "interrupted", false)] {
        let mut play = Play::new(wanted());
        again(play.ready().on(Event::Go));
        play.answer("thread/turns/list", found);
        play.ended(&[Input::Spawned, heard(false, None), KILLED_BY_NOBODY]);
        assert_eq!(play.sent_turns(), 1, "whatever became of it");
    }
}

#[test]
fn a_server_that_is_gone_takes_its_turn_along_and_one_that_is_silent_leaves_a_doubt() {
    // Its socket refuses: as long as it may come back it is looked for, then the turn is lost with it.
    let mut play = Play::new(wanted());
    play.running().on(Event::Gone);
    for n in 1..=3 {
        play.at_ms += 1_000;
        play.on(Event::Unreachable { is_gone: true });
        assert_eq!(play.connects, n + 1);
    }
    play.at_ms = REJOIN_MS_MAX;
    play.on(Event::Unreachable { is_gone: true });
    play.ended(&[Input::Spawned, BEGAN(), heard(false, None), KILLED_BY_NOBODY]);
    // It takes connections and says nothing.
    let mut play = Play::new(wanted());
    play.running().on(Event::Gone).on(Event::Connected);
    while !play.turn.is_over() {
        play.late();
        if !play.turn.is_over() {
            play.on(Event::Connected);
        }
    }
    assert!(play.at_ms <= REJOIN_MS_MAX + GREETING_MS_MAX, "{}", play.at_ms);
    play.ended(&[Input::Spawned, BEGAN(), heard(false, None), Input::Unknown]);
    // Stopped meanwhile: it is interrupted as soon as it is found.
    let mut play = Play::new(wanted());
    play.running().on(Event::Gone).on(Event::Stop).on(Event::Connected).answer("initialize", json!({}));
    play.answer("thread/read", json!({})).answer("thread/turns/list", page("wak_x.1", "inProgress", false));
    play.answer("thread/resume", loaded("active")).asks("turn/interrupt");
    let mut play = Play::new(wanted());
    play.running().on(Event::Gone).on(Event::Stop).on(Event::Unreachable { is_gone: true });
    play.ended(&[Input::Spawned, BEGAN(), heard(false, None), KILLED_BY_NOBODY]);
}

/// An earlier life may have sent it: whatever is found, there is never a second turn for the same message.
#[test]
fn what_is_in_doubt_is_looked_for_before_anything_is_sent() {
    let doubt = || Play::new(Wanted { is_in_doubt: true, ..wanted() });
    let look = |play: &mut Play, status: &str| {
        play.greeted().answer("thread/read", json!({"thread": {"status": {"type": status}}}));
    };
    // It runs: followed, and reported like any other.
    let mut play = doubt();
    look(&mut play, "active");
    play.answer("thread/turns/list", page("wak_x.1", "inProgress", false))
        .answer("thread/resume", loaded("active"));
    assert_eq!(play.said, [Input::Spawned]);
    play.on(Event::Go).completes("t1", "completed", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    assert_eq!(play.sent_turns(), 0);
    // It has ended.
    for (status, word, code) in
        [("completed", DONE, 0), ("failed", heard(false, Some(Fault::Turn(TurnFault::ModelUnavailable))), 1)]
    {
        let mut play = doubt();
        look(&mut play, "idle");
        play.answer("thread/turns/list", page("wak_x.1", status, false)).on(Event::Go);
        play.ended(&[Input::Spawned, BEGAN(), word, Input::Exited { code }]);
        assert_eq!(play.sent_turns(), 0);
    }
    // It was never sent, or it was cut off with its server: then that is said, and nothing is sent on this claim. Who sits
    // there by now has not been asked.
    for found in
        [page("else", "completed", false), page("wak_x.1", "interrupted", false), json!({"data": []})]
    {
        let mut play = doubt();
        look(&mut play, "notLoaded");
        play.answer("thread/turns/list", found).ended(&[Input::NotRunning]);
        assert_eq!(play.sent_turns(), 0);
    }
    // Its server lives: somebody has ended it, and it is not begun again behind their back.
    for status in ["idle", "active", "systemError"] {
        let mut play = doubt();
        look(&mut play, status);
        play.answer("thread/turns/list", page("wak_x.1", "interrupted", false));
        play.ended(&[heard(false, None), Input::Unknown]);
    }
    // Its server is gone, and so is whatever ran there; one that does not answer proves nothing.
    let mut play = doubt();
    play.on(Event::Unreachable { is_gone: true }).ended(&[Input::DoorUnavailable]);
    let mut play = doubt();
    play.on(Event::Unreachable { is_gone: false }).ended(&[Input::NotStarted]);
    let mut play = doubt();
    look(&mut play, "active");
    play.late().ended(&[Input::NotStarted]);
    // Halted before the report is through: what runs is ended, what ended stays in doubt.
    let mut play = doubt();
    look(&mut play, "active");
    play.answer("thread/turns/list", page("wak_x.1", "inProgress", false))
        .answer("thread/resume", loaded("active"));
    play.on(Event::Stop).asks("turn/interrupt");
    // Halted before it is found: it is looked for all the same, and ended.
    for stopped_at in 0..4 {
        let mut play = doubt();
        let stop = |play: &mut Play, step: usize| {
            if step == stopped_at {
                play.on(Event::Stop);
                assert_eq!(play.said, [], "{step}");
            }
        };
        stop(&mut play, 0);
        play.greeted();
        stop(&mut play, 1);
        play.answer("thread/read", json!({"thread": {"status": {"type": "active"}}}));
        stop(&mut play, 2);
        play.answer("thread/turns/list", page("wak_x.1", "inProgress", false));
        stop(&mut play, 3);
        play.answer("thread/resume", loaded("active"));
        assert_eq!(play.said, [Input::Spawned]);
        assert_eq!(play.asks("turn/interrupt"), &json!({"threadId": THREAD, "turnId": "t1"}));
        play.completes("t1", "interrupted", Value::Null);
        let cut_off = heard(false, Some(Fault::Turn(TurnFault::TurnIncomplete)));
        play.ended(&[Input::Spawned, cut_off, Input::Exited { code: 1 }]);
        assert_eq!(play.sent_turns(), 0);
    }
    // Whose claim is over looks no further.
    let mut play = doubt();
    look(&mut play, "active");
    play.on(Event::Leave).ended(&[Input::NotStarted]);
    // And what was cut off needs no more, whoever did it.
    let mut play = doubt();
    look(&mut play, "idle");
    play.on(Event::Stop).answer("thread/turns/list", page("wak_x.1", "interrupted", false));
    play.ended(&[Input::NotRunning]);
}

/// A history that does not end is not read to its end, and what was not found in it may be further back: nothing is sent. Its
/// end is the proof, however late it comes.
#[test]
fn what_may_be_further_back_is_not_sent_again() {
    let further_back = |pages: u32| {
        let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
        play.greeted().answer("thread/read", json!({"thread": {"status": {"type": "notLoaded"}}}));
        for _ in 0..pages {
            play.answer("thread/turns/list", page("else", "completed", true));
        }
        play
    };
    let play = further_back(HISTORY_TURNS_MAX);
    play.ended(&[heard(false, None), Input::Unknown]);
    assert_eq!(play.sent_turns(), 0);
    let mut play = further_back(HISTORY_TURNS_MAX - 1);
    play.answer("thread/turns/list", page("else", "completed", false)).ended(&[Input::NotRunning]);
}

/// What cannot wait is said into our turn, by the turn's id; that it stands there is the proof.
#[test]
fn a_turn_of_ours_is_told_of_what_cannot_wait() {
    let wake = WakeId::from_u128(5);
    let tell = |seq| Event::Tell { wake_id: wake, seq, text: "urgent".into() };
    let told = |seq| Input::Told { wake_id: wake, seq };
    let mut play = Play::new(wanted());
    play.running().on(tell(9));
    let id = format!("{wake}.told.9");
    let params = json!({
        "threadId": THREAD, "expectedTurnId": "t1", "clientUserMessageId": id,
        "input": [{"type": "text", "text": "urgent", "text_elements": []}],
    });
    assert_eq!(play.asks("turn/steer"), &params);
    play.answer("turn/steer", json!({"turnId": "t1"}));
    assert_eq!(play.said.len(), 2, "that it was not refused proves nothing");
    play.says("t1", id.as_str());
    assert_eq!(play.said.last(), Some(&told(9)));
    assert_eq!(play.log.last().unwrap(), &format!("its turn was told of {wake}, which cannot wait"));
    // Once; and of what comes later again.
    let sent = play.sent.len();
    play.on(tell(9)).on(tell(8));
    assert_eq!(play.sent.len(), sent);
    play.on(tell(10)).says("t1", format!("{wake}.told.10"));
    play.completes("t1", "completed", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), told(9), told(10), DONE, Input::Exited { code: 0 }]);
}

#[test]
fn what_cannot_be_told_a_turn_is_left_to_its_wake() {
    let tell = || Event::Tell { wake_id: WakeId::from_u128(5), seq: 9, text: "urgent".into() };
    // A turn that takes nothing, such as a review.
    let mut play = Play::new(wanted());
    play.running().on(tell()).refuse("turn/steer", "cannot steer a sesame! turn");
    assert!(
        play.log.last().unwrap().contains("waits for its end: cannot steer a [redacted]"),
        "{:?}",
        play.log
    );
    play.says("t1", format!("{}.told.9", WakeId::from_u128(5)));
    play.completes("t1", "completed", Value::Null);
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
    // Before the turn runs, when it is being ended, and when a person's words came first.
    let mut play = Play::new(wanted());
    play.ready().on(tell());
    assert_eq!(play.said, [Input::Spawned]);
    play.on(Event::Go).on(tell()).asks("turn/start");
    let mut play = Play::new(wanted());
    play.running().on(Event::Stop).on(tell()).asks("turn/interrupt");
    let mut play = Play::new(wanted());
    play.ready().on(Event::Go).answer("turn/start", json!({"turn": {"id": "t1"}}));
    play.says("t1", "theirs").says("t1", "wak_x.1").on(tell()).asks("turn/start");
    // The connection broke before anything was heard of it.
    let mut play = Play::new(wanted());
    play.running().on(tell()).on(Event::Gone).on(Event::Connected).answer("initialize", json!({}));
    play.answer("thread/read", json!({})).answer("thread/turns/list", page("wak_x.1", "inProgress", false));
    play.answer("thread/resume", loaded("active")).says("t1", format!("{}.told.9", WakeId::from_u128(5)));
    assert_eq!(play.said, [Input::Spawned, BEGAN()]);
}

/// When a quota that is used up is given again is told to all who listen, or stands in the words of the error.
#[test]
fn the_time_of_a_quota_is_kept() {
    let limits = |used: u64| json!({"rateLimits": {"primary": {"usedPercent": used, "resetsAt": 77}}});
    let error = |text: &str| json!({"message": text, "codexErrorInfo": "usageLimitExceeded"});
    let spent = Some(Fault::Turn(TurnFault::ModelRateLimited));
    for (used, text, resets_at_s, reset_in_ms) in [
        (100, "try again at 5:29 AM", Some(77), None),
        (42, "try again in 3s", None, Some(3_000)),
        (42, "try again at 5:29 AM", None, None),
    ] {
        let mut play = Play::new(wanted());
        play.running();
        let method = "account/rateLimits/updated".into();
        play.on(Event::Heard(Incoming::Notice { method, params: limits(used) }));
        play.completes("t1", "failed", error(text));
        let word =
            Heard { is_session_total: true, fault: spent, resets_at_s, reset_in_ms, ..Heard::default() };
        play.ended(&[Input::Spawned, BEGAN(), Input::Heard(word), Input::Exited { code: 1 }]);
    }
    let heard = Heard { resets_at_s: Some(77), reset_in_ms: Some(5), ..Heard::default() };
    let left = |wall_ms| heard.clone().at(wall_ms).reset_in_ms;
    assert_eq!((left(76_999), left(0), left(77_000)), (Some(1), Some(77_000), Some(5)));
}

#[test]
fn questions_are_left_to_people_and_the_unknown_is_passed_over() {
    let mut play = Play::new(wanted());
    play.running();
    let sent = play.sent.len();
    for (method, thread) in
        [("item/commandExecution/requestApproval", THREAD), ("item/tool/requestUserInput", "another")]
    {
        let params = json!({"threadId": thread});
        play.on(Event::Heard(Incoming::Asked { method: method.into(), params }));
    }
    play.tell("thread/goal/updated", json!({})).tell("item/completed", json!({"turnId": "t1", "item": 7}));
    play.tell("thread/tokenUsage/updated", json!({"tokenUsage": "odd"}))
        .tell("turn/completed", json!({"turn": []}));
    play.on(Event::Heard(Incoming::Noise)).on(Event::Timer).on(Event::Go);
    assert_eq!((play.sent.len(), play.said.len()), (sent, 2), "{:?}", play.sent);
    assert_eq!(play.log, ["it asks a person: item/commandExecution/requestApproval"]);
    assert!(!play.turn.is_over());
}
