//! Testers from outside against the shipped program: the MCP conformance suite for both protocol eras, and the inspector's
//! look at what tools say of themselves.
//!
//! The server runs as it always does, with authentication on; the suite can send no token, so a small [`proxy`] adds one.
//! Which scenarios must pass stands in `xtask/npm/conformance/must-pass.txt`: one that fails is a failure, and so is one
//! that passes without standing there, because then the list is stale. The others need fixtures, tools and prompts of
//! the suite's own making, which a product does not have.

mod proxy;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use serde_json::Value;
use tempfile::TempDir;

use crate::npm::{self, Packages};
use crate::shell;
use proxy::Proxy;

/// The protocol's revisions, each with the suite's requirements for it.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];
/// The eras as the inspector calls them.
const ERAS: [&str; 2] = ["legacy", "modern"];

/// Build the program and let the testers at it.
pub(crate) fn run() -> Result<ExitCode> {
    if !npm::is_there() {
        ensure!(std::env::var_os("CI").is_none_or(|value| value != "true"), "the outside testers need npm");
        println!("SKIP verify-external: there is no npm");
        return Ok(ExitCode::SUCCESS);
    }
    shell::succeed(&mut shell::cargo(["build", "-p", "interlock"]))?;
    let metadata =
        MetadataCommand::new().cargo_path(shell::cargo_path()).current_dir(shell::root()).no_deps().exec()?;
    let binary = metadata.target_directory.into_std_path_buf().join("debug/interlock");
    verify(&binary)?;
    Ok(ExitCode::SUCCESS)
}

/// Let the testers at this program.
pub(crate) fn verify(binary: &Path) -> Result<()> {
    let modules = npm::install(Packages::Conformance)?.join("node_modules");
    let server = Server::start(binary)?;
    let proxy = Proxy::start(&server.host, &server.token)?;
    let list = fs::read_to_string(shell::root().join("xtask/npm/conformance/must-pass.txt"))?;
    let mut wrong = Vec::new();
    for revision in REVISIONS {
        let said = conformance(&modules, proxy.address(), revision, server.folder.path())?;
        let (wanted, passed) = (listed(&list, revision), passed(&said));
        println!(
            "conformance {revision}: {} of {} wanted scenarios pass",
            wanted.intersection(&passed).count(),
            wanted.len()
        );
        wrong.extend(wanted.difference(&passed).map(|name| format!("{revision} {name} does not pass")));
        wrong.extend(
            passed.difference(&wanted).map(|name| format!("{revision} {name} passes and is not listed")),
        );
    }
    for era in ERAS {
        let tools = inspect(&modules, &server, era)?;
        println!("inspector, {era} era: {tools} tools, nothing found");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"))
}

/// A server on a throw-away instance; it ends with this.
struct Server {
    child: Child,
    host: String,
    token: String,
    folder: TempDir,
}

impl Server {
    fn start(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let interlock = |words: &[&str]| {
            let mut command = Command::new(binary);
            command.args(words).current_dir(folder.path());
            command
        };
        shell::output(&mut interlock(&["init", "--json"]))?;
        let mut up =
            interlock(&["up", "--json", "--server-only", "--listen", "127.0.0.1:0", "--until-stdin-closes"]);
        let mut child = up.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the server is not ready")?;
        let url = ready.get("url").and_then(Value::as_str).context("the server names no address")?.to_owned();
        let said = shell::output(&mut interlock(&[
            "token", "issue", "--json", "--name", "tester", "--role", "operator",
        ]))?;
        let issued: Value = serde_json::from_str(&said)?;
        let token = issued.get("token").and_then(Value::as_str).context("no token was issued")?.to_owned();
        Ok(Self { child, host: url.trim_start_matches("http://").to_owned(), token, folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends with its standard input; whatever became of it, nobody is waited for any longer.
        drop(self.child.wait());
    }
}

/// The programs for this machine.
fn node(modules: &Path) -> PathBuf {
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    modules.join(format!("node-linux-{arch}/bin/node"))
}

/// What the suite says of these requirements. It ends with 1 when anything fails, as what needs fixtures does.
fn conformance(modules: &Path, address: &str, revision: &str, folder: &Path) -> Result<String> {
    let mut suite = Command::new(node(modules));
    suite.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["server", "--url", &format!("http://{address}/mcp"), "--requirements", revision]);
    let output =
        suite.current_dir(folder).stdin(Stdio::null()).output().context("the suite cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        said.contains("=== SUMMARY ==="),
        "the suite ended with {} and no summary:\n{said}",
        output.status
    );
    Ok(said)
}

/// How many tools the inspector lists, when it has nothing to say against any.
fn inspect(modules: &Path, server: &Server, era: &str) -> Result<usize> {
    let mut inspector = Command::new(node(modules));
    inspector.arg(modules.join(".bin/mcp-inspector"));
    inspector.args(["--cli", "--server-url", &format!("http://{}/mcp", server.host), "--transport", "http"]);
    inspector.args(["--header", &format!("Authorization: Bearer {}", server.token), "--protocol-era", era]);
    inspector.args(["--strict", "--method", "tools/list", "--format", "json"]);
    inspector.env("MCP_CATALOG_PATH", server.folder.path().join("catalog")).stdin(Stdio::null());
    let output = inspector.output().context("the inspector cannot be started")?;
    let (said, noted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "the inspector ended with {}:\n{said}{noted}", output.status);
    ensure!(!noted.to_lowercase().contains("warning"), "the inspector complains:\n{noted}");
    let last =
        said.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default();
    let tools =
        ["/result/tools", "/tools"].iter().find_map(|place| last.pointer(place)?.as_array()).map(Vec::len);
    tools.filter(|count| *count > 0).with_context(|| format!("the inspector lists no tools:\n{said}"))
}

/// The scenarios of a list that must pass for this revision.
fn listed(list: &str, revision: &str) -> BTreeSet<String> {
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_prefix(revision)).map(|name| name.trim().to_owned()).collect()
}

/// The scenarios of a summary that pass.
fn passed(said: &str) -> BTreeSet<String> {
    let summary = said.split_once("=== SUMMARY ===").map_or("", |(_, rest)| rest);
    let summary = summary.split_once("\nTotal:").map_or(summary, |(lines, _)| lines);
    let good = summary.lines().filter_map(|line| line.trim().strip_prefix("✓ "));
    good.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{listed, passed};

    #[test]
    fn a_summary_is_read_to_its_total() {
        let said = "✓ noise: 1 passed\n=== SUMMARY ===\n✓ ping: 2 passed, 0 failed\n✗ tools: 1 passed, 1 failed\n\nTotal: 3\n  ✓ later (pending)\n";
        assert_eq!(passed(said).into_iter().collect::<Vec<_>>(), ["ping"]);
    }

    #[test]
    fn a_list_has_a_line_for_each_scenario() {
        let list = "# a note\n2025-11-25 ping\n2026-07-28 caching\n";
        assert_eq!(listed(list, "2025-11-25").into_iter().collect::<Vec<_>>(), ["ping"]);
    }
}
