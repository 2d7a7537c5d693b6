//! The page of known defects: every test that it names is there, and every test made for one of them is named on it.

use std::collections::BTreeSet;
use std::path::Path;

use super::Finding;
use super::documents::{Page, resolve};
use super::source::{self, Kind, Token};
use super::tree::Tree;
use super::workspace::Workspace;

const PAGE: &str = "docs/known-defects.md";
/// The module of a crate's tests that has such tests alone.
const MODULE: &str = "/known_defects.rs";

/// Tests that are not there, rows without a test, and tests without a row.
pub(super) fn check(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let text = tree.text(PAGE).unwrap_or_default();
    let mut found = Vec::new();
    let mut named = BTreeSet::new();
    for link in Page::read(text).links {
        if Path::new(&link.target).extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let Some(path) = resolve(PAGE, &link.target) else { continue };
        let tests = source::tokens(tree.text(&path).unwrap_or_default());
        if !tests_of(&tests).any(|(_, name)| name == link.text) {
            let wrong = format!("`{path}` has no test `{}`", link.text);
            found.push(Finding::new(PAGE, link.line, wrong, "name the test that proves it"));
        }
        named.insert((path, link.text));
    }
    found.extend(rows_without_test(text));
    for (path, text) in tree.with_suffix(MODULE).filter(|(path, _)| path.contains("/tests/it/")) {
        for (line, name) in tests_of(&source::tokens(text)) {
            if !named.contains(&(path.to_owned(), name.to_owned())) {
                let wrong = format!("the test `{name}` is not on the page");
                found.push(Finding::new(path, line, wrong, format!("say in {PAGE} what it proves")));
            }
        }
    }
    found
}

/// Rows of tables that lead to no test.
fn rows_without_test(text: &str) -> Vec<Finding> {
    let mut is_in_body = false;
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let is_row = line.starts_with('|');
        if is_row && is_in_body && !line.contains(".rs)") {
            found.push(Finding::new(PAGE, n + 1, "this row names no test", "name the test that proves it"));
        }
        is_in_body = is_row && (is_in_body || line.starts_with("|--"));
    }
    found
}

/// The tests of a file by name, with their lines.
fn tests_of(tokens: &[Token]) -> impl Iterator<Item = (usize, &str)> {
    let mut is_test = false;
    tokens.iter().enumerate().filter_map(move |(at, token)| {
        let rest = tokens.get(at + 1..).unwrap_or_default();
        match &token.kind {
            Kind::Mark('#') => {
                is_test |= marks_a_test(rest);
                None
            }
            Kind::Word(word) if word == "fn" && std::mem::take(&mut is_test) => {
                let name = rest.first()?;
                Some((name.line, name.word()?))
            }
            _ => None,
        }
    })
}

/// Whether this is what stands behind the mark of `#[test]` or `#[tokio::test]`.
fn marks_a_test(rest: &[Token]) -> bool {
    let is_word = |at: usize, wanted: &str| rest.get(at).and_then(Token::word) == Some(wanted);
    is_word(1, "test") || (is_word(1, "tokio") && is_word(4, "test"))
}
