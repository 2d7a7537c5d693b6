//! What an agent said last in a turn is in the ledger and in its wake, whatever the agent posts.

use interlock_core::Event;
use interlock_core::limits::LAST_MESSAGE_BYTES_MAX;
use interlock_core::text::digest;
use interlock_core::wake::{Outcome, WakeState};

use crate::world::{Claim, Done, Post, World};

/// The executor's wake, whose process runs.
fn running() -> (World, Claim) {
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.run_one("sup");
    (w, claim)
}

/// The words of the entry, which its digest must be of.
#[track_caller]
fn said(done: &Done) -> &str {
    let mut words = done.events.iter().filter_map(|event| match event {
        Event::WakeSaid { text, text_salt, text_digest, .. } => Some((text, text_salt, text_digest)),
        _ => None,
    });
    let (Some((text, salt, of)), None) = (words.next(), words.next()) else { panic!("{:?}", done.events) };
    assert_eq!(*of, digest(salt, &[text.as_bytes()]));
    assert_ne!(*of, digest(&interlock_core::text::Salt::default(), &[text.as_bytes()]), "it is salted");
    text
}

#[test]
fn the_last_words_stand_before_the_end_of_the_attempt_and_in_the_wake() {
    let (mut w, claim) = running();
    let seq = w.thread().seq;
    let done = w.ended_saying(&claim, Outcome::Exited { code: 1 }, "it does not build").unwrap();
    assert_eq!(done.kinds(), ["wake.used", "wake.said", "wake.attempt_failed"]);
    assert_eq!(said(&done), "it does not build");
    let kept = w.wake(claim.wake_id).last_message.clone().unwrap();
    let Event::WakeSaid { text_salt, .. } = &done.events[1] else { panic!("{:?}", done.events) };
    assert_eq!((kept.text.as_str(), kept.salt), ("it does not build", text_salt.0));
    assert!(
        !serde_json::to_string(&done.events[1]).unwrap().contains("build"),
        "the ledger has a digest alone"
    );
    assert_eq!(w.thread().seq, seq, "it is no message");

    w.advance_ms(2_000);
    let again = w.run_one("sup");
    assert_eq!(again.wake_id, claim.wake_id, "and wakes nobody");
    assert_eq!(w.wake(claim.wake_id).last_message, None, "the next attempt has said nothing yet");
    w.ack("executor", 1).unwrap();
    let done = w.ended_saying(&again, Outcome::Exited { code: 0 }, "now it does").unwrap();
    assert_eq!(done.kinds()[..2], ["wake.used", "wake.said"]);
    assert!(done.kinds().contains(&"wake.finished".to_owned()), "{:?}", done.kinds());
    assert_eq!(w.wake(claim.wake_id).last_message.as_ref().unwrap().text, "now it does");
}

#[test]
fn a_wake_that_a_person_ended_has_the_last_words_too() {
    let (mut w, claim) = running();
    w.ends("olga", claim.wake_id).unwrap();
    let done = w.ended_saying(&claim, Outcome::Halted, "I was about to").unwrap();
    assert_eq!(done.kinds(), ["wake.used", "wake.said", "wake.finished"]);
    assert_eq!(said(&done), "I was about to");
}

#[test]
fn words_are_cut_between_characters_and_cleaned() {
    let half = LAST_MESSAGE_BYTES_MAX / 2;
    for (words, want) in [
        ("x".repeat(LAST_MESSAGE_BYTES_MAX), "x".repeat(LAST_MESSAGE_BYTES_MAX)),
        ("x".repeat(LAST_MESSAGE_BYTES_MAX + 1), "x".repeat(LAST_MESSAGE_BYTES_MAX)),
        ("\u{e9}".repeat(half + 1), "\u{e9}".repeat(half)),
        (format!("x{}", "\u{e9}".repeat(half)), format!("x{}", "\u{e9}".repeat(half - 1))),
        (" a\u{0}\u{7}b\r\n\t\u{1b}[1mc\u{9b} \n".into(), "ab\n\tc".into()),
    ] {
        let (mut w, claim) = running();
        assert_eq!(said(&w.ended_saying(&claim, Outcome::Exited { code: 1 }, &words).unwrap()), want);
    }
}

#[test]
fn where_nothing_was_said_or_nothing_ran_the_ledger_says_nothing() {
    for words in ["", " \r\n\t", "\u{0}\u{7}"] {
        let (mut w, claim) = running();
        let done = w.ended_saying(&claim, Outcome::Exited { code: 1 }, words).unwrap();
        assert_eq!(done.kinds(), ["wake.used", "wake.attempt_failed"], "{words:?}");
        assert_eq!(w.wake(claim.wake_id).last_message, None);
    }
    let mut w = World::pair();
    w.post("olga", Post::chat("go").to(&["executor"])).unwrap();
    let claim = w.claim_one("sup");
    let done = w.ended_saying(&claim, Outcome::NotStarted, "from nowhere").unwrap();
    assert!(!done.kinds().contains(&"wake.said".to_owned()), "{:?}", done.kinds());
    assert_eq!(w.wake(claim.wake_id).state, WakeState::Pending);
}
