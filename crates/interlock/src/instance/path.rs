//! Paths of people: relative, missing, no folder, in a circle; each with a sentence of its own.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_core::Reason;

/// The working directory, which may have been removed.
///
/// # Errors
/// `INSTANCE_INVALID`.
pub(crate) fn working_directory() -> Result<PathBuf, Problem> {
    std::env::current_dir().map_err(|error| {
        let detail = format!("the working directory is not there any more: {}", cause(&error));
        Problem::new(Reason::InstanceInvalid, &detail, "").hint("change into a folder that exists")
    })
}

/// An existing folder as an absolute path without symbolic links.
///
/// # Errors
/// `INSTANCE_INVALID`.
pub(crate) fn existing_folder(path: &Path) -> Result<PathBuf, Problem> {
    let full = std::fs::canonicalize(path).map_err(|error| unusable(path, &error))?;
    match std::fs::metadata(&full) {
        Ok(metadata) if metadata.is_dir() => Ok(full),
        Ok(_) => Err(unusable(path, &Error::from(ErrorKind::NotADirectory))),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Whether something is there, be it a symbolic link that leads nowhere.
///
/// # Errors
/// `INSTANCE_INVALID` when that cannot be told.
pub(crate) fn is_there(path: &Path) -> Result<bool, Problem> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// The folder that a path lies in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The problem of a path that cannot be used as an instance.
pub(crate) fn unusable(path: &Path, error: &Error) -> Problem {
    let detail = format!("`{}` {}", path.display(), cause(error));
    Problem::new(Reason::InstanceInvalid, &detail, "").hint("name an existing folder that you may read")
}

/// The problem of a path that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &Error) -> Problem {
    let detail = format!("`{}` cannot be written: it {}", path.display(), cause(error));
    Problem::new(Reason::PathUnwritable, &detail, "")
        .hint("name a place that exists and that you may write to")
}

/// What is wrong with a path, as the end of a sentence.
pub(crate) fn cause(error: &Error) -> String {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return "leads through symbolic links in a circle".into();
    }
    match error.kind() {
        ErrorKind::NotFound => "does not exist".into(),
        ErrorKind::NotADirectory => "is not a folder, or leads through a file".into(),
        ErrorKind::IsADirectory => "is a folder".into(),
        ErrorKind::PermissionDenied => "is closed to you".into(),
        ErrorKind::ReadOnlyFilesystem => "is on a disk that is mounted read-only".into(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "is on a disk that is full".into(),
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => "is no possible path".into(),
        _ => format!("cannot be used: {error}"),
    }
}
