//! How each runtime is started, and how what it says is read. One file per runtime, one arm here.
//!
//! A runtime's file says three things: the command line that hands over our tools and token without touching the
//! user's files, what goes to its standard input, and what its event stream means. All of it is pure; the shim reads
//! lines through [`Reader`], the attempt's state machine decides.

mod claude;
mod codex;
mod persons;
pub(crate) mod quota;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::{Launch, Runtime, Sandbox};
use interlock_core::id::SessionId;
use interlock_core::text::{last_words, without_escapes};
use interlock_core::wake::{TurnFault, Usage};

pub(crate) use codex::BRIDGE;
pub(crate) use persons::{Transport, codex_speaker, home};

use crate::shim::redact::Redactor;

/// What is started for a wake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// The command line's words.
    pub(crate) words: Vec<String>,
    /// What its standard input holds; nothing = it is empty.
    pub(crate) input: Option<String>,
    /// Variables of the supervisor's own environment that it is given besides those of the contract.
    pub(crate) passed: &'static [&'static str],
    /// Variables that are set for it.
    pub(crate) set: &'static [(&'static str, &'static str)],
}

/// What a command line is made of.
#[derive(Debug, Clone)]
struct Turn<'a> {
    launch: &'a Launch,
    /// The server's MCP endpoint.
    mcp_url: String,
    prompt: &'a str,
    /// The session to go on in.
    resume: Option<SessionId>,
    /// The id of a fresh session, for runtimes that let us choose.
    fresh: SessionId,
    /// Names this attempt's message.
    message: SessionId,
    /// Folders that may be written besides the working directory.
    writable: Vec<String>,
    /// The bridge that its person has configured for sessions of their own: not for this run.
    bridge: Option<persons::Transport>,
}

/// What to start for this wake, by a supervisor with this environment.
pub(crate) fn start(claimed: &ClaimedWake, url: &str, own: &BTreeMap<OsString, OsString>) -> Start {
    let launch = &claimed.launch;
    // The wake's own id with its first claim. The number of a later claim is part of it: Claude Code takes a message
    // with a known id for done, also when the attempt that sent it was cut off, and a new attempt must make the model
    // work again.
    let message = claimed.wake.wake_id.as_u128() ^ u128::from(claimed.fence.saturating_sub(1));
    let turn = Turn {
        launch,
        mcp_url: format!("{url}/mcp"),
        prompt: &claimed.prompt,
        resume: claimed.resume,
        fresh: claimed.session_id,
        message: SessionId::from_u128(message),
        writable: writable(claimed.runtime, launch),
        bridge: bridge(claimed.runtime, launch, own),
    };
    match claimed.runtime {
        Runtime::Codex => codex::start(&turn),
        Runtime::Claude => claude::start(&turn),
        Runtime::Command | Runtime::Unmanaged => {
            Start { words: launch.command.clone(), input: None, passed: &[], set: &[] }
        }
    }
}

/// The command line of a coding agent's program as it will be run by a supervisor with this environment, for people who
/// are asked whether it may: with `PROMPT` and `SESSION` where those stand, and without any secret, because no command
/// line of ours holds one.
pub fn describe(
    runtime: Runtime,
    launch: &Launch,
    url: &str,
    own: &BTreeMap<OsString, OsString>,
) -> Vec<String> {
    let turn = Turn {
        launch,
        mcp_url: format!("{url}/mcp"),
        prompt: "PROMPT",
        resume: None,
        fresh: SessionId::from_u128(0),
        message: SessionId::from_u128(0),
        writable: writable(runtime, launch),
        bridge: bridge(runtime, launch, own),
    };
    let start = match runtime {
        Runtime::Codex => codex::start(&turn),
        Runtime::Claude => claude::start(&turn),
        Runtime::Command | Runtime::Unmanaged => return launch.command.clone(),
    };
    let zero = SessionId::from_u128(0).to_uuid_text();
    start.words.into_iter().map(|word| if word == zero { "SESSION".into() } else { word }).collect()
}

/// The bridge to us that the program would start by its person's configuration. Claude Code is told to look at none.
pub(crate) fn bridge(
    runtime: Runtime,
    launch: &Launch,
    own: &BTreeMap<OsString, OsString>,
) -> Option<persons::Transport> {
    (runtime == Runtime::Codex).then(|| persons::codex_server(launch, own, codex::BRIDGE))?
}

/// What a commit from a linked work tree writes in git's folder of the repository.
const COMMITTED: [&str; 3] = ["objects", "refs", "logs"];

