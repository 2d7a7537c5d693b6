//! What is seen of people in a server's threads, and what is not taken for theirs.

use serde_json::{Value, json};

use super::*;

const THREAD: &str = "01a224b3-b972-75c0-8a2b-867f121f4c28";
/// The wall clock's reading at which the monotonic one stands at nothing.
const WALL_MS: u64 = 1_800_000_000_000;

fn session(number: u128) -> SessionId {
    SessionId::from_u128(SessionId::from_uuid_text(THREAD).unwrap().as_u128() + number)
}

struct Play {
    watch: Watch,
    at_ms: u64,
    sent: Vec<(u64, String, Value)>,
    seen: Vec<(Observed, u64)>,
    connects: usize,
}

impl Play {
    /// Connected and greeted; `worker` has the thread.
    fn new() -> Self {
        let mut play = Self { watch: Watch::default(), at_ms: 0, sent: vec![], seen: vec![], connects: 0 };
        play.on(Event::Connected).answer("initialize", json!({}));
        play.know(0)
    }

    fn know(mut self, number: u128) -> Self {
        let agent = "worker".parse().unwrap();
        self.on(Event::Known { thread: session(number), agent });
        self
    }

    fn on(&mut self, event: Event) -> &mut Self {
        let now = Moment { at_ms: self.at_ms, wall_ms: WALL_MS + self.at_ms };
        for act in self.watch.on(now, event) {
            match act {
                Act::Send(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let id = message["id"].as_u64().unwrap_or_default();
                    let method = message["method"].as_str().unwrap().to_owned();
                    self.sent.push((id, method, message["params"].clone()));
                }
                Act::Observe(sight) => {
                    assert_eq!((sight.agent.as_str(), sight.thread), ("worker", session(0)));
                    self.seen.push((sight.observed, sight.ago_ms));
                }
                Act::Connect => self.connects += 1,
            }
        }
        self
    }

    #[track_caller]
    fn answer(&mut self, method: &str, result: Value) -> &mut Self {
        let (id, last, _) = self.sent.last().expect("something was asked").clone();
        assert_eq!(last, method);
        self.on(Event::Heard(Incoming::Answer { id, result: Ok(result) }))
    }

    /// The thread's status, as it is read at first.
    fn stands(&mut self, status: &str) -> &mut Self {
        self.answer("thread/read", json!({"thread": {"status": {"type": status}}}))
    }

    fn becomes(&mut self, status: &Value) -> &mut Self {
        let params = json!({"threadId": THREAD, "status": status});
        self.on(Event::Heard(Incoming::Notice { method: "thread/status/changed".into(), params }))
    }

    fn works(&mut self) -> &mut Self {
        self.becomes(&json!({"type": "active", "activeFlags": []}))
    }

    fn rests(&mut self) -> &mut Self {
        self.becomes(&json!({"type": "idle"}))
    }

    /// The newest turn, as it is read: its status, and who said something when.
    fn newest(&mut self, status: &str, said: &[(&str, u64)]) -> &mut Self {
        let items: Vec<_> = said
            .iter()
            .map(|(id, at)| json!({"type": "userMessage", "clientId": id, "startedAtMs": WALL_MS + at}))
            .collect();
        let turn = json!({"id": "t", "status": status, "items": items});
        self.answer("thread/turns/list", json!({"data": [turn]}))
    }

    #[track_caller]
    fn saw(&mut self, wanted: &[(Observed, u64)]) -> &mut Self {
        assert_eq!(std::mem::take(&mut self.seen), wanted);
        self
    }

    fn asked(&self) -> usize {
        self.sent.len()
    }
}

use Observed::{Closed, HumanPrompt, TurnEnded, TurnStarted, WaitingApproval};

#[test]
fn a_persons_turn_is_seen_from_its_words_to_its_end() {
    let mut play = Play::new();
    play.stands("idle").newest("completed", &[("wak_a.1", 0)]).saw(&[]);
    play.at_ms = 5_000;
    play.works().newest("inProgress", &[("theirs", 4_700)]).saw(&[(HumanPrompt, 300)]);
    play.becomes(&json!({"type": "active", "activeFlags": ["waitingOnApproval"]}));
    play.saw(&[(WaitingApproval, 0)]);
    play.works().saw(&[(TurnStarted, 0)]);
    // Words that went into the turn while it ran are seen when it is over.
    play.at_ms = 9_000;
    play.rests().newest("completed", &[("theirs", 4_700), ("more", 8_000)]);
    play.saw(&[(HumanPrompt, 1_000), (TurnEnded, 0)]);
    // The same words are not told twice.
    play.works().newest("inProgress", &[("wak_b.1", 9_000)]).saw(&[]);
    play.rests().newest("completed", &[("wak_b.1", 9_000)]).saw(&[]);
}

#[test]
fn our_own_turns_are_nobodys_but_a_persons_words_in_them_count() {
    let mut play = Play::new();
    play.stands("active").newest("inProgress", &[("wak_a.1", 0)]).saw(&[]);
    play.at_ms = 7_000;
    play.rests().newest("completed", &[("wak_a.1", 0), ("theirs", 6_000)]);
    play.saw(&[(HumanPrompt, 1_000), (TurnEnded, 0)]);
    // A person's turn whose end was not read before ours began is over.
    play.works().newest("inProgress", &[("theirs", 7_000)]).saw(&[(HumanPrompt, 0)]);
    play.rests().works();
    let late = play.asked();
    play.newest("inProgress", &[("wak_b.1", 7_000)]).saw(&[(TurnEnded, 0)]);
    assert_eq!(play.asked(), late);
}

