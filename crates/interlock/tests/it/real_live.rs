//! The live door into the real Codex: a person's own background server, and one of ours that people attach to.

use std::path::PathBuf;
use std::time::Duration;

use interlock_scripted_model::Fault;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::codex_client::Person;
use crate::desk::{Desk, Kind};
use crate::doctor_runtimes::check;
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

/// The id of the only session.
fn the_session(desk: &Desk) -> String {
    let session = desk.sessions().pop().unwrap();
    let name = session.file_stem().unwrap().to_str().unwrap();
    name[name.len() - 36..].to_owned()
}

/// The turns in which a wake's messages stand, by their names.
fn named(turns: &[Value], wake: &Value) -> Vec<String> {
    let wake = wake["wake_id"].as_str().unwrap();
    let items = turns.iter().flat_map(|turn| turn["items"].as_array().unwrap().clone());
    items
        .filter_map(|item| Some(item["clientId"].as_str()?.to_owned()))
        .filter(|id| id.starts_with(wake))
        .collect()
}

/// An agent whose sessions are in our own server: the desk, its thread, and where people attach.
fn managed(test: &str) -> Option<(Desk, String, PathBuf)> {
    let desk = Desk::open_patient(test, Kind::Codex, Duration::from_mins(10))?;
    let program = Kind::Codex.program(test)?;
    desk.register_as("live", &program, desk.model.key(), Some("scripted"), &["--live"]);
    let made = desk.site.ask(&["thread", "create", "Its own", "--with", "live"]);
    let thread = made["thread_id"].as_str().unwrap().to_owned();
    desk.site.ask(&["thread", "post", &thread, "good morning"]);
    let folder = desk.site.path(".interlock/state/live");
    let socket = until("our server", || {
        let files = std::fs::read_dir(&folder).ok()?.flatten().map(|file| file.path());
        files
            .filter(|file| file.extension().is_some_and(|ending| ending == "sock"))
            .find(|file| Person::at(&desk.runtime, file).is_some())
    });
    Some((desk, thread, socket))
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
    let turns = person.turns(&the_session(&desk));
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
    assert!(why.contains(&format!("attach with: {address} {}", the_session(&desk))), "{why}");
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
    let Some((desk, thread, socket)) = managed("codex live, a person attached") else { return };
    desk.ended(0);
    let session = the_session(&desk);
    let mut person = Person::at(&desk.runtime, &socket).unwrap();
    person.opens(&session);
    let seen = desk.model.seen().len();
    desk.model.faults().next([Fault::Delay(Duration::from_mins(10))]);
    let turn = person.says(&session, "a word of a person");
    until("the person's turn", || (desk.model.seen().len() > seen).then_some(()));
    desk.site.ask(&["thread", "post", &thread, "are you there?"]);
    let waiting = until("a deferred wake", || {
        desk.wakes().get(1).filter(|wake| wake["reason"] == "SESSION_BUSY").cloned()
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
        (Fault::Status(429), "MODEL_RATE_LIMITED", 3),
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
    let session = the_session(&desk);
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
    let session = the_session(&desk);
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
        let session = the_session(&desk);
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
        if is_over {
            // Its tools were away, so it may have had to be told again; the turn that ended was judged first.
            assert!(log.contains("had ended while no supervisor listened"), "{log}");
        } else {
            assert_eq!(names.len(), 1, "one turn for one wake: {turns:?}");
            assert_eq!(wake["result"], "triggered", "{wake} {log}");
        }
        assert!(!desk.server.url.is_empty());
        drop(background.process);
    }
}
