//! What was promised of version 1 still holds: the contract against the frozen one, by two comparisons.
//!
//! `docs/reference/v1/` holds the contract as it was frozen last: the HTTP interface, the MCP tools, and payloads that
//! people may have kept. What is there only grows. The HTTP interface is compared by oasdiff, the tools by [`tools`]; both
//! are first shown broken copies, which they must refuse; [`payloads`] stay as they are. `cargo xtask freeze` freezes what
//! has come since.

mod broken;
mod oasdiff;
mod payloads;
mod shapes;
mod spectral;
mod sunset;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::npm::{self, Packages};
use crate::shell;

/// The generated description of the HTTP interface.
const OPENAPI: &str = "openapi.json";
/// The generated description of the MCP tools.
const TOOLS: &str = "tools.json";

/// The contract as it is, or its frozen part, and nothing else.
struct Contract {
    folder: PathBuf,
}

impl Contract {
    fn now() -> Self {
        Self { folder: shell::root().join("docs/reference") }
    }

    fn frozen() -> Self {
        Self { folder: shell::root().join("docs/reference/v1") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, name: &str) -> Result<Value> {
        let file = self.file(name);
        let text = fs::read_to_string(&file).with_context(|| format!("`{}` is missing", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is no JSON", file.display()))
    }
}

/// Freeze what the contract has now, when everything that was frozen before is still there.
pub(crate) fn freeze() -> Result<ExitCode> {
    ensure!(npm::is_there(), "what is frozen is compared by programs that need npm");
    let modules = npm::install(Packages::Conformance)?.join("node_modules");
    let oasdiff = oasdiff::program(&modules).context("oasdiff is not published for this machine")?;
    let (now, frozen) = (Contract::now(), Contract::frozen());
    if frozen.folder.is_dir() {
        let lost = lost(&oasdiff, &now, &frozen)?;
        ensure!(
            lost.is_empty(),
            "{}\nwhat is frozen is not taken back; see docs/compatibility.md",
            lost.join("\n")
        );
    }
    fs::create_dir_all(&frozen.folder)?;
    for name in [OPENAPI, TOOLS] {
        fs::copy(now.file(name), frozen.file(name)).with_context(|| format!("`{name}` cannot be frozen"))?;
    }
    for (kind, files) in payloads::KINDS {
        payloads::freeze(&shell::root().join(files), &frozen.folder.join(kind))?;
    }
    println!("frozen: {}", frozen.folder.display());
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the contract: in itself, and against what is frozen.
pub(crate) fn verify(modules: &Path) -> Result<Vec<String>> {
    let (now, frozen) = (Contract::now(), Contract::frozen());
    spectral::content(modules, &now.file(OPENAPI))?;
    println!("spectral: nothing found");
    let Some(oasdiff) = oasdiff::program(modules) else {
        shell::skip("oasdiff", "it is not published for this machine")?;
        return Ok(Vec::new());
    };
    are_awake(&oasdiff, &frozen)?;
    let lost = lost(&oasdiff, &now, &frozen)?;
    if lost.is_empty() {
        println!("oasdiff, tools and payloads: everything frozen is still there");
    }
    Ok(lost)
}

/// What is frozen and no longer holds.
fn lost(oasdiff: &Path, now: &Contract, frozen: &Contract) -> Result<Vec<String>> {
    let today = sunset::today();
    let mut lost = lost_of_http(oasdiff, &frozen.read(OPENAPI)?, &now.read(OPENAPI)?, &today)?;
    lost.extend(tools::breaking(&frozen.read(TOOLS)?, &now.read(TOOLS)?, &today));
    for name in [OPENAPI, TOOLS] {
        lost.extend(shapes::closed(&now.read(name)?));
    }
    for (kind, files) in payloads::KINDS {
        lost.extend(payloads::lost(&shell::root().join(files), &frozen.folder.join(kind))?);
    }
    Ok(lost)
}

/// The same of the HTTP interface.
fn lost_of_http(oasdiff: &Path, frozen: &Value, now: &Value, today: &str) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let (before, after) = (folder.path().join("frozen.json"), folder.path().join(OPENAPI));
    let promised = shapes::opened(&sunset::remaining(frozen, today));
    fs::write(&before, shapes::titled(&promised).to_string())?;
    fs::write(&after, shapes::titled(now).to_string())?;
    let mut lost = oasdiff::breaking(oasdiff, &before, &after)?;
    lost.extend(sunset::sooner(frozen, now));
    Ok(lost)
}

/// Both comparisons tell a contract that was broken from one that has grown.
fn are_awake(oasdiff: &Path, frozen: &Contract) -> Result<()> {
    let (http, mcp, today) = (frozen.read(OPENAPI)?, frozen.read(TOOLS)?, sunset::today());
    for change in broken::changes() {
        let ((http, changed_http), (mcp, changed_mcp)) = (change.of_http(&http)?, change.of_tools(&mcp)?);
        let found = [
            lost_of_http(oasdiff, &http, &changed_http, &today)?,
            tools::breaking(&mcp, &changed_mcp, &today),
        ];
        for found in found {
            if found.is_empty() == change.breaks {
                bail!("a contract {} was taken for {}: {found:?}", change.name, change.mistaken());
            }
        }
    }
    Ok(())
}
