//! Whether a runtime's session is open in another process: looked at before anything is started.
//!
//! Codex keeps a lock file for each thread that any process has loaded; a lock that is held says so, the file alone does
//! not. Claude Code has no lock, but each process writes down which session it has; two of them on one session would
//! silently part ways, so this look is all that keeps them apart.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::agent::Runtime;
use interlock_core::id::SessionId;
use serde_json::Value;

use crate::runtime::home;

/// Whether the session that this wake would go on in is open elsewhere.
pub(crate) fn is_busy(claimed: &ClaimedWake, own: &BTreeMap<OsString, OsString>) -> bool {
    let Some(session) = claimed.resume else { return false };
    let Some(home) = home(claimed.runtime, &claimed.launch, own) else { return false };
    match claimed.runtime {
        Runtime::Codex => is_loaded(&home, session),
        Runtime::Claude => is_listed(&home, session),
        Runtime::Command | Runtime::Unmanaged => false,
    }
}

/// Whether what this file of a runtime's own folder stands for is open in a process now: a lock of Codex, or what a
/// process of Claude Code wrote down. For people who ask; a file that cannot be read stands for nothing.
pub fn is_open(runtime: Runtime, file: &Path) -> bool {
    match runtime {
        Runtime::Codex => is_locked(file),
        Runtime::Claude => entry(file).is_some_and(|entry| is_alive(&entry)),
        Runtime::Command | Runtime::Unmanaged => false,
    }
}

/// Whether a process has this thread of Codex loaded.
fn is_loaded(home: &Path, session: SessionId) -> bool {
    is_locked(&home.join("thread-writer-locks").join(format!("{}.lock", session.to_uuid_text())))
}

/// Whether somebody holds this lock. Ours is let go of at once: a start that comes at this very moment finds it free
/// again.
fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether a living process of Claude Code says that it has this session.
fn is_listed(home: &Path, session: SessionId) -> bool {
    let session = session.to_uuid_text();
    let files = std::fs::read_dir(home.join("sessions")).into_iter().flatten().flatten();
    files.filter_map(|file| entry(&file.path())).any(|entry| {
        entry.get("sessionId").and_then(Value::as_str) == Some(session.as_str()) && is_alive(&entry)
    })
}

/// What a process of Claude Code wrote down.
fn entry(file: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

/// Whether the process that wrote this lives, and is not another one with its number.
fn is_alive(entry: &Value) -> bool {
    let Some(pid) = entry.get("pid").and_then(Value::as_u64) else { return false };
    let Ok(said) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // `pid (name) state ppid ...`: the start is the 22nd field, the 20th after the name.
    let Some(start) = said.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19))
    else {
        return false;
    };
    match entry.get("procStart") {
        Some(Value::String(told)) => told == start,
        Some(Value::Number(told)) => told.to_string() == start,
        // Nothing told: better to wait for a stranger than to part ways with a person.
        _ => true,
    }
}

#[cfg(test)]
mod tests;
