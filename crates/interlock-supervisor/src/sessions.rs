//! Whether a runtime's session is open in another process: looked at before anything is started.
//!
//! Codex keeps a lock file for each thread that any process has loaded; a lock that is held says so, the file alone does
//! not. Claude Code has no lock, but each process writes down which session it has; two of them on one session would
//! silently part ways, so this look is all that keeps them apart.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
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
/// process of Claude Code wrote down. For people who ask.
pub fn is_open(runtime: Runtime, file: &Path) -> bool {
    match runtime {
        Runtime::Codex => is_locked(file),
        Runtime::Claude => is_occupied(file, None),
        Runtime::Command | Runtime::Unmanaged => false,
    }
}

/// Whether a process has this thread of Codex loaded.
fn is_loaded(home: &Path, session: SessionId) -> bool {
    is_locked(&home.join("thread-writer-locks").join(format!("{}.lock", session.to_uuid_text())))
}

/// Whether somebody holds this lock, or may hold it, because it cannot be looked at. Ours is let go of at once: a start
/// that comes at this very moment finds it free again.
fn is_locked(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Whether a living process of Claude Code has this session, or may have it. What cannot be read says nothing, and better
/// a wait for a stranger than two in one session.
fn is_listed(home: &Path, session: SessionId) -> bool {
    let folder = match std::fs::read_dir(home.join("sessions")) {
        Ok(folder) => folder,
        Err(error) => return error.kind() != ErrorKind::NotFound,
    };
    folder.into_iter().any(|file| file.map_or(true, |file| is_occupied(&file.path(), Some(session))))
}

/// Whether the process that this file is about lives and has this session, or any.
fn is_occupied(file: &Path, session: Option<SessionId>) -> bool {
    let Some(entry) = entry(file) else {
        // It is written in place, and may be half written now; by its name it is told whose it is.
        return pid(file).is_some_and(|pid| birth(pid).is_some());
    };
    let is_it = session.is_none_or(|session| {
        entry.get("sessionId").and_then(Value::as_str) == Some(session.to_uuid_text().as_str())
    });
    is_it && is_alive(&entry)
}

/// What a process of Claude Code wrote down; nothing where that cannot be read or understood.
fn entry(file: &Path) -> Option<Value> {
    let entry: Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    entry.get("sessionId").is_some_and(Value::is_string).then_some(entry)
}

/// The process that a file is named after; of other files in the folder nothing is known.
fn pid(file: &Path) -> Option<u64> {
    let is_entry = file.extension().is_some_and(|ending| ending == "json");
    file.file_stem().filter(|_| is_entry)?.to_str()?.parse().ok()
}

/// When a living process was started, as the system counts it.
fn birth(pid: u64) -> Option<String> {
    let said = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state ppid ...`: the start is the 22nd field, the 20th after the name.
    let (_, rest) = said.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19).map(str::to_owned)
}

/// Whether the process that wrote this lives, and is not another one with its number.
fn is_alive(entry: &Value) -> bool {
    let Some(start) = entry.get("pid").and_then(Value::as_u64).and_then(birth) else { return false };
    match entry.get("procStart") {
        Some(Value::String(told)) => *told == start,
        Some(Value::Number(told)) => told.to_string() == start,
        // Nothing told: better to wait for a stranger than to part ways with a person.
        _ => true,
    }
}

#[cfg(test)]
mod tests;
