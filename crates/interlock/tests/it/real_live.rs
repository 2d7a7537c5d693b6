//! The live door into the real Codex: a person's own background server, and one of ours that people attach to.

use std::path::PathBuf;
use std::time::Duration;

use interlock_scripted_model::Fault;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::codex_client::Person;
use crate::desk::{Desk, Kind};
use crate::doctor_runtimes::check;
use crate::live_rig::{managed, managed_with, named};
use crate::processes;
use crate::site::Running;
use crate::wait::until;

/// The background server that a person's Codex starts for itself, as far as we can tell.
struct Background {
    process: Running,
    socket: PathBuf,
}

impl Background {
    fn start(desk: &Desk) -> Self {
        let program = desk.kind.program("codex").unwrap();
        let socket = desk.site.path("home/app-server-control/app-server-control.sock");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let mut command = std::process::Command::new(program);
        command.args(desk.settings().iter().flat_map(|setting| ["-c", setting]));
        command.args(["app-server", "--listen", &format!("unix://{}", socket.display())]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", desk.site.path("person")).envs(desk.variables(desk.model.key()));
        let process = Running::new(command.current_dir(desk.site.path("work")));
        until("the background server", || Person::at(&desk.runtime, &socket).map(drop));
        Self { process, socket }
    }

    fn person<'d>(&self, desk: &'d Desk) -> Person<'d> {
        Person::at(&desk.runtime, &self.socket).unwrap()
    }
}

/// Woken in a fresh session, then again in the same one, all in one server; and a token stands nowhere between two wakes.
#[test]
fn an_agent_lives_in_our_own_server() {
    let Some((desk, thread, socket)) = managed("codex live, ours") else { return };
    let first = desk.ended(0);
    let why = desk.log(&first);
    assert_eq!((&first["result"], &first["door"]), (&"triggered".into(), &"live".into()), "{first} {why}");
    assert_eq!((&first["attempts"], &first["door_changes"]), (&1.into(), &Value::Null), "{first}");
    assert!(why.contains("read_messages completed") && !why.contains("eyJ"), "{why}");
    desk.site.ask(&["thread", "post", &thread, "and again"]);
    let second = desk.ended(1);
    assert_eq!(
        (&second["result"], &second["door"]),
        (&"triggered".into(), &"live".into()),
        "{}",
        desk.log(&second)
    );
    let asked = desk.model.seen().last().unwrap().conversation.asked.len();
    assert_eq!((asked, desk.sessions().len()), (2, 1), "it remembers its first turn");
    for wake in [&first, &second] {
        assert!(wake["usage"]["input_tokens"].as_u64() > Some(100), "{wake}");
    }
    let mut person = Person::at(&desk.runtime, &socket).unwrap();
    let turns = person.turns(&desk.the_session());
    assert_eq!(
        (turns.len(), named(&turns, &first).len(), named(&turns, &second).len()),
        (2, 1, 1),
        "{turns:?}"
    );
    let lent = std::fs::read_dir(socket.parent().unwrap()).unwrap().flatten();
    let lent: Vec<_> =
        lent.filter(|file| file.path().extension().is_some_and(|ending| ending == "json")).collect();
    assert!(lent.is_empty(), "{lent:?}");
    // People are told how to sit down in front of it.
    let address = format!("codex --remote unix://{} resume", socket.display());
    assert!(why.contains(&format!("attach with: {address} {}", desk.the_session())), "{why}");
    let report = desk.site.run(&["doctor", "runtimes", "--json"]).only_json();
    let doors = check(&report, "codex doors")["detail"].as_str().unwrap().to_owned();
    assert!(doors.contains(&format!("live: live, in a server of ours; attach with: {address}")), "{doors}");
    assert!(doors.contains("worker: resume"), "{doors}");
    // It ends with its supervisor, and leaves no socket behind.
    drop(person);
    desk.site.run(&["stop"]).ok();
    desk.site.until_quiet();
    assert!(!socket.exists());
}

