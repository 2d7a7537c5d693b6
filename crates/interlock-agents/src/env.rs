//! What an agent is told when it is woken (docs/command-agents.md).

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::time::Timestamp;

use crate::error::WorkError;
use crate::process::Limits;

/// Time kept back at the end of a run for saying what came of it.
const MARGIN_MS: u64 = 5_000;

/// An agent's surroundings; only the binary reads variables.
#[derive(Clone)]
pub struct AgentEnv {
    /// The server.
    pub url: String,
    /// The bearer token of this agent and this wake.
    pub token: String,
    /// Who this is.
    pub agent: AgentName,
    /// The thread it was woken for.
    pub thread: ThreadId,
    /// When the token and the run end.
    pub deadline: Timestamp,
    /// The agent's working tree.
    pub worktree: PathBuf,
    /// Where cargo builds; beside git's own files of the working tree unless said otherwise.
    pub target: Option<PathBuf>,
    /// The longest run of one check.
    pub check_max: Duration,
}

impl AgentEnv {
    /// Reads the variables of a wake; `worktree` is the directory the agent was started in.
    pub fn parse(get: impl Fn(&str) -> Option<String>, worktree: PathBuf) -> Result<Self, WorkError> {
        let text = |name: &'static str| {
            get(name).filter(|text| !text.is_empty()).ok_or(WorkError::Environment { name })
        };
        let wrong = |name: &'static str| WorkError::Environment { name };
        Ok(Self {
            url: text("INTERLOCK_URL")?,
            token: text("INTERLOCK_TOKEN")?,
            agent: text("INTERLOCK_AGENT")?.parse().map_err(|_| wrong("INTERLOCK_AGENT"))?,
            thread: text("INTERLOCK_THREAD")?.parse().map_err(|_| wrong("INTERLOCK_THREAD"))?,
            deadline: text("INTERLOCK_DEADLINE")?.parse().map_err(|_| wrong("INTERLOCK_DEADLINE"))?,
            worktree,
            target: None,
            check_max: Limits::default().run_max,
        })
    }

    /// What is left of the run.
    pub(crate) fn left(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = Duration::from_millis(u64::try_from(self.deadline.as_millis()).unwrap_or(0));
        deadline.saturating_sub(now)
    }

    /// How long programs may run so that there is time to speak afterwards.
    pub(crate) fn limits(&self) -> Limits {
        let until = Instant::now().checked_add(self.left().saturating_sub(Duration::from_millis(MARGIN_MS)));
        Limits { run_max: self.check_max, until }
    }
}

impl std::fmt::Debug for AgentEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of every log.
        f.debug_struct("AgentEnv")
            .field("agent", &self.agent)
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
