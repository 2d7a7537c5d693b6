//! What docs/runtimes.md says cannot be known: words that were not sent, and forks.

use std::path::PathBuf;

use interlock_core::id::SessionId;
use interlock_testkit::real;
use serde_json::{Value, json};

use crate::scripted::Machine;
use crate::site::Server;
use crate::terminal::Terminal;
use crate::wait::until;

/// What is typed before and after lunch. Each part ends with a character that nothing else on the screen has: programs draw
/// in pieces, but no half characters.
const DRAFT: [&str; 2] = ["half-a-tho§", "ught¶"];

/// A machine on which an agent has done its first turn.
struct Desk {
    machine: Machine,
    _server: Server,
    thread: String,
    /// The agent's session, and the file that its program keeps of it.
    session: String,
    file: PathBuf,
}

impl Desk {
    fn open(machine: Machine, runtime: &str) -> Self {
        machine.site.set_policy("session_recheck_ms = 50\nhuman_quiet_ms = 600\nsession_defer_max_ms = 600");
        std::fs::create_dir(machine.site.path("work")).unwrap();
        let server = machine.up();
        let work = machine.site.path("work");
        machine.site.ask(&[
            "agent",
            "add",
            "worker",
            "--yes",
            "--runtime",
            runtime,
            "--cwd",
            work.to_str().unwrap(),
        ]);
        let thread =
            machine.site.ask(&["thread", "create", "A job", "--with", "worker"])["thread_id"].clone();
        let thread = thread.as_str().unwrap().to_owned();
        let mut desk =
            Self { machine, _server: server, thread, session: String::new(), file: PathBuf::new() };
        desk.says("one");
        assert_eq!(desk.ended(0)["result"], "triggered");
        let mut files = desk.sessions();
        assert_eq!(files.len(), 1, "{files:?}");
        desk.file = files.remove(0);
        let name = desk.file.file_stem().unwrap().to_str().unwrap();
        name[name.len() - 36..].clone_into(&mut desk.session);
        desk
    }

    fn says(&self, text: &str) {
        self.machine.site.ask(&["thread", "post", &self.thread, text, "--to", "worker"]);
    }

    fn wake(&self, n: usize) -> Option<Value> {
        let wakes = self.machine.site.ask(&["wake", "list"])["wakes"].as_array().unwrap().clone();
        wakes.into_iter().rev().nth(n)
    }

    /// The `n`th wake, once it is over.
    fn ended(&self, n: usize) -> Value {
        until("the end of a wake", || self.wake(n).filter(|wake| wake["state"] == "finished"))
    }

    fn sessions(&self) -> Vec<PathBuf> {
        let is_session = |path: &PathBuf| {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            path.extension().is_some_and(|ending| ending == "jsonl")
                && name.get(name.len().saturating_sub(36)..).and_then(SessionId::from_uuid_text).is_some()
        };
        crate::site::files(&self.machine.site.path("person")).into_keys().filter(is_session).collect()
    }

    /// Somebody opens a session in a terminal.
    fn sits(&self, command: &str) -> Terminal {
        let script = self.machine.site.write("sit.sh", &format!("cd work && exec {command}\n"));
        let mut terminal = self.machine.command("script", &[]);
        Terminal::start(terminal.env("TERM", "xterm-256color"), script.to_str().unwrap())
    }

    /// The agent is woken while its session is open: it waits, then goes on in a fresh one.
    fn finds_its_session_taken(&self) {
        self.says("two");
        let second = self.ended(1);
        let end = (&second["result"], &second["attempts"]);
        assert_eq!(end, (&"fallback_spawned".into(), &1.into()), "{second}");
        let kept = std::fs::read_to_string(&self.file).unwrap();
        assert!(!kept.contains(second["wake_id"].as_str().unwrap()), "the session that is open was entered");
    }

    /// Nobody has heard of what was typed; it is still there, to be finished and sent.
    fn sends_its_words(&self, terminal: &mut Terminal) {
        assert!(!self.was_told(DRAFT[0]));
        terminal.types(DRAFT[1]);
        terminal.shows("¶");
        terminal.types("\r");
        until("the words, once they were sent", || self.was_told(&DRAFT.concat()).then_some(()));
    }

