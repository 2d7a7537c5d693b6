//! Single wakes of the real Codex and Claude Code, and everything that goes wrong with them.

use std::fs::File;
use std::path::{Path, PathBuf};

use interlock_scripted_model::{Fault, ScriptedModel};
use interlock_testkit::real;
use rustix::process::Signal;
use serde_json::Value;

use crate::processes;
use crate::site::{Server, Site};
use crate::wait::until;

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Codex,
    Claude,
}

/// An instance with one agent of this kind, whose model is ours.
struct Desk {
    site: Site,
    server: Server,
    model: ScriptedModel,
    kind: Kind,
    thread: String,
    /// Serves the model.
    runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// Ready for a first message; `None` when the program is not there.
    fn open(test: &str, kind: Kind) -> Option<Self> {
        let program = match kind {
            Kind::Codex => real::codex(test)?,
            Kind::Claude => real::claude(test)?,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = runtime.block_on(ScriptedModel::start()).unwrap();
        let site =
            Site::with_instance("retry_backoff_ms = 50\nsession_recheck_ms = 50\nsession_defer_max_ms = 600");
        std::fs::create_dir(site.path("work")).unwrap();
        let server = site.up(&[]);
        let desk = Self { site, server, model, kind, thread: String::new(), runtime };
        desk.register("worker", &program, desk.model.key());
        let made = desk.site.ask(&["thread", "create", "A job", "--with", "worker"]);
        Some(Self { thread: made["thread_id"].as_str().unwrap().to_owned(), ..desk })
    }

    /// Register an agent of this kind, with this key for its model.
    fn register(&self, name: &str, program: &Path, key: &str) {
        let home = self.site.path("home");
        let (home, work) = (home.to_str().unwrap(), self.site.path("work"));
        let mut words = vec!["agent".to_owned(), "add".to_owned(), name.to_owned(), "--yes".to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        add(&["--cwd", work.to_str().unwrap()]);
        match self.kind {
            Kind::Codex => {
                let provider = format!(
                    "model_providers.scripted={{name=\"scripted\",base_url=\"{}/v1\",env_key=\"KEY\",wire_api=\"responses\",request_max_retries=0,stream_max_retries=0}}",
                    self.model.url()
                );
                std::fs::create_dir_all(self.site.path("home")).unwrap();
                add(&["--runtime", "codex", "--model", "scripted", "--env", &format!("CODEX_HOME={home}")]);
                add(&["--env", &format!("KEY={key}"), "--", program.to_str().unwrap()]);
                add(&["-c", "model_provider=\"scripted\"", "-c", &provider]);
            }
            Kind::Claude => {
                add(&["--runtime", "claude", "--env", &format!("CLAUDE_CONFIG_DIR={home}")]);
                add(&["--env", &format!("ANTHROPIC_BASE_URL={}", self.model.url())]);
                add(&["--env", &format!("ANTHROPIC_API_KEY={key}"), "--env", "CLAUDE_CODE_MAX_RETRIES=0"]);
                add(&[
                    "--env",
                    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
                    "--",
                    program.to_str().unwrap(),
                ]);
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.site.ask(&words);
    }

    fn says(&self, text: &str) {
        self.site.ask(&["thread", "post", &self.thread, text]);
    }

    /// The wakes so far, oldest first.
    fn wakes(&self) -> Vec<Value> {
        let mut wakes = self.site.ask(&["wake", "list"])["wakes"].as_array().unwrap().clone();
        wakes.reverse();
        wakes
    }

    /// The `n`th wake, once it is over.
    fn ended(&self, n: usize) -> Value {
        until("the end of a wake", || self.wakes().get(n).filter(|wake| wake["state"] == "finished").cloned())
    }

    fn log(&self, wake: &Value) -> String {
        self.site.run(&["log", wake["wake_id"].as_str().unwrap()]).ok().out
    }

    /// The sessions that the program has kept.
    fn sessions(&self) -> Vec<PathBuf> {
        let folder = self.site.path(match self.kind {
            Kind::Codex => "home/sessions",
            Kind::Claude => "home/projects",
        });
        let mut found = Vec::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
            }
        }
        found.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        found
    }

    /// The worker's program, while it runs.
    fn process(&self) -> Option<i32> {
        let found = self.site.processes().into_iter().find(|process| {
            let text = std::fs::read(format!("/proc/{}/cmdline", process.id)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            !process.is_ours()
                && (text.contains("mcp_servers.interlock") || text.contains("--strict-mcp-config"))
        });
        found.map(|process| process.id)
    }
}

/// Dormant, woken, reads, answers in words that only its model can have, sleeps; and the second time it remembers.
fn a_dormant_agent_works_and_remembers(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    std::process::Command::new("git").args(["init", "--quiet"]).arg(desk.site.path("work")).status().unwrap();
    desk.says("good morning");
    let first = desk.ended(0);
    assert_eq!(
        (&first["result"], &first["attempts"]),
        (&"triggered".into(), &1.into()),
        "{}",
        desk.log(&first)
    );
    assert!(["event", "call"].contains(&first["evidence"].as_str().unwrap()), "{first}");
    let usage = &first["usage"];
    assert!(
        usage["input_tokens"].as_u64() > Some(100) && usage["output_tokens"].as_u64() > Some(10),
        "{usage}"
    );
    desk.says("and again");
    let second = desk.ended(1);
    assert_eq!(second["result"], "triggered", "{}", desk.log(&second));
    let asked = desk.model.seen().last().unwrap().conversation.asked.len();
    assert_eq!(asked, 2, "the second turn has the first in its history");
    assert_eq!(desk.sessions().len(), 1, "it is one session");
    // What it is told it has used is what its model counted for this turn, and not for all of them.
    let counted: usize = desk
        .model
        .seen()
        .iter()
        .filter(|seen| seen.conversation.asked.len() == 2)
        .map(|seen| seen.conversation.bytes.div_ceil(4))
        .sum();
    assert_eq!(second["usage"]["input_tokens"].as_u64().unwrap(), counted as u64, "{second}");
    let log = desk.log(&second);
    assert!(log.contains("read_messages") && !log.contains("eyJ"), "{log}");
}

#[test]
fn codex_is_woken_works_and_remembers() {
    a_dormant_agent_works_and_remembers("codex wakes", Kind::Codex);
}

#[test]
fn claude_is_woken_works_and_remembers() {
    a_dormant_agent_works_and_remembers("claude wakes", Kind::Claude);
}

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

/// Another process has the thread open: it is not entered, and when that lasts too long a fresh one is begun.
#[test]
fn codex_waits_for_a_session_in_use_and_never_enters_it() {
    let Some(desk) = Desk::open("codex busy", Kind::Codex) else { return };
    desk.says("one");
    desk.ended(0);
    let session = desk.sessions().pop().unwrap();
    let name = session.file_stem().unwrap().to_str().unwrap().to_owned();
    let uuid = &name[name.len() - 36..];
    let locks = desk.site.path("home/thread-writer-locks");
    std::fs::create_dir_all(&locks).unwrap();
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(locks.join(format!("{uuid}.lock")))
        .unwrap();
    lock.lock().unwrap();
    let before = std::fs::read(&session).unwrap();
    desk.says("two");
    until("a deferred wake", || desk.wakes().get(1).filter(|wake| wake["reason"] == "SESSION_BUSY").cloned());
    let second = desk.ended(1);
    assert_eq!((&second["result"], &second["attempts"]), (&"fallback_spawned".into(), &1.into()), "{second}");
    assert_eq!(std::fs::read(&session).unwrap(), before, "nothing was said in the session that is in use");
}

/// Each error of the model's service: by its name, with or without another attempt.
fn errors_of_the_model_are_named(test: &str, kind: Kind) {
    for (fault, reason, attempts) in [
        (Fault::Status(401), "MODEL_UNAUTHORIZED", 1),
        (Fault::Status(429), "MODEL_RATE_LIMITED", 3),
        (Fault::Status(500), "MODEL_UNAVAILABLE", 3),
        (Fault::Drop, "MODEL_UNAVAILABLE", 3),
    ] {
        let Some(desk) = Desk::open(test, kind) else { return };
        desk.model.faults().always(Some(fault));
        desk.says("good morning");
        let wake = desk.ended(0);
        assert_eq!(
            (&wake["result"], &wake["reason"]),
            (&"failed".into(), &reason.into()),
            "{fault:?} {}",
            desk.log(&wake)
        );
        assert_eq!(wake["attempts"], attempts, "{fault:?}");
        let status = desk.site.ask(&["thread", "show", &desk.thread]);
        assert_eq!((&status["status"], &status["reason"]), (&"blocked".into(), &"WAKE_FAILED".into()));
    }
}

#[test]
fn codex_names_the_errors_of_its_model() {
    errors_of_the_model_are_named("codex model errors", Kind::Codex);
}

#[test]
fn claude_names_the_errors_of_its_model() {
    errors_of_the_model_are_named("claude model errors", Kind::Claude);
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

/// A program that is started with our arguments and this done to them first.
fn wrapped(desk: &Desk, name: &str, program: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let text = format!("#!/bin/bash\n{script}\nexec '{}' \"$@\"\n", program.display());
    let file = desk.site.write(name, &text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Without our tools an agent could only talk to itself: the wake fails by its name, and soon.
fn without_tools_a_wake_fails(test: &str, kind: Kind) {
    let (Some(program), Some(desk)) = (
        match kind {
            Kind::Codex => real::codex(test),
            Kind::Claude => real::claude(test),
        },
        Desk::open(test, kind),
    ) else {
        return;
    };
    // To a port that nobody listens on; and with a token that nobody has issued.
    let down = "set -- \"${@//127.0.0.1:*\\/mcp/127.0.0.1:1/mcp}\"";
    let token = "export INTERLOCK_TOKEN=nobody.issued.this";
    for (name, script) in [("deaf", down), ("stranger", token)] {
        let program = wrapped(&desk, name, &program, script);
        desk.register(name, &program, desk.model.key());
        let thread = desk.site.ask(&["thread", "create", name, "--with", name])["thread_id"]
            .as_str()
            .unwrap()
            .to_owned();
        desk.site.ask(&["thread", "post", &thread, "good morning"]);
        let wake = until("the end of a wake", || {
            desk.wakes().into_iter().find(|wake| wake["agent"] == name && wake["state"] == "finished")
        });
        let why = (&wake["result"], &wake["reason"]);
        assert_eq!(why, (&"failed".into(), &"TOOLS_UNAVAILABLE".into()), "{name}: {}", desk.log(&wake));
    }
}

#[test]
fn codex_without_our_tools_fails_by_name() {
    without_tools_a_wake_fails("codex without tools", Kind::Codex);
}

#[test]
fn claude_without_our_tools_fails_by_name() {
    without_tools_a_wake_fails("claude without tools", Kind::Claude);
}
