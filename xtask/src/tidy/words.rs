//! Words that do not belong in the repository: unfinished work and merges, this or that machine, sleeping tests.

use super::Finding;
use super::allow::Allowed;
use super::source;
use super::tree::{RustFile, Tree};
use super::workspace::Workspace;

/// Files that package managers write, hosts and all.
const LOCKS: [&str; 2] = [".lock", "package-lock.json"];
const ALLOWED_SLEEPS: &str = "xtask/allow/sleep.txt";

/// How a word must stand to count.
#[derive(Clone, Copy)]
enum Place {
    /// Anywhere.
    Anywhere,
    /// Not as part of a longer word.
    Whole,
    /// As the beginning of an absolute path, with a name after it.
    Path,
    /// At the beginning of a line.
    Line,
}

/// A word, where it must stand, the files it is looked for in, and what to do about it.
struct Rule {
    word: &'static str,
    place: Place,
    files: &'static [&'static str],
    remedy: &'static str,
}

const fn rule(
    word: &'static str,
    place: Place,
    files: &'static [&'static str],
    remedy: &'static str,
) -> Rule {
    Rule { word, place, files, remedy }
}

const PROSE: &[&str] = &[".rs", ".md"];
const RUST: &[&str] = &[".rs"];
const ANY: &[&str] = &[""];
const FINISH: &str = "finish it, or say in the documents that it is absent";
const PORTABLE: &str = "use a path from the repository, the instance folder or a temporary folder";
const MERGE: &str = "decide between the sides of the merge";
const NO_HOST: &str = "leave the choice of registry to the machine";

// In two pieces each, or this file would be the first to break its rules.
const RULES: [Rule; 16] = [
    rule(concat!("TO", "DO"), Place::Whole, PROSE, FINISH),
    rule(concat!("FI", "XME"), Place::Whole, PROSE, FINISH),
    rule(concat!("XX", "X"), Place::Whole, PROSE, FINISH),
    rule(concat!("to", "do!"), Place::Whole, RUST, FINISH),
    rule(concat!("un", "implemented!"), Place::Whole, RUST, FINISH),
    rule(concat!("#[", "ignore"), Place::Anywhere, RUST, "make the test real, or delete it"),
    rule(concat!("/ro", "ot/"), Place::Path, ANY, PORTABLE),
    rule(concat!("/wo", "rk/"), Place::Path, ANY, PORTABLE),
    rule(concat!("/ho", "me/"), Place::Path, ANY, PORTABLE),
    rule(concat!("crates.", "io"), Place::Anywhere, ANY, NO_HOST),
    rule(concat!("registry.", "npmjs"), Place::Anywhere, ANY, NO_HOST),
    rule(concat!("pypi.", "org"), Place::Anywhere, ANY, NO_HOST),
    rule(concat!("deb.", "debian.org"), Place::Anywhere, ANY, NO_HOST),
    rule(concat!("<<<<", "<<< "), Place::Line, ANY, MERGE),
    rule(concat!("||||", "||| "), Place::Line, ANY, MERGE),
    rule(concat!(">>>>", ">>> "), Place::Line, ANY, MERGE),
];

const SLEEPS: [&[&str]; 2] = [&["thread", "sleep"], &["time", "sleep"]];

/// Lines with such words, and tests that sleep.
pub(super) fn check(tree: &Tree, _: &Workspace) -> Vec<Finding> {
    let mut found = Vec::new();
    let files = tree.files.iter().filter(|(path, _)| !is_lock(path));
    for (path, text) in files {
        let rules = RULES.iter().filter(|rule| rule.files.iter().any(|suffix| path.ends_with(suffix)));
        for rule in rules {
            let lines = text.lines().zip(1..).filter(|(line, _)| occurs(line, rule));
            found.extend(lines.map(|(_, line)| {
                Finding::new(path, line, format!("`{}` does not belong here", rule.word), rule.remedy)
            }));
        }
    }
    found.extend(sleeping_tests(tree));
    found
}

fn is_lock(path: &str) -> bool {
    LOCKS.iter().any(|suffix| path.ends_with(suffix))
}

fn occurs(line: &str, rule: &Rule) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(rule.word).any(|(at, word)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        match rule.place {
            Place::Anywhere => true,
            Place::Line => at == 0,
            Place::Whole => {
                !before.is_some_and(in_word) && (word.ends_with('!') || !after.is_some_and(in_word))
            }
            Place::Path => {
                !before.is_some_and(|c| in_word(c) || "./-~}>$*".contains(c)) && after.is_some_and(in_word)
            }
        }
    })
}

fn sleeping_tests(tree: &Tree) -> Vec<Finding> {
    let allowed = Allowed::load(tree, ALLOWED_SLEEPS);
    let mut found = Vec::new();
    for file in tree.rust() {
        let lines = sleeping_lines(&file);
        if !lines.is_empty() && !allowed.contains(file.path) {
            let remedy = "use the virtual clock, or wait on a condition";
            found
                .extend(lines.into_iter().map(|line| Finding::new(file.path, line, "a test sleeps", remedy)));
        }
    }
    found.extend(allowed.leftovers());
    found
}

fn sleeping_lines(file: &RustFile<'_>) -> Vec<usize> {
    let paths = source::paths(&file.tokens).into_iter();
    paths
        .filter(|path| file.is_test_line(path.line) && SLEEPS.iter().any(|sleep| path.names(sleep)))
        .map(|path| path.line)
        .collect()
}
