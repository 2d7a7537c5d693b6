//! Gemini CLI and opencode as command agents, offline, by the very scripts and commands of docs/runtimes.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use interlock_scripted_model::{Fault, ScriptedModel, Seen};
use interlock_testkit::real;
use serde_json::Value;

use crate::by_hand::{finished_wakes, thread_with};
use crate::site::{Running, Server, Site, changed, files};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gemini,
    Opencode,
}

impl Kind {
    /// What it is called: the program, the agent and the script of the page.
    const fn name(self) -> &'static str {
        match self {
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
        }
    }

    fn program(self, test: &str) -> Option<PathBuf> {
        match self {
            Self::Gemini => real::gemini(test),
            Self::Opencode => real::opencode(test),
        }
    }

    /// The page's section on it.
    const fn heading(self) -> &'static str {
        match self {
            Self::Gemini => "\n### Gemini CLI\n",
            Self::Opencode => "\n### opencode\n",
        }
    }

    /// Where our model server is, beside what the page says.
    fn model(self, model: &ScriptedModel) -> String {
        match self {
            Self::Gemini => {
                format!("--env GOOGLE_GEMINI_BASE_URL={} --env GEMINI_MODEL=scripted", model.url())
            }
            // It would look for news of itself and of models, and fetch what plugins could need.
            Self::Opencode => "--env OPENCODE_DISABLE_AUTOUPDATE=1 --env OPENCODE_DISABLE_MODELS_FETCH=1 \
                               --env npm_config_offline=true"
                .into(),
        }
    }

    /// What its user has configured: files below the home folder, and their text.
    fn configured(self, model: &ScriptedModel) -> Vec<(&'static str, String)> {
        match self {
            Self::Gemini => vec![
                // Were it read, our server would be another one.
                (
                    ".gemini/settings.json",
                    r#"{"mcpServers": {"interlock": {"httpUrl": "http://127.0.0.1:1/mcp"}}}"#.into(),
                ),
                // It would report on its use, and look for news of itself.
                (
                    "work/shop/.gemini/settings.json",
                    r#"{"privacy": {"usageStatisticsEnabled": false}, "general": {"enableAutoUpdate": false}}"#
                        .into(),
                ),
            ],
            Self::Opencode => vec![(
                ".config/opencode/opencode.json",
                format!(
                    r#"{{"$schema": "https://opencode.ai/config.json", "model": "scripted/scripted",
                        "permission": {{"bash": "allow"}}, "provider": {{"scripted": {{
                        "npm": "@ai-sdk/openai-compatible", "models": {{"scripted": {{}}}},
                        "options": {{"baseURL": "{}/v1", "apiKey": "{}"}}}}}}}}"#,
                    model.url(),
                    model.key()
                ),
            )],
        }
    }

    /// Whether a file below the home folder is the program's own to write: its state, and a home that was given to it.
    fn may_write(self, file: &Path) -> bool {
        match self {
            Self::Gemini => file.starts_with("agents/gemini-home"),
            // Beside the configuration it puts a list of what git is not to see there.
            Self::Opencode => {
                file.starts_with(".local") || file.starts_with(".cache") || file.ends_with(".gitignore")
            }
        }
    }
}

/// The blocks of shell in the page's section on a program: its script, and the command that registers it.
fn blocks(kind: Kind) -> (String, String) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runtimes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split_once(kind.heading()).expect("the page's section").1;
    let section = section.split("\n### ").next().unwrap();
    let found: Vec<&str> =
        section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [script, register] = found[..] else { panic!("a script and a command: {found:?}") };
    assert!(script.starts_with("#!/bin/sh\n") && register.starts_with("interlock agent add "), "{found:?}");
    (script.to_owned(), register.to_owned())
}

/// Somebody's machine with an instance, a program of this kind, and our model behind it.
struct Desk {
    site: Site,
    _server: Server,
    model: ScriptedModel,
    kind: Kind,
    /// Serves the model.
    _runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// Everything done that the page says; `None` when the program is not there.
    fn open(test: &str, kind: Kind) -> Option<Self> {
        Self::with_script(test, kind, str::to_owned)
    }

    /// The same with another script than the page's.
    fn with_script(test: &str, kind: Kind, edit: impl Fn(&str) -> String) -> Option<Self> {
        let program = kind.program(test)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = runtime.block_on(ScriptedModel::start()).unwrap();
        let site = Site::with_instance("retry_backoff_ms = 50\nwake_retries_max = 1");
        for folder in ["bin", "home/agents", "home/work/shop"] {
            std::fs::create_dir_all(site.path(folder)).unwrap();
        }
        std::os::unix::fs::symlink(program, site.path("bin").join(kind.name())).unwrap();
        let (script, register) = blocks(kind);
        site.write(&format!("home/agents/{}.sh", kind.name()), &edit(&script));
        for (file, configuration) in kind.configured(&model) {
            std::fs::create_dir_all(site.path("home").join(file).parent().unwrap()).unwrap();
            site.write(&format!("home/{file}"), &configuration);
        }
        let running = Running::new(&mut at_home(&site, site.command(&["up", "--json"]), &model));
        let url = running.json()["url"].as_str().unwrap().to_owned();
        let register = register.replace(" -- ", &format!(" {} -- ", kind.model(&model)));
        let mut shell = Command::new("sh");
        shell.args(["-euc", &register]).current_dir(site.path("")).env_clear().env("USER", "anna");
        assert!(at_home(&site, shell, &model).status().unwrap().success(), "{register}");
        Some(Self { site, _server: Server { url, running }, model, kind, _runtime: runtime })
    }

