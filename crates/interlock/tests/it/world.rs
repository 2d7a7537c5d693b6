//! A folder to work in and the binary to run there, with nothing of the environment but `PATH`.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// An empty folder, removed at the end.
pub(crate) struct World {
    dir: TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A world with an instance in it.
    pub(crate) fn with_instance() -> Self {
        let world = Self::new();
        world.run(&["init"]).ok();
        world
    }

    /// A world whose instance says that this server runs on it, as this process.
    pub(crate) fn with_server(url: &str) -> Self {
        let world = Self::with_instance();
        world.says_server(std::process::id(), url);
        world
    }

    pub(crate) fn says_server(&self, pid: u32, url: &str) {
        let run = serde_json::json!({
            "pid": pid, "url": url, "mcp_url": format!("{url}/mcp"), "started_at": "2026-01-02T12:00:00Z",
        });
        let file = self.path(".interlock/run.json");
        std::fs::write(file.with_extension("new"), run.to_string()).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command<I: AsRef<OsStr>>(&self, arguments: &[I]) -> Command {
        let mut command = binary(self.dir.path());
        command.args(arguments);
        command
    }

    pub(crate) fn run<I: AsRef<OsStr>>(&self, arguments: &[I]) -> Ran {
        finish(&mut self.command(arguments), b"")
    }

    /// Run it with one more variable in its environment.
    pub(crate) fn run_in(&self, arguments: &[&str], name: &str, value: &OsStr) -> Ran {
        finish(self.command(arguments).env(name, value), b"")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        finish(&mut self.command(arguments), input)
    }
}

/// The binary with a clean environment.
fn binary(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("USER", "anna")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Run to the end.
pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ran {
    if input.is_empty() {
        return Ran::of(&command.output().unwrap());
    }
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // The binary may end without reading everything.
    let _unread = child.stdin.take().unwrap().write_all(input);
    Ran::of(&child.wait_with_output().unwrap())
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let ran = Self {
            code: output.status.code().expect("the binary ends by itself"),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!ran.out.contains(word) && !ran.err.contains(word), "{ran:?}");
        }
        ran
    }

    /// It went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// It ended with this exit code and told people this reason.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, reason: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains("error: "), "{self:?}");
        assert!(self.err.contains(&format!("reason: {reason} (docs/errors/{reason}.md)\n")), "{self:?}");
        self
    }

    /// The last line of standard output, which must be one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!(self.out.ends_with('\n'), "{self:?}");
        let last = self.out.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }

    /// The only line of standard output.
    #[track_caller]
    pub(crate) fn only_json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        self.json()
    }
}