    /// Whether its model was ever told this.
    fn was_told(&self, text: &str) -> bool {
        let seen = self.machine.model.seen();
        seen.iter().any(|seen| seen.conversation.asked.iter().any(|asked| asked.contains(text)))
    }
}

/// Somebody has the agent's session open, has typed half a sentence, and went for lunch.
#[test]
fn words_not_sent_to_codex_stay_where_they_are_and_nobody_hears_of_them() {
    let Some(codex) = real::codex("codex, words not sent") else { return };
    let machine = Machine::new();
    machine.has_codex(&codex);
    let work = std::fs::canonicalize(machine.site.path(".")).unwrap().join("work");
    let trusted = format!("[projects.\"{}\"]\ntrust_level = \"trusted\"\n", work.display());
    machine.site.write("person/.codex/config.toml", &trusted);
    let desk = Desk::open(machine, "codex");
    let mut terminal = desk.sits(&format!("codex --no-daemon resume {}", desk.session));
    terminal.shows("here.)");
    terminal.types(DRAFT[0]);
    terminal.shows("§");
    desk.finds_its_session_taken();
    desk.sends_its_words(&mut terminal);
}

/// The same with Claude Code, which has no lock: what its process has written down keeps us out.
#[test]
fn words_not_sent_to_claude_stay_where_they_are_and_nobody_hears_of_them() {
    let Some(claude) = real::claude("claude, words not sent") else { return };
    let machine = Machine::new();
    machine.has_claude(&claude);
    let work = std::fs::canonicalize(machine.site.path(".")).unwrap().join("work");
    let key = machine.model.key();
    // What its person has answered to its questions before.
    let answered = json!({
        "hasCompletedOnboarding": true, "projects": {work.to_str().unwrap(): {"hasTrustDialogAccepted": true}},
        "customApiKeyResponses": {"approved": [&key[key.len() - 20..]], "rejected": []},
    });
    machine.site.write("person/.claude.json", &answered.to_string());
    let desk = Desk::open(machine, "claude");
    let mut terminal = desk.sits(&format!("claude --resume {}", desk.session));
    terminal.shows("here.)");
    terminal.types(DRAFT[0]);
    terminal.shows("§");
    desk.finds_its_session_taken();
    desk.sends_its_words(&mut terminal);
}

/// Somebody forks the agent's session and talks there: the agent goes on in its own and never hears of it.
fn a_fork_goes_its_own_way(desk: &Desk, program: &str, arguments: &[&str]) {
    let mut fork = desk.machine.command(program, arguments);
    let output = fork.current_dir(desk.machine.site.path("work")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(desk.was_told("a word in the fork"));
    assert_eq!(desk.sessions().len(), 2, "it is a session of its own");
    let told = desk.machine.model.seen().len();
    desk.says("two");
    let second = desk.ended(1);
    assert_eq!(second["result"], "triggered", "{second}");
    for seen in &desk.machine.model.seen()[told..] {
        let asked = &seen.conversation.asked;
        assert_eq!(asked.len(), 2, "the agent's own two turns: {asked:?}");
        assert!(!asked.iter().any(|asked| asked.contains("a word in the fork")), "{asked:?}");
    }
    assert_eq!(desk.sessions().len(), 2, "it went on in the session that it had");
}

#[test]
fn codex_goes_on_in_its_own_session_when_it_was_forked() {
    let Some(codex) = real::codex("codex forked") else { return };
    let machine = Machine::new();
    machine.has_codex(&codex);
    let desk = Desk::open(machine, "codex");
    let words = ["exec", "--skip-git-repo-check", "fork", &desk.session, "a word in the fork"];
    a_fork_goes_its_own_way(&desk, "codex", &words);
}

#[test]
fn claude_goes_on_in_its_own_session_when_it_was_forked() {
    let Some(claude) = real::claude("claude forked") else { return };
    let machine = Machine::new();
    machine.has_claude(&claude);
    let desk = Desk::open(machine, "claude");
    let words = ["-p", "--resume", &desk.session, "--fork-session", "a word in the fork"];
    a_fork_goes_its_own_way(&desk, "claude", &words);
}
