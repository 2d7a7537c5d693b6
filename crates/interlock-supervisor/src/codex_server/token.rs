//! The wake's token, where a thread's MCP server finds it.
//!
//! A thread that is loaded keeps its MCP servers, with the settings they were begun with, over many wakes. So these hold no
//! token: they name a file, which the bridge reads at every request, and in which a token stands only while its wake runs.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use interlock_api::v1::wake::ClaimedWake;
use serde_json::json;

/// The file of this agent in this thread of ours: one Codex thread is bound to each such pair.
pub(crate) fn path(state_dir: &Path, claimed: &ClaimedWake) -> PathBuf {
    super::folder(state_dir).join(format!("{}.{}.json", claimed.wake.agent, claimed.wake.thread_id))
}

/// A token is in its file while this lives.
#[derive(Debug)]
pub(crate) struct Lent {
    path: PathBuf,
}

impl Lent {
    /// Put the wake's token into its file, for this user alone.
    pub(crate) fn new(path: PathBuf, url: &str, token: &str) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(json!({"url": url, "token": token}).to_string().as_bytes())?;
        std::fs::rename(&fresh, &path)?;
        Ok(Self { path })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "token.not_removed");
        }
    }
}

/// Remove what a former life has lent and could not take back.
pub(crate) fn clear(state_dir: &Path) -> io::Result<()> {
    let files = match std::fs::read_dir(super::folder(state_dir)) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for file in files {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "json" || ending == "new") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
