//! Testers from outside: the MCP conformance suite for both protocol eras, the inspector's look at what tools say of
//! themselves, and schemathesis, which sends the HTTP interface whatever its description allows and forbids.
//!
//! The servers run as they always do, with authentication on; the suite can send no token, so a small [`proxy`] adds one.
//! First the shipped program. Which scenarios must pass stands in `xtask/npm/conformance/must-pass.txt`: one that fails
//! is a failure, and so is one that passes without standing there, because then the list is stale. The others need
//! fixtures, tools and prompts of the suite's own making, which a product does not have. Then the same stack with those
//! fixtures beside the product's tools (`interlock-conformance`): there nothing may fail.

mod fuzz;
mod proxy;
mod server;
mod suite;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use serde_json::Value;

use crate::npm::{self, Packages};
use crate::{contract, shell};
use proxy::Proxy;
use server::Server;

/// The protocol's revisions, each with how many scenarios the suite counts for it.
const REVISIONS: [(&str, usize); 2] = [("2025-11-25", 30), ("2026-07-28", 37)];
/// The eras as the inspector calls them.
const ERAS: [&str; 2] = ["legacy", "modern"];

/// Build the programs and let the testers at them.
pub(crate) fn run() -> Result<ExitCode> {
    if !npm::is_there() {
        return shell::skip("verify-external", "there is no npm").map(|()| ExitCode::SUCCESS);
    }
    shell::succeed(&mut shell::cargo(["build", "-p", "interlock", "-p", "interlock-conformance"]))?;
    verify(&debug_build("interlock")?, &debug_build("interlock-conformance")?)?;
    Ok(ExitCode::SUCCESS)
}

/// Where cargo puts a program of ours.
pub(crate) fn debug_build(name: &str) -> Result<PathBuf> {
    let metadata =
        MetadataCommand::new().cargo_path(shell::cargo_path()).current_dir(shell::root()).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf().join("debug").join(name))
}

/// Let the testers at the shipped program, and at the one with the fixtures.
pub(crate) fn verify(shipped: &Path, with_fixtures: &Path) -> Result<()> {
    let modules = npm::install(Packages::Conformance)?.join("node_modules");
    let mut wrong = contract::verify(&modules)?;
    wrong.extend(fuzz::verify(shipped)?);
    wrong.extend(verify_shipped(&modules, shipped)?);
    wrong.extend(verify_fixtures(&modules, with_fixtures)?);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"))
}

/// What is wrong with the shipped program.
fn verify_shipped(modules: &Path, binary: &Path) -> Result<Vec<String>> {
    let server = Server::shipped(binary)?;
    let proxy = Proxy::start(&server.host, &server.token)?;
    let list = fs::read_to_string(shell::root().join("xtask/npm/conformance/must-pass.txt"))?;
    let mut wrong = Vec::new();
    for (revision, _) in REVISIONS {
        let passed = suite::run(modules, proxy.address(), revision, server.folder.path())?.passed();
        let wanted = suite::listed(&list, revision);
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
        let tools = inspect(modules, &server, era)?;
        sees_refusals(modules, &server, era)?;
        println!("inspector, {era} era: {tools} tools, nothing found");
    }
    Ok(wrong)
}

/// What is wrong with the stack with the fixtures. Nothing that counts may fail, nor anything else but of an extension.
fn verify_fixtures(modules: &Path, binary: &Path) -> Result<Vec<String>> {
    let server = Server::with_fixtures(binary)?;
    let proxy = Proxy::start(&server.host, &server.token)?;
    let mut wrong = Vec::new();
    for (revision, expected) in REVISIONS {
        let report = suite::run(modules, proxy.address(), revision, server.folder.path())?;
        let (good, all) = report.scored();
        println!("conformance {revision} with fixtures: {good} of {all} scored scenarios pass");
        wrong.extend(report.failed().iter().map(|name| format!("{revision} {name} fails with its fixtures")));
        if all != expected {
            wrong.push(format!("{revision} has {all} scored scenarios and not {expected}"));
        }
        if !report.is_content && good == all {
            wrong.push(format!("{revision}: the suite is not content, and no scenario says why"));
        }
    }
    Ok(wrong)
}

/// The inspector as a client in this era.
fn inspector(modules: &Path, server: &Server, era: &str) -> Command {
    let mut inspector = Command::new(npm::node(modules));
    inspector.arg(modules.join(".bin/mcp-inspector"));
    inspector.args(["--cli", "--server-url", &format!("http://{}/mcp", server.host), "--transport", "http"]);
    inspector.args(["--header", &format!("Authorization: Bearer {}", server.token), "--protocol-era", era]);
    inspector.args(["--format", "json"]);
    inspector.env("MCP_CATALOG_PATH", server.folder.path().join("catalog")).stdin(Stdio::null());
    inspector
}

/// It checks answers against their schemas, and still sees why a call was refused.
fn sees_refusals(modules: &Path, server: &Server, era: &str) -> Result<()> {
    let mut inspector = inspector(modules, server, era);
    inspector.args(["--method", "tools/call", "--tool-name", "get_thread", "--tool-arg", "thread_id=none"]);
    let output = inspector.output().context("the inspector cannot be started")?;
    let (said, noted) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(said.contains("PARAMETER_INVALID"), "the inspector does not see a refusal:\n{said}{noted}");
    Ok(())
}

/// How many tools the inspector lists, when it has nothing to say against any.
fn inspect(modules: &Path, server: &Server, era: &str) -> Result<usize> {
    let mut inspector = inspector(modules, server, era);
    inspector.args(["--strict", "--method", "tools/list"]);
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
