//! What supervisor and shim say to each other: JSON lines, orders on the shim's standard input, notices on its output.

use std::ffi::OsString;

use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use interlock_core::wake::TurnFault;

use crate::codex_server::Record;
use crate::runtime::Heard;

/// The first line on a shim's standard input: what to run, and how. Not arguments: those are seen by everybody.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Plan {
    /// The wake, for the log's heading.
    pub(crate) wake: String,
    /// Which attempt of it, from 1.
    pub(crate) attempt: u32,
    /// The agent's command line.
    pub(crate) command: Vec<String>,
    /// Its working directory.
    pub(crate) directory: Option<String>,
    /// Its whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What must not be seen in its log.
    pub(crate) secrets: Vec<OsString>,
    /// The program and first arguments that become the agent.
    pub(crate) exec: Vec<OsString>,
    /// The file whose lock is held while anything of the agent lives.
    pub(crate) lock: OsString,
    /// The file for what it prints.
    pub(crate) log: OsString,
    /// The file that is its standard input; nothing = it is empty.
    #[serde(default)]
    pub(crate) input: Option<OsString>,
    /// Whose events its output holds.
    #[serde(default = "command")]
    pub(crate) runtime: Runtime,
    /// Between SIGINT and SIGTERM.
    pub(crate) interrupt_ms: u64,
    /// Between SIGTERM and SIGKILL.
    pub(crate) terminate_ms: u64,
    /// When the lease is over, by the clock of leases; absent = it is not over by itself.
    #[serde(default)]
    pub(crate) lease_until_ms: Option<u64>,
}

const fn command() -> Runtime {
    Runtime::Command
}

/// The first line for the shim of a turn in a server of its runtime, which is to end with the lease.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct TurnPlan {
    /// The turn.
    pub(crate) turn: Record,
    /// It was begun on an earlier claim, and is taken over with what was written down of it.
    pub(crate) is_found: bool,
    /// The file in which that stands, and whether it was cut off.
    pub(crate) record: OsString,
    /// The file whose lock is held by whoever watches over the turn.
    pub(crate) lock: OsString,
    /// The wake's log.
    pub(crate) log: OsString,
    /// When the lease is over, by the clock of leases.
    pub(crate) lease_until_ms: u64,
}

/// The lines after the first. The end of standard input means [`Order::Kill`]: the supervisor is dead. To the shim of a turn
/// it means nothing: the turn goes on, and its supervisor's next life may find it before the lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Ask the agent to end, then make it.
    Stop,
    /// End it at once.
    Kill,
    /// The lease was renewed. When it is over without another word of this kind, the shim ends the agent by itself: its
    /// supervisor may be stopped, or hang.
    Lease {
        /// When it is over, by the clock of leases.
        until_ms: u64,
    },
    /// The turn is over, and nothing is left to be watched.
    Over,
}

/// What a shim says, one line each: `Started`, `Watching` and `Output` come once at most, one of the last six as the last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub(crate) enum Notice {
    /// The command is being executed.
    Started {
        /// The agent's process, and its group.
        pid: i32,
    },
    /// A turn is watched over; nobody else does so any more.
    Watching,
    /// The log cannot be written; the agent runs on.
    Unlogged {
        /// Why.
        detail: String,
    },
    /// It has printed its first byte.
    Output,
    /// Its runtime says that the turn began in this session.
    Began {
        /// The session.
        session_id: SessionId,
    },
    /// Its runtime says something by which the turn cannot come to anything.
    Hopeless {
        /// What.
        fault: TurnFault,
    },
    /// What its runtime has told by its end; before the notice of that.
    Heard(Heard),
    /// Nothing was started: another process of this agent did not end in time.
    Busy,
    /// Nothing was started: an order to end came first.
    Cancelled,
    /// The command could not be started.
    Failed(Failure),
    /// The lease is over, and so is the agent: another supervisor may have the wake by now.
    LeaseOver,
    /// It ended by itself, and everything it had started is gone.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended it, and everything it had started is gone.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
}

/// Why a command could not be started.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Failure {
    /// What happened, with the system's own words.
    pub(crate) detail: String,
    /// What to do about it.
    pub(crate) hint: String,
}

/// One line of either side.
pub(crate) fn line<T: serde::Serialize>(value: &T) -> std::io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
