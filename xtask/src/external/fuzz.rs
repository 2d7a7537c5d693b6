//! schemathesis against the shipped program: whatever the description of the HTTP interface allows and forbids is sent,
//! and every answer must be one that the description has.
//!
//! What it may expect beyond its own rules stands in `xtask/contract/schemathesis.toml`, each with the reason.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use super::server::Server;
use crate::{pip, shell};

/// What it found wrong with the shipped program.
pub(super) fn verify(binary: &Path) -> Result<Vec<String>> {
    if !pip::is_there() {
        shell::skip("schemathesis", "there is no Python 3.10 with venv and ensurepip")?;
        return Ok(Vec::new());
    }
    let server = Server::shipped(binary)?;
    let mut schemathesis = pip::schemathesis()?;
    schemathesis.arg("--config-file").arg(shell::root().join("xtask/contract/schemathesis.toml"));
    schemathesis.args(["run", &format!("http://{}/v1/openapi.json", server.host)]);
    schemathesis.env("INTERLOCK_TESTER", &server.token);
    schemathesis.env("INTERLOCK_TESTER_SUPERVISOR", server.issue("supervisor")?);
    schemathesis.current_dir(server.folder.path()).stdin(Stdio::null());
    let output = schemathesis.output().context("schemathesis cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        let cases = said.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
        println!("schemathesis: {}", cases.trim());
        return Ok(Vec::new());
    }
    let noted = String::from_utf8_lossy(&output.stderr);
    Ok(vec![format!("schemathesis ended with {}:\n{said}{noted}", output.status)])
}
