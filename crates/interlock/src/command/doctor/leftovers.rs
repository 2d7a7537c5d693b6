//! What processes left behind that are gone: marks of sessions, sockets that nobody answers, and what of our own agents lives.

use std::fs::{File, TryLockError};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::Check;
use crate::instance::Instance;

/// Files of sessions that no process has any more, and a control socket that nobody listens on.
pub(super) fn of_program(name: &'static str, stale: &[PathBuf], socket: Option<&Path>) -> Check {
    let dead = socket.filter(|path| path.exists() && UnixStream::connect(path).is_err());
    let mut found = Vec::new();
    if let Some(first) = stale.first() {
        let folder = first.parent().unwrap_or(first).display();
        found.push(format!("{} marks of sessions that no process has, in {folder}", stale.len()));
    }
    found.extend(dead.map(|path| format!("a control socket that nobody answers: {}", path.display())));
    if found.is_empty() {
        return Check::ok(name, "nothing");
    }
    let words: Vec<String> = stale.iter().map(PathBuf::as_path).chain(dead).map(quoted).collect();
    let some: Vec<&str> = words.iter().take(3).map(String::as_str).collect();
    let more = if words.len() > some.len() { " and the others" } else { "" };
    let hint = format!(
        "they do no harm to wakes; remove them while the program does not run: rm {}{more}",
        some.join(" ")
    );
    Check::warn(name, found.join("; "), hint)
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Agents of this instance whose processes live, and whether a supervisor runs here that would end them; nothing where none
/// does.
pub(super) fn of_agents(instance: &Instance) -> Option<Check> {
    const NAME: &str = "agents' processes";
    let state = instance.state();
    let files = std::fs::read_dir(state.join("agents")).into_iter().flatten().flatten();
    let held: Vec<String> = files
        .map(|entry| entry.path())
        .filter(|path| is_held(path))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let is_supervised = is_held(&state.join("supervisor.lock"));
    if held.is_empty() {
        return None;
    }
    let detail = format!("{} run: {}", held.len(), held.join(", "));
    if is_supervised {
        return Some(Check::ok(NAME, detail));
    }
    let hint = format!(
        "they end by themselves within seconds; if they do not, see who holds them with: fuser -v {}/*",
        state.join("agents").display()
    );
    Some(Check::warn(NAME, format!("{detail}, and no supervisor runs here"), hint))
}

fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