/// A person who has attached sends words of their own: the wake waits for the end of their turn, and loses no attempt.
#[test]
fn a_persons_turn_in_our_server_is_waited_for() {
    // What counts here is their turn, and not how long ago their words were.
    let quiet = "human_quiet_ms = 200";
    let Some((desk, thread, socket)) = managed_with("codex live, a person attached", quiet) else { return };
    desk.ended(0);
    let session = desk.the_session();
    let mut person = Person::at(&desk.runtime, &socket).unwrap();
    person.opens(&session);
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_mins(10))]);
    let turn = person.says(&session, "a word of a person");
    until("the person's turn", || (desk.model.seen().len() > seen).then_some(()));
    desk.site.ask(&["thread", "post", &thread, "are you there?"]);
    let waiting = until("a deferred wake", || {
        // By the door's own look, or by what the supervisor has seen before.
        let is_put_off = |wake: &&Value| wake["reason"] == "SESSION_BUSY" || wake["reason"] == "HUMAN_ACTIVE";
        desk.wakes().get(1).filter(is_put_off).cloned()
    });
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&"pending".into(), &0.into()), "{waiting}");
    person.ask("turn/interrupt", &json!({"threadId": session, "turnId": turn}));
    let second = desk.ended(1);
    assert_eq!(
        (&second["result"], &second["door"]),
        (&"triggered".into(), &"live".into()),
        "{}",
        desk.log(&second)
    );
    let turns = person.turns(&session);
    assert_eq!(named(&turns, &second).len(), 1, "{turns:?}");
    let theirs = turns.iter().find(|one| one["id"] == turn.as_str()).unwrap();
    assert!(!theirs.to_string().contains("wak_"), "nothing of ours stands in their turn: {theirs}");
}

/// The server is killed in the middle of a turn: it is started again, and the work is done.
#[test]
fn a_turn_whose_server_is_killed_is_repeated() {
    let Some((desk, thread, socket)) = managed("codex live, server killed") else { return };
    desk.ended(0);
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_mins(1))]);
    desk.site.ask(&["thread", "post", &thread, "and again"]);
    until("a started turn", || (desk.model.seen().len() > seen).then_some(()));
    let server = desk
        .site
        .processes()
        .into_iter()
        .find(|process| !process.is_ours() && process.words.iter().any(|word| word == "app-server"));
    processes::signal(server.unwrap().id, Signal::KILL);
    let second = desk.ended(1);
    assert_eq!(
        (&second["result"], &second["attempts"]),
        (&"triggered".into(), &2.into()),
        "{second} {}",
        desk.log(&second)
    );
    assert_eq!(desk.sessions().len(), 1, "it went on in its session");
    until("another server", || Person::at(&desk.runtime, &socket).map(drop));
}

/// Errors of the model have their names through this door too, and nothing is begun elsewhere because of them.
#[test]
fn errors_of_the_model_are_named_through_our_server() {
    for (fault, reason, attempts) in [
        (Fault::Status(401), "MODEL_UNAUTHORIZED", 1),
        // Its quota was waited for twice, which uses no attempt.
        (Fault::Status(429), "MODEL_RATE_LIMITED", 1),
        (Fault::Status(500), "MODEL_UNAVAILABLE", 3),
    ] {
        let Some((desk, thread, _)) = managed("codex live, model errors") else { return };
        desk.ended(0);
        desk.model.faults().always(Some(fault));
        desk.site.ask(&["thread", "post", &thread, "and again"]);
        let wake = desk.ended(1);
        let how = (&wake["result"], &wake["reason"], &wake["door"], &wake["attempts"]);
        let wanted = (&"failed".into(), &reason.into(), &"live".into(), &attempts.into());
        assert_eq!(how, wanted, "{fault:?} {}", desk.log(&wake));
        assert_eq!(desk.sessions().len(), 1);
    }
}

