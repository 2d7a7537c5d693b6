//! A supervisor as a process of its own, so that what it costs can be told apart.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use interlock_api::Problem;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::stage::{Stage, defect};
use crate::environment;

/// How long it may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running supervisor. It ends with us, whatever becomes of us: it listens to a pipe that closes.
pub(crate) struct Runner {
    process: Child,
    leash: Option<ChildStdin>,
    /// Its process.
    pub(crate) pid: u32,
}

impl Runner {
    /// Start one for the stage's server that runs so many agents at once, with its folder in this one.
    ///
    /// # Errors
    /// When it cannot be started, or is not ready in time.
    pub(crate) async fn start(stage: &Stage, dir: &Path, name: &str, at_once: u32) -> Result<Self, Problem> {
        let (url, token) = stage.for_supervisors()?;
        let mut process = Command::new(environment::program()?)
            .args(["supervise", "--json", "--until-stdin-closes", "--server", &url, "--folder"])
            .arg(dir.join(name))
            .args(["--at-once", &at_once.to_string()])
            .env("INTERLOCK_TOKEN", token)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| defect(&format!("a supervisor cannot be started: {error}")))?;
        let pid = process.id().unwrap_or_default();
        let leash = process.stdin.take();
        let output = process.stdout.take().ok_or_else(|| defect(&"a supervisor has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let said = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.ok().flatten().unwrap_or_default();
                let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                // A busy server may have let it wait.
                if said.get("event").is_none_or(|event| event != "waiting") {
                    return said;
                }
            }
        });
        let said = said.await.unwrap_or_default();
        if said.get("event").is_some_and(|event| event == "ready") {
            return Ok(Self { process, leash, pid });
        }
        Err(serde_json::from_value(said).unwrap_or_else(|_| defect(&"a supervisor is not ready")))
    }

    /// Tell it to stop, which stops its agents, and wait for that.
    ///
    /// # Errors
    /// `INTERNAL` when it does not end in time; it is killed then.
    pub(crate) async fn stop(mut self) -> Result<(), Problem> {
        drop(self.leash.take());
        if tokio::time::timeout(PATIENCE, self.process.wait()).await.is_ok() {
            return Ok(());
        }
        let killed = self.process.kill().await;
        Err(defect(&format!("a supervisor did not end in time and was killed ({killed:?})")))
    }
}
