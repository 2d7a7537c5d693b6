//! A desk with one coding agent's own program on it, its model ours.

use std::path::{Path, PathBuf};
use std::time::Duration;

use interlock_scripted_model::{Fault, ScriptedModel};
use interlock_testkit::real;
use serde_json::Value;

use crate::site::{Running, Server, Site};
use crate::wait::until;

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Codex,
    Claude,
}

impl Kind {
    /// Its program, where that is installed.
    pub(crate) fn program(self, test: &str) -> Option<PathBuf> {
        match self {
            Self::Codex => real::codex(test),
            Self::Claude => real::claude(test),
        }
    }
}

/// An instance with one agent of this kind, whose model is ours.
pub(crate) struct Desk {
    pub(crate) site: Site,
    pub(crate) server: Server,
    pub(crate) model: ScriptedModel,
    pub(crate) kind: Kind,
    pub(crate) thread: String,
    /// Serves the model.
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Desk {
    /// Ready for a first message; `None` when the program is not there. A session in use is waited for only briefly.
    pub(crate) fn open(test: &str, kind: Kind) -> Option<Self> {
        Self::open_patient(test, kind, Duration::from_millis(600))
    }

    /// The same with another patience for sessions in use.
    pub(crate) fn open_patient(test: &str, kind: Kind, patience: Duration) -> Option<Self> {
        Self::open_with(test, kind, patience, ("", &[]))
    }

    /// The same with further lines of the policy, and of words for its server.
    pub(crate) fn open_with(
        test: &str,
        kind: Kind,
        patience: Duration,
        (policy, up): (&str, &[&str]),
    ) -> Option<Self> {
        let program = kind.program(test)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = runtime.block_on(ScriptedModel::start()).unwrap();
        let defer_ms = patience.as_millis();
        // The window is not longer than the wait for it.
        let quiet = if defer_ms < 20_000 { format!("human_quiet_ms = {defer_ms}\n") } else { String::new() };
        let site = Site::with_instance(&format!(
            "retry_backoff_ms = 50\nquota_pause_ms = 50\nquota_pauses_max = 2\nsession_recheck_ms = 50\n\
             session_defer_max_ms = {defer_ms}\n{quiet}{policy}"
        ));
        std::fs::create_dir(site.path("work")).unwrap();
        let server = site.up(up);
        let desk = Self { site, server, model, kind, thread: String::new(), runtime };
        desk.register("worker", &program, desk.model.key());
        let made = desk.site.ask(&["thread", "create", "A job", "--with", "worker"]);
        Some(Self { thread: made["thread_id"].as_str().unwrap().to_owned(), ..desk })
    }

    /// A program that is started with our arguments and this done to them first.
    pub(crate) fn wrapped(&self, name: &str, program: &Path, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let text = format!("#!/bin/bash\n{script}\nexec '{}' \"$@\"\n", program.display());
        let file = self.site.write(name, &text);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// Register an agent of this kind, with this key for its model.
    pub(crate) fn register(&self, name: &str, program: &Path, key: &str) {
        // One that Codex does not know: it is spoken to in the plainest way.
        self.register_with(name, program, key, Some("scripted").filter(|_| self.kind == Kind::Codex));
    }

    /// The same with this model, or with what the program takes by itself.
    pub(crate) fn register_with(&self, name: &str, program: &Path, key: &str, model: Option<&str>) {
        self.register_as(name, program, key, model, &[]);
    }

    /// The same with these further options.
    pub(crate) fn register_as(
        &self,
        name: &str,
        program: &Path,
        key: &str,
        model: Option<&str>,
        options: &[&str],
    ) {
        let work = self.site.path("work");
        let mut words = vec!["agent".to_owned(), "add".to_owned(), name.to_owned(), "--yes".to_owned()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        add(&["--cwd", work.to_str().unwrap()]);
        add(&["--runtime", if self.kind == Kind::Codex { "codex" } else { "claude" }]);
        add(options);
        if let Some(model) = model {
            add(&["--model", model]);
        }
        for (name, value) in self.variables(key) {
            add(&["--env", &format!("{name}={value}")]);
        }
        add(&["--", program.to_str().unwrap()]);
        for setting in self.settings() {
            add(&["-c", &setting]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.site.ask(&words);
    }

    /// The environment in which the program has a home of its own, and our model with this key.
    pub(crate) fn variables(&self, key: &str) -> Vec<(&'static str, String)> {
        let home = self.site.path("home").to_str().unwrap().to_owned();
        std::fs::create_dir_all(&home).unwrap();
        match self.kind {
            Kind::Codex => vec![("CODEX_HOME", home), ("KEY", key.to_owned())],
            Kind::Claude => vec![
                ("CLAUDE_CONFIG_DIR", home),
                ("ANTHROPIC_BASE_URL", self.model.url()),
                ("ANTHROPIC_API_KEY", key.to_owned()),
                ("CLAUDE_CODE_MAX_RETRIES", "0".to_owned()),
                ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
            ],
        }
    }

    /// What Codex must be told by settings.
    pub(crate) fn settings(&self) -> Vec<String> {
        let provider = format!(
            "model_providers.scripted={{name=\"scripted\",base_url=\"{}/v1\",env_key=\"KEY\",wire_api=\"responses\",request_max_retries=0,stream_max_retries=0}}",
            self.model.url()
        );
        match self.kind {
            Kind::Codex => vec!["model_provider=\"scripted\"".to_owned(), provider],
            Kind::Claude => Vec::new(),
        }
    }

    /// The program as somebody else uses it, in the session of this id, once it is in the middle of a turn that does
    /// not end by itself.
    pub(crate) fn hold(&self, program: &Path, session: &str) -> Running {
        let seen = self.model.seen().len();
        self.model.faults().next([Fault::Delay(Duration::from_mins(10))]);
        let mut command = std::process::Command::new(program);
        match self.kind {
            Kind::Codex => {
                command.args([
                    "exec",
                    "resume",
                    session,
                    "--json",
                    "--skip-git-repo-check",
                    "-m",
                    "scripted",
                ]);
                command.args(self.settings().iter().flat_map(|setting| ["-c", setting]));
            }
            Kind::Claude => {
                command.args(["-p", "--resume", session, "--output-format", "stream-json", "--verbose"]);
            }
        }
        command.arg("a word of somebody else").stdin(std::process::Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.site.path("person")).envs(self.variables(self.model.key()));
        let running = Running::new(command.current_dir(self.site.path("work")));
        until("somebody else's turn", || (self.model.seen().len() > seen).then_some(()));
        running
    }

    pub(crate) fn says(&self, text: &str) {
        self.site.ask(&["thread", "post", &self.thread, text]);
    }

    /// The wakes so far, oldest first.
    pub(crate) fn wakes(&self) -> Vec<Value> {
        let mut wakes = self.site.ask(&["wake", "list"])["wakes"].as_array().unwrap().clone();
        wakes.reverse();
        wakes
    }

    /// The `n`th wake, once it is over.
    pub(crate) fn ended(&self, n: usize) -> Value {
        until("the end of a wake", || self.wakes().get(n).filter(|wake| wake["state"] == "finished").cloned())
    }

    pub(crate) fn log(&self, wake: &Value) -> String {
        self.site.run(&["log", wake["wake_id"].as_str().unwrap()]).ok().out
    }

    /// The sessions that the program has kept.
    pub(crate) fn sessions(&self) -> Vec<PathBuf> {
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

    /// The id of the only session.
    pub(crate) fn the_session(&self) -> String {
        let session = self.sessions().pop().unwrap();
        let name = session.file_stem().unwrap().to_str().unwrap();
        name[name.len() - 36..].to_owned()
    }

    /// The worker's program, while it runs.
    pub(crate) fn process(&self) -> Option<i32> {
        let found = self.site.processes().into_iter().find(|process| {
            let text = std::fs::read(format!("/proc/{}/cmdline", process.id)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            !process.is_ours()
                && (text.contains("mcp_servers.interlock_wake") || text.contains("--strict-mcp-config"))
        });
        found.map(|process| process.id)
    }
}
