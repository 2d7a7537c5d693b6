//! The rules of this repository that no compiler checks, one file per check.
//!
//! Every check reads the same [`Tree`] or [`Workspace`] and returns findings; nothing here writes. The rules are data
//! tables at the head of each file, so that a change of the rules is a change of a row.

mod allow;
mod defects;
mod dependencies;
mod documents;
mod layout;
mod licences;
mod reasons;
mod size;
mod source;
mod spdx;
#[cfg(test)]
mod tests;
mod tree;
mod words;
mod workspace;

use std::fmt;

use anyhow::Result;

use tree::Tree;
use workspace::Workspace;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    wrong: String,
    remedy: String,
}

impl Finding {
    fn new(
        file: impl Into<String>,
        line: usize,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), line, wrong: wrong.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.wrong, self.remedy)
    }
}

/// One check: its name, and what it finds.
type Check = (&'static str, fn(&Tree, &Workspace) -> Vec<Finding>);

const CHECKS: [Check; 10] = [
    ("dependencies", dependencies::check),
    ("manifests", dependencies::check_manifests),
    ("size", size::check),
    ("documents", documents::check),
    ("reasons", reasons::check),
    ("limits", reasons::check_limits),
    ("licences", licences::check),
    ("words", words::check),
    ("layout", layout::check),
    ("defects", defects::check),
];

/// Runs every check and prints what they find; true when they find nothing.
pub(crate) fn run() -> Result<bool> {
    let tree = Tree::load(&crate::shell::root())?;
    let workspace = Workspace::load()?;
    for note in size::notes(&tree).iter().chain(&workspace.notes) {
        println!("note: {note}");
    }
    let mut count = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&tree, &workspace);
        findings.sort();
        findings.dedup();
        for finding in &findings {
            println!("{finding} [{name}]");
        }
        count += findings.len();
    }
    match count {
        0 => println!("tidy: {} files, nothing found", tree.files.len()),
        _ => println!("tidy: {count} findings"),
    }
    Ok(count == 0)
}
