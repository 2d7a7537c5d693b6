//! Programs from Python's package index that testers bring: installed once for each list, outside the repository.
//!
//! Each folder below `xtask/pip/` has a list of exact versions with their digests; nothing that is not on it is installed.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{cache, shell};

/// The folder below `xtask/pip/` with schemathesis.
const SCHEMATHESIS: &str = "schemathesis";

/// Whether there is a Python to install with: 3.10 or later, which can make environments.
pub(crate) fn is_there() -> bool {
    let mut ask = Command::new("python3");
    ask.args(["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"]);
    ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// A command that runs schemathesis; installs it when it is not there yet.
pub(crate) fn schemathesis() -> Result<Command> {
    let list = shell::root().join("xtask/pip").join(SCHEMATHESIS).join("requirements.txt");
    let lock = std::fs::read(&list).with_context(|| format!("`{}` cannot be read", list.display()))?;
    let place = cache::installed("pip", SCHEMATHESIS, &lock, |draft| {
        shell::succeed(Command::new("python3").args(["-m", "venv"]).arg(draft))?;
        let mut pip = Command::new(draft.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
        // Wheels alone: building one would run what its package brings.
        pip.args(["--no-deps", "--only-binary", ":all:", "-r"]).arg(&list);
        shell::succeed(&mut pip)
    })?;
    Ok(program(&place))
}

/// As a module: an environment's own scripts name the folder that it was made in.
fn program(place: &Path) -> Command {
    let mut command = Command::new(place.join("bin/python"));
    command.args(["-m", "schemathesis.cli"]);
    command
}

#[cfg(test)]
mod tests {
    use crate::shell;

    #[test]
    fn the_list_has_exact_versions_and_digests_and_no_addresses() {
        let list =
            std::fs::read_to_string(shell::root().join("xtask/pip/schemathesis/requirements.txt")).unwrap();
        let lines = list.lines().filter(|line| !line.starts_with('#'));
        for package in lines.collect::<Vec<_>>().join("\n").replace("\\\n", "").lines() {
            assert!(package.contains("==") && package.contains("--hash=sha256:"), "{package}");
            assert!(!package.contains("://"), "{package}");
        }
        assert!(list.contains("schemathesis=="));
    }
}
