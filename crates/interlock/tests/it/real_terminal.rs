//! Somebody sits at a real terminal in front of an agent's session in our server, by the command that they are told.

use interlock_testkit::real;
use serde_json::Value;

use crate::codex_client::Person;
use crate::live_rig::{managed_with, named};
use crate::terminal::Terminal;
use crate::wait::until;

/// What is half typed when the agent is woken, and what is added afterwards. Each part ends with a character that nothing
/// else on the screen has.
const DRAFT: [&str; 2] = ["half-a-tho§", "ught¶"];

/// They attach by the command that `agent list` says, talk to the model, and half type something: nothing is begun while
/// their words are young. An operator wants it all the same: the turn comes on their screen, and the draft stays.
#[test]
fn a_person_at_a_terminal_is_seen_waited_for_and_keeps_their_draft() {
    let test = "codex live, at a terminal";
    let (Some(program), Some((desk, thread, socket))) =
        (real::codex(test), managed_with(test, "human_quiet_ms = 300000"))
    else {
        return;
    };
    desk.ended(0);
    let session = desk.the_session();
    let listed = desk.site.ask(&["agent", "list"]);
    let agent = listed["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "live").unwrap();
    let command = format!("codex --remote unix://{} resume {session}", socket.display());
    assert_eq!(agent["attach"], command.as_str(), "{agent}");
    let shown = desk.site.ask(&["wake", "show", desk.wakes()[0]["wake_id"].as_str().unwrap()]);
    assert_eq!(shown["attach"], command.as_str(), "{shown}");
    let work = std::fs::canonicalize(desk.site.path("work")).unwrap();
    let trusted = format!("[projects.\"{}\"]\ntrust_level = \"trusted\"\n", work.display());
    desk.site.write("home/config.toml", &trusted);
    let typed = command.replacen("codex", &format!("'{}'", program.display()), 1);
    let script = desk.site.write("sit.sh", &format!("cd work && exec {typed}\n"));
    let mut command = std::process::Command::new("script");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm-256color");
    command.env("HOME", desk.site.path("person")).envs(desk.variables(desk.model.key()));
    let mut terminal = Terminal::start(command.current_dir(desk.site.path(".")), script.to_str().unwrap());
    terminal.shows("here.)");
    terminal.types("a word of a person");
    terminal.shows("person");
    terminal.types("\r");
    let sessions = || {
        let status = desk.site.ask(&["status"]);
        let agents = status["agents"].as_array().unwrap();
        let live = agents.iter().find(|agent| agent["name"] == "live").unwrap();
        live["sessions"].as_array().cloned().unwrap_or_default()
    };
    // Seen from the words to the end of the turn, without a hook.
    let is_over = |one: &&Value| one["human_ago_ms"].is_u64() && one["activity"] == "idle";
    let seen = until("the person to be seen", || sessions().iter().find(is_over).cloned());
    assert_eq!((&seen["place"], &seen["runtime"]), (&"terminal".into(), &"codex".into()), "{seen}");
    terminal.types(DRAFT[0]);
    terminal.shows("§");
    desk.site.ask(&["thread", "post", &thread, "are you there?"]);
    let waiting = until("the wake to wait", || {
        desk.wakes().get(1).filter(|wake| wake["reason"] == "HUMAN_ACTIVE").cloned()
    });
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&"pending".into(), &0.into()), "{waiting}");
    desk.site.ask(&["thread", "trigger", &thread, "live", "--override", "--reason", "it cannot wait"]);
    let second = desk.ended(1);
    let how = (&second["result"], &second["door"]);
    assert_eq!(how, (&"triggered".into(), &"live".into()), "{second} {}", desk.log(&second));
    let mut person = Person::at(&desk.runtime, &socket).unwrap();
    let turns = person.turns(&session);
    assert_eq!((turns.len(), named(&turns, &second).len()), (3, 1), "{turns:?}");
    // The draft is theirs still, to be finished and sent.
    terminal.types(DRAFT[1]);
    terminal.shows("¶");
    terminal.types("\r");
    until("the words, once they were sent", || {
        let seen = desk.model.seen();
        let asked = seen.iter().flat_map(|seen| &seen.conversation.asked);
        asked.into_iter().any(|asked| asked.contains(&DRAFT.concat())).then_some(())
    });
}