/// The sessions are gone: a fresh one is begun, and the wake says so.
#[test]
fn a_session_that_is_gone_is_replaced_through_the_live_door() {
    let Some((desk, thread, _)) = managed("codex live, session gone") else { return };
    desk.ended(0);
    desk.site.run(&["stop"]).ok();
    desk.site.until_quiet();
    for session in desk.sessions() {
        std::fs::remove_file(session).unwrap();
    }
    for entry in std::fs::read_dir(desk.site.path("home")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains(".sqlite") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let Desk { site, server, model, kind, thread: other, runtime } = desk;
    drop(server);
    let server = site.up(&[]);
    let desk = Desk { site, server, model, kind, thread: other, runtime };
    desk.site.ask(&["thread", "post", &thread, "and again"]);
    let second = desk.ended(1);
    assert_eq!(second["result"], "fallback_spawned", "{second} {}", desk.log(&second));
    assert_eq!(second["attempts"], 1, "no attempt was lost");
    assert!(!desk.server.url.is_empty());
}

/// A person's own background server runs: the agent's session is woken through it, and nothing of the person's is changed.
#[test]
fn a_session_is_woken_through_a_persons_own_server() {
    let test = "codex live, a person's";
    let Some(desk) = Desk::open_patient(test, Kind::Codex, Duration::from_mins(10)) else { return };
    desk.says("good morning");
    let first = desk.ended(0);
    assert_eq!(
        (&first["result"], &first["door"]),
        (&"triggered".into(), &"spawn".into()),
        "{}",
        desk.log(&first)
    );
    let session = desk.the_session();
    let background = Background::start(&desk);
    for n in 1..3 {
        // The second time it is loaded there already, with the tools that we loaded it with.
        desk.says("and again");
        let wake = desk.ended(n);
        let how = (&wake["result"], &wake["door"], &wake["evidence"]);
        assert_eq!(how, (&"triggered".into(), &"live".into(), &"event".into()), "{wake} {}", desk.log(&wake));
    }
    let mut person = background.person(&desk);
    assert_eq!(person.turns(&session).len(), 3);
    assert_eq!(desk.sessions().len(), 1);
}

/// A person has the session open there, without our tools: it is not talked into, and what they have set stays.
#[test]
fn a_session_that_a_person_opened_without_our_tools_is_left_to_them() {
    let test = "codex live, without tools";
    let Some(desk) = Desk::open(test, Kind::Codex) else { return };
    desk.says("good morning");
    desk.ended(0);
    let session = desk.the_session();
    let background = Background::start(&desk);
    let mut person = background.person(&desk);
    let before = person.opens(&session);
    desk.says("and again");
    let second = desk.ended(1);
    assert_eq!(second["result"], "fallback_spawned", "{second} {}", desk.log(&second));
    assert!(desk.log(&second).contains("without our tools"), "{}", desk.log(&second));
    let after = person.opens(&session);
    for setting in ["approvalPolicy", "sandbox", "cwd", "model"] {
        assert_eq!(before[setting], after[setting], "{setting}");
    }
    assert_eq!(person.turns(&session).len(), 1);
}

/// Supervisor and server are cut off in the middle of a turn that goes on in a person's server: the next life finds it, and
/// there is no second one.
#[test]
fn a_turn_that_outlives_its_supervisor_is_found_and_not_repeated() {
    let test = "codex live, supervisor killed";
    for is_over in [false, true] {
        let Some(desk) = Desk::open_patient(test, Kind::Codex, Duration::from_mins(10)) else { return };
        desk.says("good morning");
        desk.ended(0);
        let session = desk.the_session();
        let background = Background::start(&desk);
        let seen = desk.model.seen().len();
        // Our tools are away while nobody is there: its model is asked only when somebody is again, or does without.
        let pause = if is_over { Duration::ZERO } else { Duration::from_secs(8) };
        desk.model.faults().next([Fault::Delay(pause)]);
        desk.says("and again");
        until("a started turn", || (desk.model.seen().len() > seen).then_some(()));
        let Desk { site, mut server, model, kind, thread, runtime } = desk;
        server.running.kill();
        drop(server);
        if is_over {
            let mut person = Person::at(&runtime, &background.socket).unwrap();
            until("the turn's end", || {
                let turns = person.turns(&session);
                turns.iter().all(|turn| turn["status"] != "inProgress").then_some(())
            });
        }
        let server = site.up(&[]);
        let desk = Desk { site, server, model, kind, thread, runtime };
        let wake = desk.ended(1);
        let turns = background.person(&desk).turns(&session);
        let names = named(&turns, &wake);
        let log = desk.log(&wake);
        let is_answer = |message: &&Value| message["from"] == "worker" && message["kind"] != "system";
        let page = desk.site.ask(&["thread", "read", &desk.thread]);
        let answers = page["messages"].as_array().unwrap().iter().filter(is_answer).count();
        if is_over {
            // Its tools were away, so it may have had to be told again; the turn that ended was judged first.
            assert!(log.contains("had ended while no supervisor listened"), "{log}");
        } else {
            assert_eq!(names.len(), 1, "one turn for one wake: {turns:?}");
            assert_eq!(wake["result"], "triggered", "{wake} {log}");
            assert_eq!(answers, 2, "each message is answered once");
        }
        assert!(!desk.server.url.is_empty());
        drop(background.process);
    }
}

/// Server and supervisor stand still in the middle of a turn in a person's server, which goes on: it ends with its lease, and
/// is done when they go on.
#[test]
fn a_turn_of_a_supervisor_that_stands_still_ends_with_its_lease() {
    let test = "codex live, supervisor stopped";
    let policy = "lease_ms = 3000\npoll_interval_ms = 1000\ntakeover_grace_ms = 1000";
    let Some(desk) = Desk::open_with(test, Kind::Codex, Duration::from_mins(10), (policy, &[])) else {
        return;
    };
    desk.says("good morning");
    desk.ended(0);
    let session = desk.the_session();
    let background = Background::start(&desk);
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_mins(10))]);
    desk.says("and again");
    until("a started turn", || (desk.model.seen().len() > seen).then_some(()));
    desk.server.running.signal(Signal::STOP);
    let mut person = background.person(&desk);
    let is_cut = |turns: &[Value]| turns.iter().any(|turn| turn["status"] == "interrupted");
    until("the turn's end", || is_cut(&person.turns(&session)).then_some(()));
    desk.server.running.signal(Signal::CONT);
    let wake = desk.ended(1);
    let log = desk.log(&wake);
    assert_eq!((&wake["result"], &wake["door"]), (&"triggered".into(), &"live".into()), "{wake} {log}");
    assert!(log.contains("the lease was over: the turn was interrupted"), "{log}");
    assert_eq!(
        named(&person.turns(&session), &wake).len(),
        2,
        "the one that was cut off, and the one that was done"
    );
}

