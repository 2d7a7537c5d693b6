//! One integration test binary per crate, and no test file that nobody compiles.

use std::collections::BTreeSet;

use super::Finding;
use super::documents::resolve;
use super::source::{self, ModuleLine};
use super::tree::Tree;
use super::workspace::{Member, Workspace};

/// Further test binaries, and test files that no `mod` line reaches.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for member in &workspace.members {
        let folder = member.manifest.strip_suffix("Cargo.toml").unwrap_or_default();
        found.extend(stray_binaries(member, folder));
        found.extend(forgotten_files(tree, folder));
    }
    found
}

fn stray_binaries(member: &Member, folder: &str) -> Vec<Finding> {
    let only = format!("{folder}tests/it/main.rs");
    let stray = member.test_roots.iter().filter(|root| **root != only);
    stray
        .map(|root| {
            let remedy = format!("make it a module of {only}");
            Finding::new(root, 1, "a second test binary costs a second link", remedy)
        })
        .collect()
}

fn forgotten_files(tree: &Tree, folder: &str) -> Vec<Finding> {
    let tests = format!("{folder}tests/it/");
    let root = format!("{tests}main.rs");
    let mut reached = BTreeSet::new();
    reach(tree, &root, &mut reached);
    let files = tree.with_suffix(".rs").filter(|(path, _)| path.starts_with(&tests));
    files
        .filter(|(path, _)| !reached.contains(*path))
        .map(|(path, _)| {
            Finding::new(path, 1, "no `mod` line leads to this test file", format!("name it in {root}"))
        })
        .collect()
}

fn reach(tree: &Tree, path: &str, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else { return };
    if reached.insert(path.to_owned()) {
        for module in source::module_lines(&source::tokens(text)) {
            for file in module_files(path, &module) {
                reach(tree, &file, reached);
            }
        }
    }
}

/// Where `mod name;` in the file `path` may lead.
fn module_files(path: &str, module: &ModuleLine) -> Vec<String> {
    if let Some(file) = &module.path {
        return resolve(path, file).into_iter().collect();
    }
    let owns_folder = path.ends_with("/main.rs") || path.ends_with("/mod.rs") || path.ends_with("/lib.rs");
    let folder = if owns_folder {
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    } else {
        path.strip_suffix(".rs").unwrap_or(path)
    };
    let name = &module.name;
    vec![format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
}
