//! The system's processes, as `/proc` shows them.

use std::collections::HashMap;

use rustix::process::{Pid, Signal, kill_process};

/// All processes that can be seen.
pub(crate) fn pids() -> impl Iterator<Item = Pid> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
}

fn parent(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // `pid (name) state ppid ...`; the name may hold anything, brackets too.
    let (_, after) = stat.rsplit_once(')')?;
    Pid::from_raw(after.split_ascii_whitespace().nth(1)?.parse().ok()?)
}

/// Send SIGKILL to everything that this process has started, at any depth; whether something was found.
pub(crate) fn kill_descendants() -> bool {
    let me = rustix::process::getpid();
    let mut parents: HashMap<Pid, Pid> = HashMap::new();
    let mut is_found = false;
    for pid in pids() {
        let Some(parent) = parent(pid) else { continue };
        if parent == me {
            // At once: one that only forks and ends would be gone after a look at all the others.
            kill(pid);
            is_found = true;
        } else {
            parents.insert(pid, parent);
        }
    }
    for pid in parents.keys().filter(|pid| descends(**pid, me, &parents)) {
        kill(*pid);
        is_found = true;
    }
    is_found
}

fn kill(pid: Pid) {
    // It may have ended by itself meanwhile.
    let _gone: Result<(), _> = kill_process(pid, Signal::KILL);
}

fn descends(pid: Pid, from: Pid, parents: &HashMap<Pid, Pid>) -> bool {
    // Read at different instants, the parents may form a ring: no more steps than processes.
    let line = std::iter::successors(parents.get(&pid).copied(), |at| parents.get(at).copied());
    line.take(parents.len()).any(|ancestor| ancestor == from)
}
