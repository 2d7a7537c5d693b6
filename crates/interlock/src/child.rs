//! The server as a child process: `interlock up` on a throw-away instance.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use interlock_api::Problem;
use interlock_core::Reason;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::database;
use crate::environment::{self, Secret};
use crate::instance::Instance;

/// How long the server may take to be ready, and to stop.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(20);

/// A running server. Ends with us, whatever becomes of us: it listens to a pipe that closes.
pub(crate) struct Child {
    process: Mutex<tokio::process::Child>,
    /// Held apart from the process: waiting for that would close it.
    leash: Mutex<Option<ChildStdin>>,
    /// Where it says that it is ready; taken once it has.
    said: Option<ChildStdout>,
    /// Its address, once it is ready.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
}

impl Child {
    /// Start it on this instance, with further options of `up`, and wait until it is ready. Everything is kept in the
    /// database that is named here, else in the instance's file.
    ///
    /// # Errors
    /// The problem it ended with.
    pub(crate) async fn start(
        instance: &Instance,
        database: Option<&Secret>,
        options: &[&str],
    ) -> Result<Self, Problem> {
        let mut child = Self::spawn(instance, database, options)?;
        child.ready().await?;
        Ok(child)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// `SERVER_UNREACHABLE` when no process can be made.
    pub(crate) fn spawn(
        instance: &Instance,
        database: Option<&Secret>,
        options: &[&str],
    ) -> Result<Self, Problem> {
        let mut command = Command::new(environment::program()?);
        match database {
            Some(url) => command.env(database::VARIABLE, &url.0),
            None => command.env_remove(database::VARIABLE),
        };
        let mut process = command
            .args(["up", "--json", "--until-stdin-closes", "--instance"])
            .arg(instance.folder())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is ours to handle: the server hears of it from us.
            .process_group(0)
            .kill_on_drop(false)
            .spawn()
            .map_err(|error| failed(&format!("the server cannot be started: {error}")))?;
        Ok(Self {
            pid: process.id().unwrap_or_default(),
            said: process.stdout.take(),
            leash: Mutex::new(process.stdin.take()),
            process: Mutex::new(process),
            url: String::new(),
        })
    }

    /// Wait until it is ready. When this is cut off, it can still be told to stop.
    ///
    /// # Errors
    /// The problem it ended with.
    pub(crate) async fn ready(&mut self) -> Result<(), Problem> {
        let stdout = self.said.take().ok_or_else(|| failed("the server has no output"))?;
        let mut line = String::new();
        let read = tokio::time::timeout(START, BufReader::new(stdout).read_line(&mut line)).await;
        match read {
            Err(_) => return Err(failed("the server was not ready in 30 s")),
            Ok(Err(error)) => return Err(failed(&format!("the server's output broke: {error}"))),
            Ok(Ok(_)) => {}
        }
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        match said.get("url").and_then(serde_json::Value::as_str) {
            Some(url) => url.clone_into(&mut self.url),
            None => {
                return Err(serde_json::from_value(said)
                    .unwrap_or_else(|_| failed("the server ended before it was ready")));
            }
        }
        Ok(())
    }

    /// End it with SIGKILL, and wait until it is gone.
    ///
    /// # Errors
    /// `SERVER_UNREACHABLE` when it cannot be killed.
    pub(crate) async fn kill(&self) -> Result<(), Problem> {
        let killed = self.process.lock().await.kill().await;
        killed.map_err(|error| failed(&format!("the server cannot be killed: {error}")))
    }

    /// Wait until it ends, which it should not by itself.
    pub(crate) async fn ended(&self) -> Option<ExitStatus> {
        self.process.lock().await.wait().await.ok()
    }

    /// Tell it to stop, which stops every agent, and wait for that.
    ///
    /// # Errors
    /// `SERVER_RUNNING` when it does not end.
    pub(crate) async fn stop(&self) -> Result<(), Problem> {
        drop(self.leash.lock().await.take());
        let mut process = self.process.lock().await;
        if tokio::time::timeout(STOP, process.wait()).await.is_ok() {
            return Ok(());
        }
        let killed = process.kill().await;
        let detail = format!("the server did not end in 20 s and was killed ({killed:?})");
        Err(Problem::new(Reason::ServerRunning, &detail, ""))
    }
}

fn failed(detail: &str) -> Problem {
    Problem::new(Reason::ServerUnreachable, detail, "")
}
