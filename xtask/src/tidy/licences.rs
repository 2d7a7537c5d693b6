//! Every package we build on may be used under a licence we accept.

use super::Finding;
use super::spdx;
use super::tree::Tree;
use super::workspace::Workspace;

const ACCEPTED: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "blessing",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Zlib",
];

/// Packages whose licence cannot be satisfied from the accepted ones.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &workspace.third_party {
        let wrong = match package.licence.as_deref().map(|text| (text, spdx::is_satisfied(text, &ACCEPTED))) {
            Some((_, Some(true))) => continue,
            Some((text, Some(false))) => format!("its licence `{text}` is not accepted"),
            Some((text, None)) => format!("its licence `{text}` is no SPDX expression"),
            None => "it names no licence".to_owned(),
        };
        let wrong = format!("package `{} {}`: {wrong}", package.name, package.version);
        let line = locked_line(tree, &package.name, &package.version);
        found.push(Finding::new("Cargo.lock", line, wrong, "use another package"));
    }
    found
}

fn locked_line(tree: &Tree, name: &str, version: &str) -> usize {
    let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    lock.split_once(&entry).map_or(1, |(before, _)| before.lines().count() + 1)
}