/// A person's last words in a session that is idle now: nothing is begun until they are quiet, also by a supervisor that
/// was not there when they were said, in a server that is the person's.
#[test]
fn the_quiet_window_holds_in_a_persons_own_server() {
    let test = "codex live, quiet window";
    let policy = "human_quiet_ms = 60000";
    let Some(desk) = Desk::open_with(test, Kind::Codex, Duration::from_mins(10), (policy, &[])) else {
        return;
    };
    desk.says("good morning");
    desk.ended(0);
    let session = desk.the_session();
    let background = Background::start(&desk);
    let mut person = background.person(&desk);
    person.opens(&session);
    person.says(&session, "a word of a person");
    until("the end of the person's turn", || {
        let turns = person.turns(&session);
        (turns.len() == 2 && turns.iter().all(|turn| turn["status"] == "completed")).then_some(())
    });
    desk.says("and again");
    let wake = until("the wake to wait", || {
        desk.wakes().get(1).filter(|wake| wake["reason"] == "HUMAN_ACTIVE").cloned()
    });
    assert_eq!((&wake["state"], &wake["attempts"]), (&"pending".into(), &0.into()), "{wake}");
    assert_eq!(person.turns(&session).len(), 2, "nothing was said to them");
    let status = desk.site.ask(&["status"]);
    let agent = status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "worker").unwrap();
    let seen = agent["sessions"].as_array().unwrap();
    let seen = seen.iter().find(|one| one["human_ago_ms"].is_u64()).unwrap();
    assert_eq!((&seen["activity"], &seen["is_held"]), (&"idle".into(), &true.into()), "{seen}");
    // An operator may have it otherwise.
    let words = ["thread", "trigger", &desk.thread, "worker", "--override", "--reason", "it cannot wait"];
    desk.site.ask(&words);
    // Then only that nobody gave the person's session our tools keeps it theirs.
    until("a look at its tools", || desk.log(&wake).contains("without our tools").then_some(()));
}

