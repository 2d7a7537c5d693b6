//! Somebody else is in the thread, or was just now.

use super::*;

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
