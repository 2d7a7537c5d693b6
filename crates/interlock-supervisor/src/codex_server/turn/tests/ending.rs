//! How a turn ends otherwise than by itself, or does not begin.

use super::*;

#[test]
fn a_turn_is_interrupted_and_its_end_awaited() {
    let incomplete = heard(false, Some(Fault::Turn(TurnFault::TurnIncomplete)));
    let mut play = Play::new(wanted());
    play.running().on(Event::Stop).on(Event::Stop);
    assert_eq!(play.cuts, [play.sent.len() - 1], "it is written down before it is sent, and once");
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

/// Nobody would end it when its supervisor stops: it is not begun, and what was begun is looked for again.
#[test]
fn a_turn_that_nobody_watches_over_is_not_begun() {
    let unwatched = || Event::Unwatched { why: "no processes left".into() };
    let mut play = Play::new(wanted());
    play.ready().on(unwatched()).ended(&[Input::Spawned, Input::DoorUnavailable]);
    assert!(!play.turn.may_go_on());
    let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
    play.open("active").answer("thread/turns/list", page("wak_x.1", "inProgress", false));
    play.answer("thread/resume", loaded("active"))
        .on(unwatched())
        .ended(&[Input::Spawned, Input::NotStarted]);
    assert!(play.turn.may_go_on());
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
