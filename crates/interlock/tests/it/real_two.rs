//! Two supervisors on one machine, with the real programs: each wake is done once and in its agent's one session; and what
//! one of them leaves behind when it is killed is finished by the other, or told to a person.

use std::time::Duration;

use interlock_scripted_model::Fault;
use serde_json::Value;

use crate::desk::{Desk, Kind};
use crate::fleet::Supervisor;
use crate::wait::until;

/// A lease is over soon after its supervisor.
const POLICY: &str =
    "lease_ms = 3000\ntakeover_grace_ms = 500\npoll_interval_ms = 300\nwakes_per_minute_max = 0";

/// A desk whose server runs nobody, and two supervisors.
fn desk(test: &str, kind: Kind) -> Option<(Desk, [Supervisor; 2])> {
    let desk = Desk::open_with(test, kind, Duration::from_mins(10), (POLICY, &["--server-only"]))?;
    let supervisors = ["a", "b"].map(|name| Supervisor::start(&desk.site, name, &desk.server.url, &[]));
    Some((desk, supervisors))
}

/// How often the model was asked by the prompt of this wake: once for each time that its turn was begun.
fn begun(desk: &Desk, wake: &Value) -> usize {
    let id = wake["wake_id"].as_str().unwrap();
    let seen = desk.model.seen();
    let asked = seen.last().unwrap().conversation.asked.iter();
    asked.filter(|asked| asked.contains(id)).count()
}

/// The supervisor that runs this wake.
fn holder(desk: &Desk, supervisors: &[Supervisor; 2], wake: &Value) -> usize {
    let by = wake["history"].as_array().unwrap().last().unwrap()["supervisor"].clone();
    supervisors.iter().position(|one| by == one.name(&desk.site)).unwrap()
}

/// The `n`th wake, once a turn runs for it that its model does not answer soon.
fn silent(desk: &Desk, n: usize, says: impl FnOnce()) -> Value {
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_mins(10))]);
    says();
    until("the turn to run", || (desk.model.seen().len() > seen).then_some(()));
    until("its acceptance", || desk.wakes().get(n).filter(|wake| wake["accepted_at"].is_string()).cloned())
}

/// Whoever runs it is killed in the middle of a turn: the program dies with it, and the other one does the work in the same
/// session. Not an attempt is lost.
fn one_does_it_and_the_other_takes_over(test: &str, kind: Kind) {
    let Some((desk, mut supervisors)) = desk(test, kind) else { return };
    for n in 0..3 {
        desk.says("good morning");
        let wake = desk.ended(n);
        assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
        assert_eq!(begun(&desk, &wake), 1, "once, whichever of the two it was");
    }
    let running = silent(&desk, 3, || desk.says("and again"));
    let process = until("its process", || desk.process());
    supervisors[holder(&desk, &supervisors, &running)].running.kill();
    let wake = desk.ended(3);
    assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
    assert!(!crate::processes::is_alive(process), "it died with its supervisor");
    let by: Vec<&Value> = wake["history"].as_array().unwrap().iter().map(|one| &one["supervisor"]).collect();
    assert!(by.len() == 2 && by[0] != by[1], "{wake}");
    assert_eq!(desk.sessions().len(), 1, "it went on in its session");
}

#[test]
fn two_supervisors_wake_codex_once() {
    one_does_it_and_the_other_takes_over("codex, two supervisors", Kind::Codex);
}

#[test]
fn two_supervisors_wake_claude_once() {
    one_does_it_and_the_other_takes_over("claude, two supervisors", Kind::Claude);
}

/// Each has a server of its own for the same CODEX_HOME, and only one of these can have the session loaded: whoever has it not
/// leaves it alone. A turn whose supervisor is killed ends with its server, but nobody else can know that.
#[test]
fn two_supervisors_wake_a_live_codex_once() {
    let test = "codex live, two supervisors";
    let (Some(program), Some((desk, mut supervisors))) = (Kind::Codex.program(test), desk(test, Kind::Codex))
    else {
        return;
    };
    desk.register_as("live", &program, desk.model.key(), Some("scripted"), &["--live"]);
    let made = desk.site.ask(&["thread", "create", "Its own", "--with", "live"]);
    let thread = made["thread_id"].as_str().unwrap().to_owned();
    let says = |text: &str| drop(desk.site.ask(&["thread", "post", &thread, text]));
    for n in 0..3 {
        says("good morning");
        let wake = desk.ended(n);
        let how = (&wake["result"], &wake["attempts"], &wake["door"]);
        assert_eq!(how, (&"triggered".into(), &1.into(), &"live".into()), "{wake} {}", desk.log(&wake));
        assert_eq!(begun(&desk, &wake), 1);
    }
    assert_eq!(desk.sessions().len(), 1, "it is one session");
    let running = silent(&desk, 3, || says("and again"));
    supervisors[holder(&desk, &supervisors, &running)].running.kill();
    let wake = desk.ended(3);
    assert_eq!((&wake["result"], &wake["reason"]), (&"unknown".into(), &"WAKE_IN_DOUBT".into()), "{wake}");
    let status = desk.site.ask(&["thread", "show", &thread]);
    assert_eq!(status["status"], "blocked", "a person is told: {status}");
}