/// Something urgent comes while the agent's turn runs: it is said into that turn, which does both and acknowledges both.
#[test]
fn a_running_turn_is_told_of_what_cannot_wait() {
    let Some((desk, thread, socket)) = managed("codex live, urgent") else { return };
    desk.ended(0);
    let seen = desk.model.seen().len();
    // Long enough to be told meanwhile; Codex takes it in with its next request.
    desk.model.faults().next([Fault::Delay(Duration::from_secs(8))]);
    desk.site.ask(&["thread", "post", &thread, "take your time"]);
    until("the turn to run", || (desk.model.seen().len() > seen).then_some(()));
    until("its acceptance", || desk.wakes().get(1).filter(|wake| wake["accepted_at"].is_string()).cloned());
    desk.site.ask(&["thread", "post", &thread, "stop that", "--urgent"]);
    let urgent = desk.ended(2);
    assert_eq!(
        (&urgent["result"], &urgent["evidence"], &urgent["attempts"]),
        (&"already_active".into(), &"turn".into(), &0.into()),
        "{urgent}"
    );
    let first = desk.ended(1);
    assert_eq!((&first["result"], &first["door"]), (&"triggered".into(), &"live".into()), "{first}");
    let log = desk.log(&first);
    assert!(log.contains("its turn was told of"), "{log}");
    let mut person = Person::at(&desk.runtime, &socket).unwrap();
    let turns = person.turns(&desk.the_session());
    assert_eq!(turns.len(), 2, "no turn of its own: {turns:?}");
    assert_eq!((named(&turns, &first).len(), named(&turns, &urgent).len()), (1, 1), "{turns:?}");
    assert!(!turns[0].to_string().contains("stop that\"}"), "only ids are said");
}

/// Our tools are gone in the middle of a turn: the wake fails by that, and the next attempt has them again.
#[test]
fn a_turn_without_our_tools_is_repeated_with_them() {
    let Some((desk, thread, socket)) = managed("codex live, tools gone") else { return };
    desk.ended(0);
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_secs(2))]);
    desk.site.ask(&["thread", "post", &thread, "and again"]);
    until("the turn to run", || (desk.model.seen().len() > seen).then_some(()));
    // What the bridge reads at every request; without it, it reaches nobody.
    let lent = until("the token", || {
        let files = std::fs::read_dir(socket.parent().unwrap()).unwrap().flatten().map(|file| file.path());
        files.into_iter().find(|file| file.extension().is_some_and(|ending| ending == "json"))
    });
    std::fs::remove_file(lent).unwrap();
    let second = desk.ended(1);
    assert_eq!(
        (&second["result"], &second["attempts"], &second["door"]),
        (&"triggered".into(), &2.into(), &"live".into()),
        "{second} {}",
        desk.log(&second)
    );
    assert_eq!(desk.sessions().len(), 1, "it went on in its session");
}
