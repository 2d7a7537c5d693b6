//! Files and functions stay short enough to be read in one go.

use super::Finding;
use super::allow::Allowed;
use super::source;
use super::tree::{RustFile, Tree};
use super::workspace::Workspace;

const FILE_LINES_MAX: usize = 800;
const TEST_FILE_LINES_NOTED: usize = 1_000;
const FUNCTION_LINES_MAX: usize = 70;
const ALLOWED: &str = "xtask/allow/long.txt";

/// Files and functions over their cap. Tests are excepted.
pub(super) fn check(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let allowed = Allowed::load(tree, ALLOWED);
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !file.is_test()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX && !allowed.contains(file.path) {
            let wrong = format!("the file has {lines} lines, over {FILE_LINES_MAX}");
            found.push(Finding::new(file.path, 1, wrong, "split it by meaning"));
        }
        found.extend(long_functions(&file, &allowed));
    }
    found.extend(allowed.leftovers());
    found
}

fn long_functions(file: &RustFile<'_>, allowed: &Allowed) -> Vec<Finding> {
    let functions = source::functions(&file.tokens).into_iter();
    functions
        .filter(|function| function.lines > FUNCTION_LINES_MAX && !file.is_test_line(function.line))
        .filter(|function| !allowed.contains(&format!("{}::{}", file.path, function.name)))
        .map(|function| {
            let wrong =
                format!("`{}` has {} lines, over {FUNCTION_LINES_MAX}", function.name, function.lines);
            Finding::new(file.path, function.line, wrong, "split it by meaning")
        })
        .collect()
}

/// Test files that have become very long: worth a look, no failure.
pub(super) fn notes(tree: &Tree) -> Vec<String> {
    let tests = tree.rust().filter(RustFile::is_test).map(|file| (file.path, file.text.lines().count()));
    tests
        .filter(|(_, lines)| *lines > TEST_FILE_LINES_NOTED)
        .map(|(path, lines)| {
            format!("{path}:1: the test file has {lines} lines; consider splitting it by meaning")
        })
        .collect()
}