    /// A thread with the agent in it, in which this was said, and its only wake.
    fn woken(&self) -> (String, Value) {
        let thread = thread_with(&self.site, self.kind.name());
        self.site.ask(&["thread", "post", &thread, "good morning"]);
        let mut wakes = finished_wakes(&self.site, &thread);
        assert_eq!(wakes.len(), 1, "{wakes:?}");
        (thread, wakes.remove(0))
    }

    fn log(&self, wake: &Value) -> String {
        self.site.run(&["log", wake["wake_id"].as_str().unwrap()]).ok().out
    }

    /// What the model was asked as the agent, and not for a title or the like.
    fn turns(&self) -> Vec<Seen> {
        let mut seen = self.model.seen();
        seen.retain(|seen| seen.conversation.tool("read_messages").is_some());
        seen
    }
}

/// The environment of its user's terminal.
fn at_home(site: &Site, mut command: Command, model: &ScriptedModel) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_interlock")).parent().unwrap().to_owned();
    let theirs = std::env::var_os("PATH").unwrap();
    let path = [site.path("bin"), ours].into_iter().chain(std::env::split_paths(&theirs));
    command.env("PATH", std::env::join_paths(path).unwrap()).env("HOME", site.path("home"));
    command.env("GEMINI_API_KEY", model.key());
    command
}

/// Woken, reads with our tools, answers in words that only its model can have, acknowledges, sleeps.
fn it_takes_part(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    let home = desk.site.path("home");
    let before = files(&home);
    let (thread, wake) = desk.woken();
    let log = desk.log(&wake);
    assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake} {log}");
    let page = desk.site.ask(&["thread", "read", &thread]);
    let answer = &page["messages"][1];
    assert_eq!(
        (&answer["from"], &answer["to"], &answer["body"]),
        (
            &kind.name().into(),
            &serde_json::json!(["anna"]),
            &"I have read everything up to #1. (My turn 1 here.)".into()
        ),
        "{page} {log}"
    );
    let turns = desk.turns();
    let last = &turns.last().unwrap().conversation;
    let called: Vec<&str> = last.steps.iter().map(|step| step.call.name.as_str()).collect();
    // A fresh session reads the summary first, as its prompt says.
    let ends = ["summarize_thread", "get_thread", "read_messages", "post_message", "ack_read"];
    assert!(
        called.len() == ends.len() && called.iter().zip(ends).all(|(name, end)| name.ends_with(end)),
        "{called:?}"
    );
    let shells = ["bash", "shell", "run_shell_command"];
    assert!(last.tools.iter().all(|tool| !shells.contains(&tool.as_str())), "{:?}", last.tools);
    // Neither the log nor a file has the token, and nothing of the user's is another than before.
    assert!(log.contains("wake wak_") && !log.contains("eyJ"), "{log}");
    let after = files(&home);
    let changed = changed(&before, &after);
    let others: Vec<_> =
        changed.iter().filter(|path| !kind.may_write(path.strip_prefix(&home).unwrap())).collect();
    assert!(others.is_empty(), "{others:?}");
    let leaks = after.iter().filter(|(_, bytes)| bytes.windows(10).any(|part| part == b"Bearer eyJ"));
    assert_eq!(leaks.count(), 0);
}

#[test]
fn gemini_takes_part_as_the_page_says() {
    it_takes_part("gemini takes part", Kind::Gemini);
}

#[test]
fn opencode_takes_part_as_the_page_says() {
    it_takes_part("opencode takes part", Kind::Opencode);
}

/// The wake fails by this name after its attempts, and the thread says so.
fn its_wake_fails(desk: &Desk, reason: &str) {
    let (thread, wake) = desk.woken();
    let why = (&wake["result"], &wake["reason"], &wake["attempts"]);
    assert_eq!(why, (&"failed".into(), &reason.into(), &2.into()), "{wake} {}", desk.log(&wake));
    let status = desk.site.ask(&["thread", "show", &thread]);
    assert_eq!((&status["status"], &status["reason"]), (&"blocked".into(), &"WAKE_FAILED".into()));
}

fn a_model_that_refuses_fails_the_wake(test: &str, kind: Kind) {
    let Some(desk) = Desk::open(test, kind) else { return };
    desk.model.faults().always(Some(Fault::Status(401)));
    its_wake_fails(&desk, "EXITED_WITH_ERROR");
}

#[test]
fn gemini_without_a_login_fails_its_wake() {
    a_model_that_refuses_fails_the_wake("gemini refused", Kind::Gemini);
}

#[test]
fn opencode_without_a_login_fails_its_wake() {
    a_model_that_refuses_fails_the_wake("opencode refused", Kind::Opencode);
}

/// Nobody listens where the script says our tools are: the program ends well, and has done nothing.
fn without_tools_nothing_counts_as_done(test: &str, kind: Kind) {
    let edit = |script: &str| {
        let edited = script.replace("{env:INTERLOCK_URL}", "http://127.0.0.1:1");
        let edited = edited.replace("$INTERLOCK_URL", "http://127.0.0.1:1");
        assert_ne!(edited, script);
        edited
    };
    let Some(desk) = Desk::with_script(test, kind, edit) else { return };
    its_wake_fails(&desk, "NOT_ACKED");
    assert!(desk.turns().is_empty() && !desk.model.seen().is_empty(), "it was asked, and offered no tools");
}

#[test]
fn gemini_without_our_tools_has_done_nothing() {
    without_tools_nothing_counts_as_done("gemini without tools", Kind::Gemini);
}

#[test]
fn opencode_without_our_tools_has_done_nothing() {
    without_tools_nothing_counts_as_done("opencode without tools", Kind::Opencode);
}
