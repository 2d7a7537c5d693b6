//! The files of the repository, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::{self, Token};
use crate::shell;

/// Every file that git tracks or would track, by its path from the root; text only, binaries have no text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Path to text; empty for a file that is not UTF-8.
    pub(super) files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the checkout at `root`.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut list = shell::git(root);
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let names = shell::output(&mut list)?;
        let mut files = BTreeMap::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let path = root.join(name);
            // A file deleted but not yet committed is still listed.
            if path.is_file() {
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {name}"))?;
                files.insert(name.to_owned(), String::from_utf8(bytes).unwrap_or_default());
            }
        }
        Ok(Self { files })
    }

    /// The text of a file, if there is one.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Files whose name ends so.
    pub(super) fn with_suffix<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let entries = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        entries.filter(move |(path, _)| path.ends_with(suffix))
    }

    /// Whether there is a file, or a folder with files, of this path.
    pub(super) fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
    }

    /// Every Rust file, read.
    pub(super) fn rust(&self) -> impl Iterator<Item = RustFile<'_>> {
        self.with_suffix(".rs").map(|(path, text)| {
            let tokens = source::tokens(text);
            RustFile { path, text, test_lines: source::test_lines(&tokens), tokens }
        })
    }
}

/// A Rust file and what is known of it.
pub(super) struct RustFile<'a> {
    /// Its path from the root.
    pub(super) path: &'a str,
    /// Its text.
    pub(super) text: &'a str,
    /// Its tokens.
    pub(super) tokens: Vec<Token>,
    test_lines: Vec<std::ops::RangeInclusive<usize>>,
}

impl RustFile<'_> {
    /// Whether the whole file is test code, by its place or name.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// Whether this line is test code.
    pub(super) fn is_test_line(&self, line: usize) -> bool {
        self.is_test() || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// The folder name of the crate it belongs to, which is the crate's name.
    pub(super) fn crate_name(&self) -> String {
        let parts: Vec<&str> = self.path.split('/').collect();
        match parts.as_slice() {
            ["crates", name, ..] => (*name).to_owned(),
            [first, ..] => (*first).to_owned(),
            [] => String::new(),
        }
    }
}
