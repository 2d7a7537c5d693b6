//! A small crate with a history and three real defects, made from a seed.
//!
//! Exists so that two agents have something honest to work on: no defect is marked anywhere in the files; what
//! [`Sample`] says about them is for tests only. Another seed is another subject, another culprit and another
//! history. Absent on purpose: dependencies (it builds offline), and any reading of the user's git settings.

mod domain;
mod function;
mod history;
mod project;
mod rng;
mod slip;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use history::generate;

/// A generated repository and the truth about its defects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Where it is.
    pub dir: PathBuf,
    /// The name of the crate.
    pub name: String,
    /// The branch that holds the history.
    pub branch: String,
    /// The newest commit.
    pub head: String,
    /// How many commits there are.
    pub commits: usize,
    /// The commit that broke a test.
    pub culprit: Culprit,
    /// Where the compiler warns.
    pub warning: Blemish,
    /// What the formatter would change.
    pub formatting: Blemish,
    /// Every function, for tests that break one more.
    pub functions: Vec<Routine>,
}

/// A commit that broke a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// Its id.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// The file it changed.
    pub path: String,
    /// The function it changed.
    pub function: String,
    /// The test that fails since, with its module path.
    pub test: String,
}

/// A defect at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blemish {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The rule it offends against.
    pub rule: String,
}

/// A function of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routine {
    /// The file it is in.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its test, with the module path.
    pub test: String,
    /// The line of its body that decides, as it is written.
    pub sound: String,
    /// The same line, wrong; equal to `sound` when the function cannot be broken like this.
    pub broken: String,
}

/// The line of a file's text that holds `mark`, from 1; 0 when none does.
fn line_of(text: &str, mark: &str) -> u32 {
    let at = text.lines().position(|line| line.contains(mark)).map_or(0, |index| index + 1);
    u32::try_from(at).unwrap_or(0)
}

/// Where the sample's files are looked for.
fn read(dir: &Path, path: &str) -> Result<String, crate::error::WorkError> {
    let path = dir.join(path);
    std::fs::read_to_string(&path).map_err(|error| crate::error::WorkError::file(&path, "read", &error))
}
