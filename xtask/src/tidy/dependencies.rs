//! Which crate may know which: the layers of the architecture, as a table.

use super::Finding;
use super::source::{self, Kind, Path};
use super::tree::{RustFile, Tree};
use super::workspace::{Dependency, Member, Workspace};

/// A crate of ours and the crates of ours it may need outside tests. `*` is any but those that are for tests only.
const LAYERS: [(&str, &[&str]); 16] = [
    ("interlock-core", &[]),
    ("interlock-ledger", &[]),
    ("interlock-api", &["interlock-core"]),
    ("interlock-store", &["interlock-core", "interlock-ledger"]),
    ("interlock-store-sqlite", &["interlock-core", "interlock-ledger", "interlock-store"]),
    ("interlock-store-postgres", &["interlock-core", "interlock-ledger", "interlock-store"]),
    ("interlock-engine", &["interlock-core", "interlock-ledger", "interlock-store"]),
    ("interlock-server", &["interlock-core", "interlock-api", "interlock-engine"]),
    ("interlock-supervisor", &["interlock-core", "interlock-api"]),
    ("interlock-agents", &["interlock-core", "interlock-api"]),
    ("interlock-checks", &["interlock-core"]),
    ("interlock-scripted-model", &[]),
    ("interlock", &["*"]),
    (
        CONFORMANCE,
        &[
            "interlock-core",
            "interlock-ledger",
            "interlock-store",
            "interlock-store-sqlite",
            "interlock-engine",
            "interlock-server",
        ],
    ),
    (TESTKIT, &["*"]),
    ("xtask", &[]),
];
const TESTKIT: &str = "interlock-testkit";
const CONFORMANCE: &str = "interlock-conformance";
/// Crates that no shipped one may contain.
const FOR_TESTS: [&str; 2] = [TESTKIT, CONFORMANCE];

/// Packages from elsewhere that only some crates may need outside tests.
const OWNED: [(&str, &[&str]); 6] = [
    ("rusqlite", STORES),
    ("tokio-postgres-rustls", STORES),
    ("tokio-postgres", STORES),
    ("deadpool-postgres", STORES),
    ("axum", &["interlock-server"]),
    ("rmcp", &["interlock-server", CONFORMANCE]),
];
const STORES: &[&str] = &["interlock-store-sqlite", "interlock-store-postgres"];

/// Crates that may start processes: agents, git and cargo, the server's own child, and automation.
const SPAWNERS: [&str; 5] = ["interlock-supervisor", "interlock-agents", "interlock", TESTKIT, "xtask"];
const SPAWNING: [&[&str]; 2] = [&["process", "Command"], &["tokio", "process"]];

/// What the rules must not read, since they would no longer be a function of their arguments.
const IMPURE_PATHS: [&[&str]; 7] = [
    &["time", "SystemTime"],
    &["time", "Instant"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
];
const UNORDERED: [&str; 2] = ["HashMap", "HashSet"];

/// Crates without a `default` feature to turn off.
const FEATURELESS: [&str; 2] = ["async-trait", "bytes"];

/// Dependencies against the table, processes started where they must not be, and impure rules.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for member in &workspace.members {
        found.extend(check_member(tree, member));
    }
    for file in tree.rust() {
        found.extend(check_source(&file));
    }
    found
}

fn check_member(tree: &Tree, member: &Member) -> Vec<Finding> {
    let Some((_, layers)) = LAYERS.iter().find(|(name, _)| *name == member.name) else {
        let wrong = format!("crate `{}` has no place in the dependency rule", member.name);
        return vec![Finding::new(
            &member.manifest,
            1,
            wrong,
            "add its row to xtask/src/tidy/dependencies.rs",
        )];
    };
    let mut found = Vec::new();
    for dependency in member.dependencies.iter().filter(|dependency| !dependency.is_dev) {
        let line = manifest_line(tree.text(&member.manifest).unwrap_or_default(), &dependency.name);
        if let Some((wrong, remedy)) = broken_rule(member, layers, dependency) {
            found.push(Finding::new(&member.manifest, line, wrong, remedy));
        }
    }
    found
}

