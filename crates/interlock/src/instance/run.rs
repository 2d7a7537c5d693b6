//! `run.json`: what a running server says of itself to the commands beside it.

use std::io::ErrorKind;
use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::time::Timestamp;

/// A running server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Run {
    /// Its process.
    pub(crate) pid: u32,
    /// Its address.
    pub(crate) url: String,
    /// The address of its MCP endpoint.
    pub(crate) mcp_url: String,
    /// When it started.
    pub(crate) started_at: Timestamp,
}

impl Run {
    /// Read the file; `None` when there is none.
    ///
    /// # Errors
    /// `INSTANCE_INVALID` when it is broken.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, Problem> {
        let wrong = |cause: String| {
            let detail = format!("`{}` {cause}", file.display());
            Problem::new(Reason::InstanceInvalid, &detail, "").hint("start the server again: interlock up")
        };
        match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| wrong(format!("is no description of a running server: {error}"))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(super::path::cause(&error))),
        }
    }

    /// Whether its process is there. `false` is certain only on the machine that it runs on.
    pub(crate) fn is_alive(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }
}
