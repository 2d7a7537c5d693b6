//! Git as a program, for preparing and handing over.

use std::path::Path;
use std::process::{Command, Stdio};

use interlock_api::Problem;
use interlock_core::Reason;

/// Run git in a folder and give what it printed, without the line end. Hooks of the repository are not run.
///
/// # Errors
/// `NOT_A_REPOSITORY` with git's own words.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Result<String, Problem> {
    let output = Command::new("git")
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|error| {
            Problem::new(Reason::CheckNotRunnable, &format!("git cannot be started: {error}"), "")
                .hint("install git")
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let detail = format!("git {} in {}: {}", arguments.join(" "), folder.display(), said.trim());
    Err(Problem::new(Reason::NotARepository, &detail, ""))
}
