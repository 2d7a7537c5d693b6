//! Installations outside the repository, each made once for the lock file that names what is in it.
//!
//! They lie in the user's cache, each under the digest of its lock, and are never changed: a new lock is a new folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

/// The folder for this lock, below the kind's own; `fill` makes it when it is not there yet, in the folder it is given.
pub(crate) fn installed(
    kind: &str,
    name: &str,
    lock: &[u8],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let cache = folder()?.join(kind);
    fs::create_dir_all(&cache).with_context(|| format!("`{}` cannot be made", cache.display()))?;
    let name = format!("{name}-{}", digest(lock));
    let place = cache.join(&name);
    // One run at a time: the other one finds what this one has made.
    let guard = File::create(cache.join(format!("{name}.lock"))).context("the cache cannot be written")?;
    guard.lock().context("the cache cannot be locked")?;
    if !place.is_dir() {
        println!("installing {name} with {kind} into {}", place.display());
        // Moved to its place when it is whole: a run that is cut off leaves nothing that is taken for an installation.
        let draft = tempfile::Builder::new().prefix("draft-").tempdir_in(&cache)?;
        fill(draft.path())?;
        fs::rename(draft.keep(), &place).with_context(|| format!("`{}` cannot be made", place.display()))?;
    }
    Ok(place)
}

/// `$XDG_CACHE_HOME/interlock`, or the same below `~/.cache`.
fn folder() -> Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    match base {
        Some(base) => Ok(base.join("interlock")),
        None => bail!("neither XDG_CACHE_HOME nor HOME says where to keep what is installed"),
    }
}

/// Enough of the lock's digest to tell any two apart.
fn digest(lock: &[u8]) -> String {
    Sha256::digest(lock).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn another_lock_is_another_folder() {
        assert_ne!(digest(b"one"), digest(b"two"));
        assert_eq!(digest(b"one").len(), 24);
    }
}
