//! Making an instance: beside its place under another name, then moved there in one step.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::id::WorkspaceId;

use super::{CONFIG, Config, FOLDER, keys, path};
use crate::context::Context;
use crate::environment::Secret;
use crate::random::random;

/// Make `.interlock` in `dir`, or `dir` itself when that is its name, and give its path.
pub(super) fn create(dir: &Path, database: Option<&Secret>) -> Result<PathBuf, Problem> {
    let dir = if dir.file_name().is_some_and(|name| name == FOLDER) { path::parent_of(dir) } else { dir };
    let dir = writable_folder(dir)?;
    let folder = dir.join(FOLDER);
    if path::is_there(&folder)? {
        return Err(taken(&folder));
    }
    let workspace_id = WorkspaceId::derive(Context::now(), &random::<32>()?, 0);
    let fresh = tempfile::Builder::new()
        .prefix(".interlock-new-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&dir)
        .map_err(|error| path::unwritable(&dir, &error))?;
    fill(fresh.path(), workspace_id, database)?;
    // Fails when somebody else was faster: a folder with something in it is never replaced.
    std::fs::rename(fresh.path(), &folder)
        .map_err(|error| if folder.exists() { taken(&folder) } else { path::unwritable(&folder, &error) })?;
    // Its name is gone with the move, so there is nothing left to remove.
    let _moved = fresh.keep();
    Ok(folder)
}

/// The folder to make an instance in. A file on the way makes it unwritable rather than no instance.
fn writable_folder(dir: &Path) -> Result<PathBuf, Problem> {
    match std::fs::metadata(dir) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(path::unwritable(dir, &std::io::Error::from(std::io::ErrorKind::NotADirectory)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(path::unwritable(dir, &error)),
        _ => path::existing_folder(dir),
    }
}

/// What to say when the folder is there already.
fn taken(folder: &Path) -> Problem {
    if path::is_there(&folder.join(CONFIG)).unwrap_or(false) {
        let detail = format!("{} is an instance already", folder.display());
        return Problem::new(Reason::InstanceExists, &detail, "").hint("use it, or name another folder");
    }
    let detail = format!("{} is there, but is no instance", folder.display());
    Problem::new(Reason::InstanceInvalid, &detail, "").hint("move it away, then try again")
}

fn fill(folder: &Path, workspace_id: WorkspaceId, database: Option<&Secret>) -> Result<(), Problem> {
    write(&folder.join(".gitignore"), "*\n")?;
    for name in ["keys", "logs", "logs/wakes", "state", "worktrees"] {
        let inner = folder.join(name);
        DirBuilder::new().mode(0o700).create(&inner).map_err(|error| path::unwritable(&inner, &error))?;
    }
    keys::create(&folder.join("keys"), workspace_id)?;
    write(&folder.join(CONFIG), &Config::template(workspace_id, database))
}

/// Write a new file that only its owner reads.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Problem> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()))
        .map_err(|error| path::unwritable(file, &error))
}

/// Make a folder that only its owner enters, with those above it; one that is there already stays as it is.
///
/// # Errors
/// `PATH_UNWRITABLE`.
pub(crate) fn make_private_folder(folder: &Path) -> Result<(), Problem> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(folder)
        .map_err(|error| path::unwritable(folder, &error))
}