#[test]
fn a_turn_is_read_again_until_its_words_stand_there() {
    let mut play = Play::new();
    play.stands("idle").newest("completed", &[]);
    play.works().newest("completed", &[("wak_a.1", 0)]);
    for _ in 0..AGAIN_MAX {
        play.saw(&[]);
        let asked = play.asked();
        let at_ms = play.watch.timer_ms().expect("it is read again");
        play.at_ms = at_ms - 1;
        play.on(Event::Timer);
        assert_eq!(play.asked(), asked, "not a millisecond too soon");
        play.at_ms = at_ms;
        play.on(Event::Timer).newest("inProgress", &[]);
    }
    // Nobody's words began it, and it works all the same.
    play.saw(&[(TurnStarted, 0)]);
    assert_eq!(play.watch.timer_ms(), None);
    play.rests().newest("completed", &[]).saw(&[(TurnEnded, 0)]);
    // One that is over before it was read is not read for its words any more.
    play.works().newest("completed", &[]);
    play.rests().newest("completed", &[]).saw(&[]);
    assert_eq!(play.watch.timer_ms(), None);
}

#[test]
fn what_was_said_before_we_came_is_seen_unless_it_is_old() {
    let day = u64::try_from(OBSERVED_AGO_MS_MAX).unwrap();
    for (at_ms, wanted) in [(day, vec![(HumanPrompt, day), (TurnEnded, 0)]), (day + 1, vec![])] {
        let mut play = Play::new();
        play.at_ms = at_ms;
        play.stands("idle").newest("completed", &[("theirs", 0)]).saw(&wanted);
    }
    // Its clock may be ahead of ours by a little.
    let mut play = Play::new();
    play.stands("idle").newest("completed", &[("theirs", 40)]).saw(&[(HumanPrompt, 0), (TurnEnded, 0)]);
    // Waiting for a person when we come.
    let mut play = Play::new();
    let status = json!({"type": "active", "activeFlags": ["waitingOnUserInput"]});
    play.answer("thread/read", json!({"thread": {"status": status}}));
    play.newest("inProgress", &[("theirs", 0)]).saw(&[(HumanPrompt, 0), (WaitingApproval, 0)]);
}

#[test]
fn what_ends_a_session_closes_it_once() {
    let begin = || {
        let mut play = Play::new();
        play.stands("active").newest("inProgress", &[("theirs", 0)]).saw(&[(HumanPrompt, 0)]);
        play
    };
    let mut play = begin();
    play.becomes(&json!({"type": "notLoaded"})).saw(&[(Closed, 0)]);
    play.becomes(&json!({"type": "notLoaded"})).saw(&[]);
    let mut play = begin();
    play.on(Event::Lost { is_gone: true }).saw(&[(Closed, 0)]).on(Event::Lost { is_gone: true }).saw(&[]);
    // A connection that broke says nothing of the session: it is looked at again.
    let mut play = begin();
    play.on(Event::Lost { is_gone: false }).on(Event::Connected).saw(&[]);
    play.answer("initialize", json!({})).stands("active").newest("inProgress", &[("theirs", 0)]);
    play.saw(&[(TurnStarted, 0)]);
    play.rests().newest("completed", &[("theirs", 0)]).saw(&[(TurnEnded, 0)]);
    // Where nobody was seen, nothing is closed.
    let mut play = Play::new();
    play.stands("notLoaded").on(Event::Lost { is_gone: true }).saw(&[]);
}

#[test]
fn threads_of_others_and_whatever_else_is_told_are_passed_over() {
    let mut play = Play::new();
    play.stands("idle").newest("completed", &[]);
    let asked = play.asked();
    let other = json!({"threadId": session(9).to_uuid_text(), "status": {"type": "active"}});
    for (method, params) in [
        ("thread/status/changed", other),
        ("thread/status/changed", json!({"threadId": "odd"})),
        ("thread/started", json!({"thread": {"id": THREAD}})),
    ] {
        play.on(Event::Heard(Incoming::Notice { method: method.into(), params }));
    }
    play.on(Event::Heard(Incoming::Noise)).on(Event::Timer);
    play.on(Event::Heard(Incoming::Answer { id: 99, result: Ok(json!({})) })).saw(&[]);
    assert_eq!((play.asked(), play.connects), (asked, 0));
    // What cannot be read says nothing.
    play.works();
    let id = play.sent.last().unwrap().0;
    let refused = Err(Refused { message: "no".into() });
    play.on(Event::Heard(Incoming::Answer { id, result: refused })).saw(&[]);
}

#[test]
fn a_server_that_does_not_greet_is_connected_to_again() {
    let mut play = Play { watch: Watch::default(), at_ms: 0, sent: vec![], seen: vec![], connects: 0 };
    play.on(Event::Connected);
    assert_eq!(play.watch.timer_ms(), Some(GREETING_MS_MAX));
    play.at_ms = GREETING_MS_MAX;
    play.on(Event::Timer);
    assert_eq!((play.connects, play.watch.timer_ms()), (1, None));
    play.on(Event::Lost { is_gone: false }).on(Event::Connected);
    let id = play.sent.last().unwrap().0;
    play.on(Event::Heard(Incoming::Answer { id, result: Err(Refused { message: "too old".into() }) }));
    assert_eq!(play.connects, 2);
}

/// So many are watched; the one that was woken longest ago makes room.
#[test]
fn as_many_threads_are_watched_as_there_is_room_for() {
    let mut play = Play::new();
    for number in 1..u128::try_from(THREADS_MAX).unwrap() {
        play = play.know(number);
    }
    // Woken again, so it is not the oldest.
    play = play.know(0).know(1_000);
    assert_eq!(play.watch.threads.len(), THREADS_MAX);
    let left = |number| !play.watch.threads.contains_key(&session(number));
    assert!(left(1) && !left(0) && !left(2) && !left(1_000));
}
