//! Running spectral, which says what is wrong with a description of an HTTP interface.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{npm, shell};

/// It has nothing to say against this document, by the rules in `xtask/contract/spectral.yaml`.
pub(super) fn content(modules: &Path, document: &Path) -> Result<()> {
    let mut spectral = Command::new(npm::node(modules));
    spectral.arg(modules.join("@stoplight/spectral-cli/dist/index.js")).args([
        "lint",
        "--fail-severity",
        "hint",
    ]);
    spectral.arg("--ruleset").arg(shell::root().join("xtask/contract/spectral.yaml"));
    let output =
        spectral.arg(document).stdin(Stdio::null()).output().context("spectral cannot be started")?;
    let (said, noted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "spectral ended with {}:\n{said}{noted}", output.status);
    ensure!(said.contains("No results"), "spectral did not say that it found nothing:\n{said}{noted}");
    Ok(())
}
