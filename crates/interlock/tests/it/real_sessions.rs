//! Sessions of the real Codex and Claude Code: gone, in use by somebody else, and cut off in the middle of a turn.

use std::path::PathBuf;
use std::time::Duration;

use interlock_scripted_model::Fault;
use rustix::process::Signal;
use serde_json::Value;

use crate::desk::{Desk, Kind};
use crate::processes;
use crate::wait::until;

/// Its sessions are gone: the same wake goes on in a fresh one, and says so.
fn a_session_that_is_gone_is_replaced(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    desk.says("one");
    desk.ended(0);
    for session in desk.sessions() {
        std::fs::remove_file(session).unwrap();
    }
    if kind == Kind::Codex {
        for entry in std::fs::read_dir(desk.site.path("home")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().contains(".sqlite") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    desk.says("two");
    let second = desk.ended(1);
    assert_eq!(second["result"], "fallback_spawned", "{second} {}", desk.log(&second));
    assert_eq!(second["attempts"], 1, "no attempt was lost");
}

#[test]
fn codex_goes_on_in_a_fresh_session_when_its_own_is_gone() {
    a_session_that_is_gone_is_replaced("codex session gone", Kind::Codex);
}

#[test]
fn claude_goes_on_in_a_fresh_session_when_its_own_is_gone() {
    a_session_that_is_gone_is_replaced("claude session gone", Kind::Claude);
}

/// Somebody else is in the middle of a turn in it: the wake waits, and goes on in it when they are gone.
fn a_session_in_use_is_waited_for(test: &str, kind: Kind) {
    let (Some(program), Some(desk)) =
        (kind.program(test), Desk::open_patient(test, kind, Duration::from_mins(10)))
    else {
        return;
    };
    desk.says("one");
    desk.ended(0);
    let session = desk.the_session();
    let mut somebody = desk.hold(&program, &session);
    desk.says("two");
    let busy = |wake: &&Value| wake["reason"] == "SESSION_BUSY";
    let waiting = until("a deferred wake", || desk.wakes().get(1).filter(busy).cloned());
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&"pending".into(), &0.into()), "{waiting}");
    somebody.kill();
    let second = desk.ended(1);
    let end = (&second["result"], &second["attempts"]);
    assert_eq!(end, (&"triggered".into(), &1.into()), "{second} {}", desk.log(&second));
    assert_eq!(desk.the_session(), session);
    assert_eq!(desk.sessions().len(), 1, "no other was begun");
}

#[test]
fn codex_waits_for_a_session_in_use() {
    a_session_in_use_is_waited_for("codex busy", Kind::Codex);
}

#[test]
fn claude_waits_for_a_session_in_use() {
    a_session_in_use_is_waited_for("claude busy", Kind::Claude);
}

/// They stay too long: it goes on in a fresh one, and not a word of it stands in theirs.
fn a_session_in_use_is_never_entered(test: &str, kind: Kind) {
    let (Some(program), Some(desk)) = (kind.program(test), Desk::open(test, kind)) else { return };
    desk.says("one");
    desk.ended(0);
    let held = desk.sessions().pop().unwrap();
    let _somebody = desk.hold(&program, &desk.the_session());
    desk.says("two");
    let second = desk.ended(1);
    let end = (&second["result"], &second["attempts"]);
    assert_eq!(end, (&"fallback_spawned".into(), &1.into()), "{second} {}", desk.log(&second));
    let wake = second["wake_id"].as_str().unwrap();
    let told = |path: &PathBuf| std::fs::read_to_string(path).unwrap().contains(wake);
    assert!(!told(&held), "it was entered");
    let sessions = desk.sessions();
    assert_eq!(sessions.iter().filter(|path| told(path)).count(), 1, "{sessions:?}");
}

#[test]
fn codex_never_enters_a_session_in_use() {
    a_session_in_use_is_never_entered("codex busy for long", Kind::Codex);
}

#[test]
fn claude_never_enters_a_session_in_use() {
    a_session_in_use_is_never_entered("claude busy for long", Kind::Claude);
}

/// Killed in the middle of its turn: the next attempt goes on in the same session and does the work.
fn a_turn_that_is_killed_is_repeated(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    desk.model.faults().next([Fault::Delay(std::time::Duration::from_mins(1))]);
    desk.says("good morning");
    until("a started turn", || (!desk.model.seen().is_empty()).then_some(()));
    // What the program has not written down by then nobody can go on with.
    until("its session", || (!desk.sessions().is_empty()).then_some(()));
    let process = until("its process", || desk.process());
    processes::signal(process, Signal::KILL);
    let wake = desk.ended(0);
    assert_eq!(
        (&wake["result"], &wake["attempts"]),
        (&"triggered".into(), &2.into()),
        "{wake} {}",
        desk.log(&wake)
    );
    assert_eq!(desk.sessions().len(), 1, "it went on in its session");
}

#[test]
fn codex_goes_on_after_it_was_killed_in_the_middle() {
    a_turn_that_is_killed_is_repeated("codex killed", Kind::Codex);
}

#[test]
fn claude_goes_on_after_it_was_killed_in_the_middle() {
    a_turn_that_is_killed_is_repeated("claude killed", Kind::Claude);
}

/// A person stops everything in the middle of a turn: nothing is left running, and after a restart the work is done.
fn a_turn_that_is_interrupted_is_resumed(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    desk.model.faults().next([Fault::Delay(std::time::Duration::from_mins(1))]);
    desk.says("good morning");
    until("a started turn", || (!desk.model.seen().is_empty()).then_some(()));
    desk.site.run(&["stop"]).ok();
    desk.site.until_quiet();
    let Desk { site, server, model, kind, thread, runtime } = desk;
    drop(server);
    let server = site.up(&[]);
    let desk = Desk { site, server, model, kind, thread, runtime };
    let wake = desk.ended(0);
    assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
    assert_eq!(desk.sessions().len(), 1, "it went on in its session");
    assert!(!desk.server.url.is_empty());
}

#[test]
fn codex_goes_on_after_it_was_interrupted() {
    a_turn_that_is_interrupted_is_resumed("codex interrupted", Kind::Codex);
}

#[test]
fn claude_goes_on_after_it_was_interrupted() {
    a_turn_that_is_interrupted_is_resumed("claude interrupted", Kind::Claude);
}
