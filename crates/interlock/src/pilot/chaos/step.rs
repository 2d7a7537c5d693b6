//! The steps, and what became of each.

use std::time::Duration;

use serde::Serialize;

/// What is done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The server is killed in the middle of a turn.
    ServerKilled,
    /// An agent is killed in the middle of a turn.
    AgentKilled,
    /// Two agents repeat themselves.
    AgentsRepeat,
    /// A byte of an exported copy of the ledger is changed.
    LedgerChanged,
    /// The job comes to its end all the same.
    JobDone,
}

/// How long each may take: generous, for a machine that is busy with other things.
const SERVER_MAX: Duration = Duration::from_mins(2);
const AGENT_MAX: Duration = Duration::from_mins(2);
const REPEAT_MAX: Duration = Duration::from_mins(3);
const LEDGER_MAX: Duration = Duration::from_mins(1);
const JOB_MAX: Duration = Duration::from_mins(5);

impl Kind {
    /// The order of the steps.
    pub(super) const ALL: [Self; 5] =
        [Self::ServerKilled, Self::AgentKilled, Self::AgentsRepeat, Self::LedgerChanged, Self::JobDone];

    /// The heading of its part of the story.
    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::ServerKilled => "The server is killed (SIGKILL) in the middle of an agent's turn",
            Self::AgentKilled => "An agent is killed (SIGKILL) in the middle of its turn",
            Self::AgentsRepeat => "Two agents repeat themselves in a thread of their own",
            Self::LedgerChanged => "One byte of an exported copy of the ledger is changed",
            Self::JobDone => "The job comes to its end all the same",
        }
    }

    /// What is done, in a few words.
    pub(super) const fn did(self) -> &'static str {
        match self {
            Self::ServerKilled => "server killed in the middle of a turn",
            Self::AgentKilled => "agent killed in the middle of its turn",
            Self::AgentsRepeat => "two agents that answer each other for ever",
            Self::LedgerChanged => "one byte of an exported ledger changed",
            Self::JobDone => "all of this during one job",
        }
    }

    /// How long it may take.
    pub(super) const fn limit(self) -> Duration {
        match self {
            Self::ServerKilled => SERVER_MAX,
            Self::AgentKilled => AGENT_MAX,
            Self::AgentsRepeat => REPEAT_MAX,
            Self::LedgerChanged => LEDGER_MAX,
            Self::JobDone => JOB_MAX,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    #[serde(rename = "step")]
    kind: Kind,
    /// What was done.
    pub(crate) did: String,
    /// What came of it, or what it did not show.
    pub(crate) happened: String,
    /// Where that can be seen.
    pub(crate) proof: String,
    /// Whether it showed what it should.
    pub(crate) ok: bool,
}

impl Step {
    /// It came to its end; every fault is something that did not hold.
    pub(super) fn judged(kind: Kind, faults: &[String], happened: String, proof: String) -> Self {
        let ok = faults.is_empty();
        let happened = if ok { happened } else { faults.join("; ") };
        Self { kind, did: kind.did().to_owned(), happened, proof, ok }
    }

    /// It did not come to its end.
    pub(super) fn cut_off(kind: Kind, why: &str) -> Self {
        Self::judged(kind, &[why.to_owned()], String::new(), String::new())
    }

    /// Something seen later speaks against it.
    pub(super) fn refute(&mut self, fault: &str) {
        self.happened = if self.ok { fault.to_owned() } else { format!("{}; {fault}", self.happened) };
        self.ok = false;
    }

    /// Which step it is.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }
}