fn broken_rule(member: &Member, layers: &[&str], dependency: &Dependency) -> Option<(String, String)> {
    let (ours, needed) = (member.name.as_str(), dependency.name.as_str());
    if FOR_TESTS.contains(&needed) && ours != TESTKIT {
        return Some((
            format!("`{ours}` needs `{needed}` outside tests"),
            "make it a dev-dependency".to_owned(),
        ));
    }
    let is_ours = LAYERS.iter().any(|(name, _)| *name == needed) || needed.starts_with("interlock-");
    if is_ours && !layers.contains(&needed) && !layers.contains(&"*") {
        let allowed = if layers.is_empty() { "none of our crates".to_owned() } else { layers.join(", ") };
        return Some((format!("`{ours}` may not depend on `{needed}`"), format!("it may need {allowed}")));
    }
    let (_, owners) = OWNED.iter().find(|(package, _)| *package == needed)?;
    let is_owner = owners.contains(&ours) || ours == TESTKIT;
    (!is_owner).then(|| {
        (format!("`{ours}` may not depend on `{needed}`"), format!("only {} may", owners.join(", ")))
    })
}

fn check_source(file: &RustFile<'_>) -> Vec<Finding> {
    let name = file.crate_name();
    let mut found = Vec::new();
    let paths: Vec<Path> = source::paths(&file.tokens);
    let paths = paths.iter().filter(|path| !file.is_test_line(path.line));
    for path in paths {
        let written = path.segments.join("::");
        if !SPAWNERS.contains(&name.as_str()) && SPAWNING.iter().any(|banned| path.names(banned)) {
            let remedy = format!("only {} start processes", SPAWNERS.join(", "));
            found.push(Finding::new(file.path, path.line, format!("`{written}` in `{name}`"), remedy));
        }
        if name == "interlock-core" && IMPURE_PATHS.iter().any(|banned| path.names(banned)) {
            let remedy = "take it as an argument: the rules read no clock, environment, file or socket";
            found.push(Finding::new(file.path, path.line, format!("`{written}` in core"), remedy));
        }
    }
    if name == "interlock-core" {
        found.extend(unordered(file));
    }
    found
}

fn unordered(file: &RustFile<'_>) -> Vec<Finding> {
    let words = file.tokens.iter().filter_map(|token| match &token.kind {
        Kind::Word(word) if UNORDERED.contains(&word.as_str()) => Some((token.line, word)),
        _ => None,
    });
    words
        .filter(|(line, _)| !file.is_test_line(*line))
        .map(|(line, word)| {
            let remedy = "use the BTree kind, whose order is always the same";
            Finding::new(file.path, line, format!("`{word}` in core"), remedy)
        })
        .collect()
}

fn manifest_line(manifest: &str, name: &str) -> usize {
    let names_it = |text: &str| dependency_name(text).is_some_and(|found| found == name);
    manifest.lines().position(names_it).map_or(1, |at| at + 1)
}

fn dependency_name(text: &str) -> Option<&str> {
    let name = text.split(['.', '=', ' ']).next()?;
    (text.contains('=') && !name.is_empty() && !text.starts_with('#')).then_some(name)
}

/// Versions and features of dependencies stand in the root manifest, without default features.
pub(super) fn check_manifests(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, name, entry) in dependency_entries(tree, "Cargo.toml") {
        let is_ours = entry.contains("path =");
        if !is_ours && !FEATURELESS.contains(&name) && !entry.contains("default-features = false") {
            let wrong = format!("`{name}` has its default features");
            found.push(Finding::new(
                "Cargo.toml",
                line,
                wrong,
                "write `default-features = false` and name what is used",
            ));
        }
    }
    for member in &workspace.members {
        for (line, name, entry) in dependency_entries(tree, &member.manifest) {
            if !entry.contains("workspace = true") {
                let wrong = format!("`{name}` is not taken from the workspace's table");
                let remedy = "declare it in the root Cargo.toml and write `workspace = true` here";
                found.push(Finding::new(&member.manifest, line, wrong, remedy));
            }
        }
    }
    found
}

/// The one-line entries of every table of dependencies: line, name, text.
fn dependency_entries<'a>(tree: &'a Tree, manifest: &str) -> Vec<(usize, &'a str, &'a str)> {
    let mut is_inside = false;
    let mut entries = Vec::new();
    for (text, line) in tree.text(manifest).unwrap_or_default().lines().zip(1..) {
        if text.starts_with('[') {
            is_inside = text.contains("dependencies");
        } else if is_inside && let Some(name) = dependency_name(text) {
            entries.push((line, name, text));
        }
    }
    entries
}