/// The folders that may be written besides the working directory: those named, and for an agent that works in a
/// repository what git needs of its own, without which nothing can be committed. From a linked work tree that leaves
/// hooks and configuration closed, which git would run as the user. Only Codex is held back by the system: Claude
/// Code's rules are about its editing tools, which have no business there.
pub(crate) fn writable(runtime: Runtime, launch: &Launch) -> Vec<String> {
    let mut folders = launch.writable.clone();
    let sandbox = launch.sandbox.unwrap_or(Sandbox::WorkspaceWrite);
    if let (Runtime::Codex, Sandbox::WorkspaceWrite, Some(repository)) =
        (runtime, sandbox, &launch.repository)
    {
        let git = Path::new(repository).join(".git");
        let common = if git.is_dir() { git } else { repository.into() };
        let own = launch.directory.as_deref().and_then(|directory| work_tree(Path::new(directory)));
        let opened = match own {
            Some(own) => COMMITTED.iter().map(|part| common.join(part)).chain([own]).collect(),
            None => vec![common],
        };
        folders.extend(opened.iter().filter_map(|path| Some(path.to_str()?.to_owned())));
    }
    folders
}

/// Where git keeps what belongs to this linked work tree; nothing for any other folder.
fn work_tree(directory: &Path) -> Option<PathBuf> {
    let pointer = std::fs::read_to_string(directory.join(".git")).ok()?;
    Some(directory.join(pointer.strip_prefix("gitdir:")?.trim()))
}

/// The program and first words: those that were configured, or the runtime's own name.
pub(crate) fn program(launch: &Launch, name: &str) -> Vec<String> {
    if launch.command.is_empty() { vec![name.to_owned()] } else { launch.command.clone() }
}

/// Why a turn did not do what it was started for, as the runtime itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// It knows no such session.
    SessionGone,
    /// Another process has the session open.
    SessionBusy,
    /// The turn failed.
    Turn(TurnFault),
}

/// What a runtime has told by the end of its process.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Heard {
    /// What its model used.
    pub(crate) usage: Option<Usage>,
    /// It counts from the beginning of the session.
    pub(crate) is_session_total: bool,
    /// It said that the turn is complete.
    pub(crate) is_done: bool,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// After which time the model's service takes requests again, where its words say so.
    #[serde(default)]
    pub(crate) reset_in_ms: Option<u64>,
    /// When it does by the wall clock, in seconds, where that is told.
    #[serde(default)]
    pub(crate) resets_at_s: Option<u64>,
    /// What its agent said last, without secrets.
    #[serde(default)]
    pub(crate) last_message: Option<String>,
}

impl Heard {
    /// Its agent said something, which is the last that it said until it says more.
    pub(crate) fn said(&mut self, hide: &Redactor, text: &str) {
        // First what a terminal obeys: a secret may have it in the middle.
        if let Some(words) = last_words(&hide.hide(&without_escapes(text))) {
            self.last_message = Some(words);
        }
    }

    /// Whether its model's quota is used up.
    pub(crate) fn is_out_of_quota(&self) -> bool {
        self.fault == Some(Fault::Turn(TurnFault::ModelRateLimited))
    }

    /// With the time at which the quota is given again as the span until then: servers have clocks of their own. A time
    /// that is over says nothing.
    pub(crate) fn at(self, wall_ms: u64) -> Self {
        let left = |at_s: u64| at_s.saturating_mul(1_000).checked_sub(wall_ms).filter(|left| *left > 0);
        let reset_in_ms = self.resets_at_s.and_then(left).or(self.reset_in_ms);
        Self { reset_in_ms, resets_at_s: None, ..self }
    }
}

/// What one line means at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The turn began in this session.
    Began(SessionId),
    /// It cannot come to anything: end the process now.
    Hopeless(TurnFault),
}

/// What a line comes to: what it means at once, and what people read of it in the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it means.
    pub(crate) said: Option<Said>,
    /// What the log gets; `None` = nothing worth reading.
    pub(crate) text: Option<String>,
}

/// Reads a runtime's output, line by line. Whatever comes, it neither panics nor grows.
#[derive(Debug)]
pub(crate) enum Reader {
    Codex(codex::Reader),
    Claude(claude::Reader),
}

impl Reader {
    /// For this runtime, if it has events.
    pub(crate) fn of(runtime: Runtime) -> Option<Self> {
        match runtime {
            Runtime::Codex => Some(Self::Codex(codex::Reader::default())),
            Runtime::Claude => Some(Self::Claude(claude::Reader::default())),
            Runtime::Command | Runtime::Unmanaged => None,
        }
    }

    /// Take one line, without its end; what the log gets of an event is without these secrets.
    pub(crate) fn line(&mut self, text: &str, hide: &Redactor) -> Line {
        match (serde_json::from_str::<serde_json::Value>(text), self) {
            (Ok(event), Self::Codex(reader)) if event.is_object() => reader.event(&event, hide),
            (Ok(event), Self::Claude(reader)) if event.is_object() => reader.event(&event, hide),
            (_, reader) => reader.words(text),
        }
    }

    /// Take one line that is no event, whatever it looks like.
    pub(crate) fn words(&mut self, text: &str) -> Line {
        match self {
            Self::Codex(reader) => reader.words(text),
            Self::Claude(reader) => reader.words(text),
        }
    }

    /// What it has told so far.
    pub(crate) fn heard(&self) -> Heard {
        match self {
            Self::Codex(reader) => reader.heard.clone(),
            Self::Claude(reader) => reader.heard.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
