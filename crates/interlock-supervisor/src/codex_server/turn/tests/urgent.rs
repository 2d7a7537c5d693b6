//! What cannot wait until the turn is over.

use super::*;

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
