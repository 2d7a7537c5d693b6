//! What was sent, and nobody knows what became of it.

use super::*;

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
        assert_eq!(play.said, [Input::Spawned, BEGAN()]);
        assert_eq!(play.asks("turn/interrupt"), &json!({"threadId": THREAD, "turnId": "t1"}));
        play.completes("t1", "interrupted", Value::Null);
        let cut_off = heard(false, Some(Fault::Turn(TurnFault::TurnIncomplete)));
        play.ended(&[Input::Spawned, BEGAN(), cut_off, Input::Exited { code: 1 }]);
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

/// Its lease was over, so it was ended by us: nobody else wants it not to be done.
#[test]
fn what_we_have_cut_off_is_still_to_be_done() {
    for status in ["idle", "notLoaded"] {
        let mut play = Play::new(Wanted { is_in_doubt: true, is_cut: true, ..wanted() });
        play.greeted().answer("thread/read", json!({"thread": {"status": {"type": status}}}));
        play.answer("thread/turns/list", page("wak_x.1", "interrupted", false)).ended(&[Input::NotRunning]);
        assert!(!play.turn.may_go_on());
    }
    // What was over by itself before is over.
    let mut play = Play::new(Wanted { is_in_doubt: true, is_cut: true, ..wanted() });
    play.open("idle").answer("thread/turns/list", page("wak_x.1", "completed", false)).on(Event::Go);
    play.ended(&[Input::Spawned, BEGAN(), DONE, Input::Exited { code: 0 }]);
}

/// That a history cannot be read now says nothing of what stands in it: only that nothing was ever said there does.
#[test]
fn a_history_that_cannot_be_read_leaves_the_doubt() {
    let unwritten =
        "thread x is not materialized yet; thread/turns/list is unavailable before first user message";
    // An earlier life may have sent it: the next claim looks again.
    for (status, words, how) in [
        ("idle", "internal error: sesame!", Input::NotStarted),
        ("notLoaded", "failed to read thread", Input::NotStarted),
        ("active", unwritten, Input::NotStarted),
        ("idle", unwritten, Input::NotRunning),
        ("notLoaded", "thread not loaded: x", Input::NotRunning),
    ] {
        let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
        play.open(status).refuse("thread/turns/list", words);
        let may_go_on = how == Input::NotStarted;
        play.ended(&[how]);
        assert_eq!(play.turn.may_go_on(), may_go_on, "{status} {words}");
        assert!(!play.log.join("\n").contains("sesame!"), "{:?}", play.log);
    }
    // A turn that has no words yet may be ours.
    let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
    let wordless = json!({"data": [{"id": "t1", "status": "inProgress", "items": []}]});
    play.open("active").answer("thread/turns/list", wordless).ended(&[Input::NotStarted]);
    // Whoever has sent it looks again, as long as a lost server is looked for, and then says that nobody can tell.
    let mut play = Play::new(wanted());
    play.ready().on(Event::Go).on(Event::Gone);
    while !play.turn.is_over() {
        play.on(Event::Connected).answer("initialize", json!({}));
        play.answer("thread/read", json!({"thread": {"status": {"type": "idle"}}}));
        play.refuse("thread/turns/list", "internal error");
        play.at_ms += 1_000;
    }
    assert!(play.at_ms >= REJOIN_MS_MAX && play.connects > 5, "{} {}", play.at_ms, play.connects);
    play.ended(&[Input::Spawned, heard(false, None), Input::Unknown]);
    assert!(play.turn.may_go_on());
    assert_eq!(play.sent_turns(), 1);
    assert_eq!(play.log.len(), 2, "{:?}", play.log);
}

/// It runs, and then its thread cannot be loaded: that gives up neither it nor its session.
#[test]
fn what_was_found_is_not_given_up_for_a_later_no() {
    for (words, how) in [
        ("no rollout found for thread id x", Input::NotStarted),
        ("odd", Input::NotStarted),
        ("thread x already has an active writer", Input::SessionBusy),
    ] {
        let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
        play.open("active").answer("thread/turns/list", page("wak_x.1", "inProgress", false));
        play.refuse("thread/resume", words).ended(&[how]);
        assert!(play.turn.may_go_on(), "{words}");
    }
}

/// A person had begun the turn that our words were found in: whoever orders its end leaves it to them.
#[test]
fn a_persons_turn_that_ours_was_found_in_goes_on() {
    let mut play = Play::new(Wanted { is_in_doubt: true, ..wanted() });
    let mut found = page("wak_x.1", "inProgress", false);
    found["data"][0]["items"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"type": "userMessage", "clientId": "theirs"}));
    play.open("active").answer("thread/turns/list", found).answer("thread/resume", loaded("active"));
    play.on(Event::Stop).ended(&[Input::Spawned, BEGAN(), heard(false, None), KILLED_BY_NOBODY]);
    assert!(play.sent.iter().all(|(_, method, _)| method != "turn/interrupt"), "{:?}", play.sent);
    assert_eq!(play.cuts, [0; 0]);
}
