//! A shim without a supervisor: the test says the plan and the orders, and hears the notices.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::wait::PATIENCE;

/// The program that has `__shim` and `__exec`.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_interlock-shim-test");

/// A folder for the locks and logs of some agents.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    /// What the agent has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("wake.log")).unwrap_or_default()
    }

    /// A plan that runs this shell script in this folder.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.plan(&["sh", "-c", script])
    }

    /// A plan that runs this command in this folder.
    pub(crate) fn plan(&self, command: &[&str]) -> Value {
        json!({
            "wake": "wak_test", "attempt": 1, "command": command,
            "directory": self.path("").to_str(),
            "environment": [[os("PATH"), os(&std::env::var("PATH").unwrap())], [os("SECRET"), os("hunter2")]],
            "secrets": [os("hunter2")],
            "exec": [os(PROGRAM), os("__exec")],
            "lock": os(self.path("agent.lock").to_str().unwrap()),
            "log": os(self.path("wake.log").to_str().unwrap()),
            "interrupt_ms": 100, "terminate_ms": 100,
        })
    }
}

/// A word of the system, as a plan says it.
pub(crate) fn os(text: &str) -> Value {
    json!({ "Unix": Path::new(text).as_os_str().as_bytes() })
}

/// The clock of leases.
pub(crate) fn boot_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec * 1_000 + now.tv_nsec / 1_000_000).unwrap()
}

/// A running shim.
pub(crate) struct Shim {
    /// The process.
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    notices: Receiver<Value>,
}

impl Shim {
    /// Start one with this plan.
    pub(crate) fn start(plan: &Value) -> Self {
        let mut child =
            Command::new(PROGRAM).arg("__shim").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, notices) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let notice = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut shim = Self { input: child.stdin.take(), child, notices };
        shim.say(plan);
        shim
    }

    /// Say a line to it.
    pub(crate) fn say(&mut self, value: &Value) {
        let text = format!("{value}\n");
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Die as its supervisor.
    pub(crate) fn abandon(&mut self) {
        self.input = None;
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// What it says next.
    pub(crate) fn next(&self) -> Value {
        self.notices.recv_timeout(PATIENCE).unwrap()
    }

    /// The process id that it says it started.
    pub(crate) fn started(&self) -> i32 {
        let notice = self.next();
        assert_eq!(notice["notice"], "started", "{notice}");
        i32::try_from(notice["pid"].as_i64().unwrap()).unwrap()
    }

    /// The last thing it says; nothing may follow.
    pub(crate) fn last(mut self) -> Value {
        let mut last = Value::Null;
        while let Ok(notice) = self.notices.recv_timeout(PATIENCE) {
            last = notice;
        }
        assert!(self.child.wait().unwrap().success());
        last
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.input = None;
        // It may be gone for long.
        let _gone = self.child.wait();
    }
}
