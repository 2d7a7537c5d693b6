//! Running the MCP conformance suite, and reading what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::npm;

/// What the suite found for the requirements of one revision.
pub(super) struct Report {
    /// Every scenario that was run, and whether nothing in it failed.
    scenarios: BTreeMap<String, bool>,
    /// Those that do not count, and why not.
    unscored: BTreeMap<String, String>,
    /// Whether the suite itself is content with all that count.
    pub(super) is_content: bool,
}

impl Report {
    /// The scenarios that pass.
    pub(super) fn passed(&self) -> BTreeSet<String> {
        self.scenarios.iter().filter(|(_, passes)| **passes).map(|(name, _)| name.clone()).collect()
    }

    /// How many of those that count pass, and how many there are.
    pub(super) fn scored(&self) -> (usize, usize) {
        let scored = self.scenarios.iter().filter(|(name, _)| !self.unscored.contains_key(*name));
        scored.fold((0, 0), |(good, all), (_, passes)| (good + usize::from(*passes), all + 1))
    }

    /// What fails, except what is of an extension that a server need not have.
    pub(super) fn failed(&self) -> Vec<&str> {
        let is_core = |name: &str| self.unscored.get(name).is_none_or(|why| why != "extension");
        let failed = self.scenarios.iter().filter(|(name, passes)| !**passes && is_core(name));
        failed.map(|(name, _)| name.as_str()).collect()
    }

    fn read(said: &str, is_content: bool) -> Self {
        let summary = said.split_once("=== SUMMARY ===").map_or("", |(_, rest)| rest);
        let (counted, rest) = summary.split_once("\nTotal:").unwrap_or((summary, ""));
        let scenarios = counted.lines().filter_map(marked);
        let scenarios =
            scenarios.filter_map(|(passes, line)| Some((line.split_once(':')?.0.to_owned(), passes)));
        let unscored = rest.lines().filter_map(marked);
        let unscored = unscored.filter_map(|(_, line)| {
            let (name, why) = line.strip_suffix(')')?.split_once(" (")?;
            Some((name.to_owned(), why.to_owned()))
        });
        Self { scenarios: scenarios.collect(), unscored: unscored.collect(), is_content }
    }
}

/// A line with a tick or a cross, and what follows it.
fn marked(line: &str) -> Option<(bool, &str)> {
    let line = line.trim();
    let good = line.strip_prefix("✓ ").map(|rest| (true, rest));
    good.or_else(|| line.strip_prefix("✗ ").map(|rest| (false, rest)))
}

/// What the suite says of the server at this address. Both its outputs go into files, so that an end without a summary
/// shows why.
pub(super) fn run(modules: &Path, address: &str, revision: &str, folder: &Path) -> Result<Report> {
    let (said, noted) = (folder.join("suite.out"), folder.join("suite.err"));
    let mut suite = Command::new(npm::node(modules));
    suite.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["server", "--url", &format!("http://{address}/mcp"), "--requirements", revision]);
    suite.current_dir(folder).stdin(Stdio::null()).stdout(File::create(&said)?).stderr(File::create(&noted)?);
    let status = suite.status().context("the suite cannot be started")?;
    let (said, noted) = (lossy(&said)?, lossy(&noted)?);
    ensure!(said.contains("=== SUMMARY ==="), "the suite ended with {status} and no summary:\n{said}{noted}");
    Ok(Report::read(&said, status.success()))
}

fn lossy(file: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(file)?).into_owned())
}

/// The scenarios of a list that must pass for this revision.
pub(super) fn listed(list: &str, revision: &str) -> BTreeSet<String> {
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_prefix(revision)).map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Report, listed};

    const SAID: &str = "✓ noise: 1 passed\n=== SUMMARY ===\n✓ ping: 2 passed, 0 failed\n\
                        ✗ tools: 1 passed, 1 failed\n✗ tasks: 0 passed, 1 failed\n✗ later: 0 passed, 1 failed\n\n\
                        Total: 3 passed, 3 failed\n\nNot scored for 2026-07-28: 2 scenario(s) run, 2 failing.\n  \
                        ✗ tasks (extension)\n  ✗ later (pending)\n";

    #[test]
    fn a_summary_is_read_to_its_end() {
        let report = Report::read(SAID, false);
        assert_eq!(report.passed().into_iter().collect::<Vec<_>>(), ["ping"]);
        assert_eq!(report.scored(), (1, 2));
        assert_eq!(report.failed(), ["later", "tools"]);
    }

    #[test]
    fn a_list_has_a_line_for_each_scenario() {
        let list = "# a note\n2025-11-25 ping\n2026-07-28 caching\n";
        assert_eq!(listed(list, "2025-11-25").into_iter().collect::<Vec<_>>(), ["ping"]);
    }
}
