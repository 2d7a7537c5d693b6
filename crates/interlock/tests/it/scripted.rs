//! The real programs with our model: a person's machine, on which `codex` and `claude` are found as anywhere else and talk
//! to the scripted model server without knowing better.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use interlock_scripted_model::ScriptedModel;

use crate::site::{Running, Server, Site};

/// A place with a model, a folder of programs before all others, and a home of its own.
pub(crate) struct Machine {
    pub(crate) site: Site,
    pub(crate) model: ScriptedModel,
    /// Serves the model.
    _runtime: tokio::runtime::Runtime,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let model = runtime.block_on(ScriptedModel::start()).unwrap();
        let site = Site::with_instance("");
        for folder in ["bin", "person/.codex", "person/.claude"] {
            std::fs::create_dir_all(site.path(folder)).unwrap();
        }
        Self { site, model, _runtime: runtime }
    }

    /// Codex is found on the path, its model is ours.
    pub(crate) fn has_codex(&self, program: &Path) {
        let provider = format!(
            "model_providers.scripted={{name=\"scripted\",base_url=\"{}/v1\",env_key=\"KEY\",wire_api=\"responses\"}}",
            self.model.url()
        );
        let script = format!(
            "export KEY={}\nexec '{}' -c 'model_provider=\"scripted\"' -c '{provider}' \"$@\"",
            self.model.key(),
            program.display()
        );
        self.program("codex", &script);
    }

    /// Claude Code is found on the path, its model is ours.
    pub(crate) fn has_claude(&self, program: &Path) {
        let script = format!(
            "export ANTHROPIC_BASE_URL={} ANTHROPIC_API_KEY={} DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1\n\
             export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1\nexec '{}' \"$@\"",
            self.model.url(),
            self.model.key(),
            program.display()
        );
        self.program("claude", &script);
    }

    /// A program of this name is found on the path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let file = self.site.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// A command with the path, the home and the language of this machine.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        // Everything else as for the binary under test.
        let like = self.site.command(&[]);
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(self.site.path("."));
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ours = Path::new(env!("CARGO_BIN_EXE_interlock")).parent().unwrap();
        let folders = [self.site.path("bin"), ours.to_owned()];
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap();
        command.env("PATH", path).env("LANG", "C.UTF-8");
        command.env("NO_COLOR", "1").stdin(std::process::Stdio::null());
        command
    }

    /// The server of this machine's instance, whose agents find its programs.
    pub(crate) fn up(&self) -> Server {
        let running = Running::new(&mut self.command("interlock", &["up", "--json"]));
        let ready = running.json();
        assert_eq!(ready["event"], "ready", "{ready} {}", running.errors());
        Server { url: ready["url"].as_str().unwrap().to_owned(), running }
    }
}
