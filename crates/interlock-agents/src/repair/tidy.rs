//! Puts a working tree into a known state, whatever the last process was killed in.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::WorkError;
use crate::git::Git;

/// Ends what a killed process left in progress, and checks the branch out as it was committed; gives its name.
pub(super) fn recover(git: &Git, branch: Option<&str>) -> Result<String, WorkError> {
    unlock(git, branch)?;
    let private = git.private_dir()?;
    discard(git)?;
    if private.join("BISECT_START").exists() {
        // Fails when the killed process had only begun to write it; the checkout below is what counts.
        git.ask(&["bisect", "reset"])?;
        let _ = std::fs::remove_file(private.join("BISECT_START"));
    }
    if private.join("REVERT_HEAD").exists() || private.join("sequencer").exists() {
        git.ask(&["revert", "--abort"])?;
        git.ask(&["revert", "--quit"])?;
    }
    let current = git.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    match branch {
        Some(branch) if !current.ok || current.out != branch => {
            git.text(&["checkout", "--quiet", "--force", branch])?;
        }
        _ => {}
    }
    discard(git)?;
    let named = git.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    Ok(if named.ok { named.out } else { branch.unwrap_or("HEAD").to_owned() })
}

/// Checks a commit out without a branch, for somebody who only looks.
pub fn look_at(root: &Path, commit: &str) -> Result<(), WorkError> {
    let git = Git::at(root);
    unlock(&git, None)?;
    git.text(&["checkout", "--quiet", "--force", "--detach", commit])?;
    discard(&git)
}

/// Back to the checked-out commit; ignored files stay.
fn discard(git: &Git) -> Result<(), WorkError> {
    git.text(&["reset", "--quiet", "--hard"])?;
    git.text(&["clean", "--quiet", "-d", "--force"])?;
    Ok(())
}

/// What git locks at the top of a work tree's own directory, in the commands that are run here.
const LOCKED: [&str; 6] =
    ["index.lock", "HEAD.lock", "ORIG_HEAD.lock", "REVERT_HEAD.lock", "AUTO_MERGE.lock", "BISECT_HEAD.lock"];
/// What all work trees of a repository share: somebody who lives holds it for milliseconds.
const SHARED: &str = "packed-refs.lock";
/// Its age from which on nobody holds it any more.
const SHARED_STALE: Duration = Duration::from_secs(10);
/// Between two looks at one that is younger.
const SHARED_PAUSE: Duration = Duration::from_millis(20);

/// Removes locks whose holder was killed: only the agent's own process works here, and that is this one. Of the
/// branches that is the one named and the one checked out; all others may be locked by somebody who lives.
fn unlock(git: &Git, branch: Option<&str>) -> Result<(), WorkError> {
    let private = git.private_dir()?;
    for name in LOCKED {
        remove(&private.join(name))?;
    }
    for entry in std::fs::read_dir(private.join("refs/bisect")).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "lock") {
            remove(&entry.path())?;
        }
    }
    let shared = git.dir().join(git.text(&["rev-parse", "--git-path", SHARED])?);
    outlast(&shared)?;
    let current = git.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
    for branch in branch.into_iter().chain(current.ok.then_some(current.out.as_str())) {
        let path = git.text(&["rev-parse", "--git-path", &format!("refs/heads/{branch}.lock")])?;
        remove(&git.dir().join(path))?;
    }
    Ok(())
}

/// Waits until nobody holds a lock that others share: who lives lets go of it, and what a killed process left gets old.
/// A command of git that finds it taken would wait a second each time, or fail.
fn outlast(lock: &Path) -> Result<(), WorkError> {
    let changed = || std::fs::metadata(lock).and_then(|metadata| metadata.modified()).ok();
    let (first, since) = (changed(), Instant::now());
    while let Some(at) = changed() {
        if Some(at) != first {
            // Taken anew: by somebody who lives.
            return Ok(());
        }
        // A clock that was set back must not make this wait for longer.
        if at.elapsed().is_ok_and(|age| age >= SHARED_STALE) || since.elapsed() >= SHARED_STALE {
            return remove(lock);
        }
        std::thread::sleep(SHARED_PAUSE);
    }
    Ok(())
}

fn remove(lock: &Path) -> Result<(), WorkError> {
    match std::fs::remove_file(lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(WorkError::file(lock, "unlocked", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::{SHARED_STALE, outlast};

    #[test]
    fn a_shared_lock_is_waited_for_until_it_is_gone_or_old() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("packed-refs.lock");
        outlast(&lock).unwrap();
        // Whoever held it was killed not long ago.
        let file = File::create(&lock).unwrap();
        let young = SystemTime::now() - SHARED_STALE + Duration::from_millis(200);
        file.set_modified(young).unwrap();
        outlast(&lock).unwrap();
        assert!(!lock.exists());
        // Whoever holds it lives, and lets go of it, or takes it again and again.
        for again in [false, true] {
            let file = File::create(&lock).unwrap();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| outlast(&lock));
                if !again {
                    std::fs::remove_file(&lock).unwrap();
                }
                for second in 1.. {
                    if waiting.is_finished() {
                        break;
                    }
                    file.set_modified(SystemTime::now() + Duration::from_secs(second)).unwrap();
                }
                waiting.join().unwrap().unwrap();
            });
            assert_eq!(lock.exists(), again);
        }
    }
}
