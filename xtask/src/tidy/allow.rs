//! Shrinking lists of exceptions: `<key> <reason>` a line, `#` for comments.
//!
//! An entry without a reason is a finding, and so is an entry that nothing needs any more.

use std::cell::Cell;

use super::Finding;
use super::tree::Tree;

/// One list.
pub(super) struct Allowed {
    path: &'static str,
    entries: Vec<Entry>,
}

struct Entry {
    line: usize,
    key: String,
    has_reason: bool,
    is_needed: Cell<bool>,
}

impl Allowed {
    /// Reads the list at `path`; a missing file is an empty list.
    pub(super) fn load(tree: &Tree, path: &'static str) -> Self {
        let lines = tree.text(path).unwrap_or_default().lines().zip(1..);
        let lines = lines.filter(|(text, _)| !text.trim().is_empty() && !text.starts_with('#'));
        let entry = |(text, line): (&str, usize)| {
            let (key, reason) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
            Entry {
                line,
                key: key.to_owned(),
                has_reason: !reason.trim().is_empty(),
                is_needed: Cell::new(false),
            }
        };
        Self { path, entries: lines.map(entry).collect() }
    }

    /// Whether the list has this key; marks its entry as needed.
    pub(super) fn contains(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.inspect(|entry| entry.is_needed.set(true)).is_some()
    }

    /// Entries without a reason, and entries that nothing asked for.
    pub(super) fn leftovers(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for entry in &self.entries {
            let key = &entry.key;
            if !entry.is_needed.get() {
                let wrong = format!("`{key}` needs no exception any more");
                found.push(Finding::new(self.path, entry.line, wrong, "delete this line"));
            }
            if !entry.has_reason {
                let wrong = format!("the exception for `{key}` has no reason");
                found.push(Finding::new(self.path, entry.line, wrong, "write why after it"));
            }
        }
        found
    }
}
