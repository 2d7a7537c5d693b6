//! The lock of one agent: held by its shim and by everything the agent starts, so that it is free only when
//! nothing of the agent lives, however its shim and its supervisor ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

/// How long an agent's former processes are given to end by their own shim's hand.
pub(crate) const LOCK_GRACE: Duration = Duration::from_secs(3);
/// How long the lock is tried for.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// The pause between tries.
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How an attempt to take a lock ended.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is held as long as this file, or a copy of it in a child, is open.
    Held(File),
    /// Something of the agent still lives.
    Busy,
    /// The pause said that nobody wants it any more.
    Cancelled,
}

/// Take the lock at `path`. Whoever holds it beyond `grace` is killed: at most one supervisor uses the folder, so
/// it is what an agent left behind whose shim was killed. `pause` waits and says whether to go on.
pub(crate) fn take(path: &Path, grace: Duration, mut pause: impl FnMut() -> bool) -> io::Result<Taken> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Taken::Held(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        if start.elapsed() >= LOCK_PATIENCE {
            return Ok(Taken::Busy);
        }
        if start.elapsed() >= grace {
            kill_holders(path)?;
        }
        if !pause() {
            return Ok(Taken::Cancelled);
        }
    }
}

/// Make sure that nothing lives of the agent with the lock at `path`; false = something does not end.
pub(crate) fn clear(path: &Path, grace: Duration) -> io::Result<bool> {
    let pause = || {
        std::thread::sleep(LOCK_PAUSE);
        true
    };
    Ok(matches!(take(path, grace, pause)?, Taken::Held(_)))
}

fn kill_holders(path: &Path) -> io::Result<()> {
    let path = path.canonicalize()?;
    for pid in super::processes::pids() {
        let Ok(files) = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())) else { continue };
        let holds =
            files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|link| link == path));
        if holds && pid != rustix::process::getpid() {
            // It may have ended by itself meanwhile.
            let _gone: Result<(), _> = kill_process(pid, Signal::KILL);
        }
    }
    Ok(())
}
