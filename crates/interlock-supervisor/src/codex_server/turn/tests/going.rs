//! How a turn goes that nothing is in the way of, and what it tells.

use super::*;

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
