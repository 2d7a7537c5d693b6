//! Programs from npm that tests run: installed once for each lock file, outside the repository.
//!
//! Each folder below `xtask/npm/` is a package of its own with its lock: exact versions and digests, so that what is
//! tested is what was measured. No package's own scripts are run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{cache, shell};

/// A folder below `xtask/npm/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packages {
    /// Codex, Claude Code, Gemini CLI and opencode.
    Agents,
    /// Testers of the server and of its contract, with the Node.js that they need.
    Conformance,
}

impl Packages {
    const fn folder(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Conformance => "conformance",
        }
    }
}

/// Whether there is an npm to install with.
pub(crate) fn is_there() -> bool {
    let mut ask = Command::new("npm");
    ask.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// The folder with the installed packages; installs them when they are not there yet.
pub(crate) fn install(packages: Packages) -> Result<PathBuf> {
    let source = shell::root().join("xtask/npm").join(packages.folder());
    let lock = fs::read(source.join("package-lock.json"))
        .with_context(|| format!("`{}` has no lock file", source.display()))?;
    cache::installed("npm", packages.folder(), &lock, |draft| fill(&source, draft))
}

fn fill(source: &Path, draft: &Path) -> Result<()> {
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), draft.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
    shell::succeed(npm.current_dir(draft))
}

/// The Node.js for this machine, among the testers' packages.
pub(crate) fn node(modules: &Path) -> PathBuf {
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    modules.join(format!("node-linux-{arch}/bin/node"))
}

/// The variables by which tests find the agents' programs.
pub(crate) fn agent_variables(installed: &Path) -> Vec<(&'static str, OsString)> {
    let modules = installed.join("node_modules");
    // The programs themselves, without the scripts around them: signals reach them, and no Node.js is needed.
    let (arch, target) = match std::env::consts::ARCH {
        "aarch64" => ("arm64", "aarch64-unknown-linux-musl"),
        _ => ("x64", "x86_64-unknown-linux-musl"),
    };
    let codex = modules.join(format!("@openai/codex-linux-{arch}/vendor/{target}/bin/codex"));
    let claude = modules.join(format!("@anthropic-ai/claude-code-linux-{arch}/claude"));
    // This one is JavaScript all through.
    let gemini = modules.join("@google/gemini-cli/bundle/gemini.js");
    let opencode = modules.join(format!("opencode-linux-{arch}/bin/opencode"));
    vec![
        ("INTERLOCK_TEST_CODEX", codex.into()),
        ("INTERLOCK_TEST_CLAUDE", claude.into()),
        ("INTERLOCK_TEST_GEMINI", gemini.into()),
        ("INTERLOCK_TEST_OPENCODE", opencode.into()),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Packages, agent_variables};
    use crate::shell;

    #[test]
    fn locks_have_versions_and_digests_and_no_addresses() {
        for packages in [Packages::Agents, Packages::Conformance] {
            let file = shell::root().join("xtask/npm").join(packages.folder()).join("package-lock.json");
            let lock: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            for (name, package) in
                lock["packages"].as_object().unwrap().iter().filter(|(name, _)| !name.is_empty())
            {
                assert!(package["version"].is_string() && package["integrity"].is_string(), "{name}");
                assert!(package.get("resolved").is_none(), "{name}");
            }
        }
    }

    #[test]
    fn programs_are_found_below_the_installation() {
        let found = agent_variables(Path::new("/cache"));
        assert!(found.iter().all(|(name, path)| {
            name.starts_with("INTERLOCK_TEST_") && Path::new(path).starts_with("/cache/node_modules")
        }));
    }
}
