//! Check commands and what they find.
//!
//! A check is a command line. Its words say how its output is read: what cargo prints has a parser each, anything
//! else is judged by its exit code. Only pure functions of text make findings; running is [`Bench`]'s.

mod bench;
mod cargo_json;
mod custom;
mod rustfmt;
mod test_run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

pub use bench::Bench;
pub(crate) use cargo_json::apply;
pub use cargo_json::{Diagnostic, Edit, Suggestions};

use crate::error::WorkError;

/// Findings of one check, at most.
pub const FINDINGS_MAX: usize = 50;

/// Characters of a finding's message, at most.
pub const MESSAGE_CHARS_MAX: usize = 400;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It looks wrong.
    Low,
    /// It may be wrong.
    Medium,
    /// It is wrong.
    High,
}

impl Severity {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Something a check complains about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the top of the repository; empty when there is none.
    pub path: String,
    /// The line, from 1; 0 when there is none.
    pub line: u32,
    /// What it offends against.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
}

impl Finding {
    /// Whether both are the same finding: the line may move.
    pub fn is_same(&self, other: &Self) -> bool {
        self.path == other.path && self.rule == other.rule && self.message == other.message
    }
}

/// How the output of a check is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The formatter.
    Format,
    /// The compiler, or clippy.
    Compile,
    /// The tests.
    Test,
    /// Any other command.
    Custom,
}

/// A check command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The command line as it was given.
    pub command: String,
    /// Its words.
    pub words: Vec<String>,
    /// How its output is read.
    pub kind: Kind,
}

impl Check {
    /// Splits a command line as a POSIX shell splits words; no shell is involved.
    pub fn parse(command: &str) -> Result<Self, WorkError> {
        let bad =
            |detail: &str| WorkError::NotWords { command: command.to_owned(), detail: detail.to_owned() };
        let words = shlex::split(command).ok_or_else(|| bad("a quotation mark is not closed"))?;
        if words.is_empty() {
            return Err(bad("it is empty"));
        }
        let mut leading = words.iter().map(String::as_str).filter(|word| !word.starts_with('+'));
        let kind = match (leading.next(), leading.next()) {
            (Some("cargo"), Some("fmt")) => Kind::Format,
            (Some("cargo"), Some("check" | "build" | "clippy")) => Kind::Compile,
            (Some("cargo"), Some("test" | "t")) => Kind::Test,
            _ => Kind::Custom,
        };
        Ok(Self { command: command.to_owned(), words, kind })
    }

    /// What is run: the words, plus what makes the output readable.
    pub fn arguments(&self) -> Vec<String> {
        let extra: &[&str] = match self.kind {
            Kind::Format => return format_arguments(&self.words),
            Kind::Compile => &["--message-format=json"],
            Kind::Test => &["--no-fail-fast", "--message-format=json"],
            Kind::Custom => &[],
        };
        let given = self.words.get(1..).unwrap_or_default();
        let split = given.iter().position(|word| word == "--").unwrap_or(given.len());
        let (own, passed) = given.split_at(split);
        let missing = extra.iter().filter(|word| !own.iter().any(|given| given == *word));
        own.iter()
            .cloned()
            .chain(missing.map(|&word| word.to_owned()))
            .chain(passed.iter().cloned())
            .collect()
    }

    /// The program it starts.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The rule of findings that belong to no rule of the tool.
    pub fn rule(&self) -> String {
        format!("check:{}", self.command)
    }
}

/// A check of the formatter never changes files, and never colours what it says.
fn format_arguments(words: &[String]) -> Vec<String> {
    let mut arguments: Vec<String> = words.get(1..).unwrap_or_default().to_vec();
    if !arguments.iter().any(|word| word == "--check") {
        let at = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
        arguments.insert(at, "--check".to_owned());
    }
    if !arguments.iter().any(|word| word == "--") {
        arguments.push("--".to_owned());
    }
    arguments.extend(["--color".to_owned(), "never".to_owned()]);
    arguments
}

/// The checks of a repository: those named, else what its kind suggests.
pub fn checks(dir: &Path, named: Option<&[String]>) -> Result<Vec<Check>, WorkError> {
    match named {
        Some(commands) if !commands.is_empty() => {
            commands.iter().map(|command| Check::parse(command)).collect()
        }
        _ if dir.join("Cargo.toml").is_file() => {
            ["cargo fmt --check", "cargo check --all-targets", "cargo test"]
                .into_iter()
                .map(Check::parse)
                .collect()
        }
        _ => Err(WorkError::NoChecks { place: dir.display().to_string() }),
    }
}

/// What one run of a check says.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The command line as it was given.
    pub command: String,
    /// What it complains about.
    pub findings: Vec<Finding>,
    /// Why it did not run, when that is no error.
    pub note: Option<String>,
    /// The tests that passed.
    pub passed: BTreeSet<String>,
    /// The tests that failed.
    pub failed: BTreeSet<String>,
    /// The compiler's ways of mending what it warns about.
    pub suggestions: Vec<Diagnostic>,
}

impl Report {
    /// Whether there is nothing to complain about.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What was printed, with what a reader needs to know about the directory it ran in.
pub(crate) struct Output<'a> {
    pub(crate) check: &'a Check,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: &'a str,
    pub(crate) stderr: &'a str,
    /// The top of the working tree.
    pub(crate) root: &'a Path,
    /// Whether a path, from the top, is a file.
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
}

impl Output<'_> {
    /// A path as findings name it, or none when it is no file of the working tree.
    pub(crate) fn own(&self, path: &str) -> Option<String> {
        let path = Path::new(path);
        let inner = path.strip_prefix(self.root).unwrap_or(path);
        let inner = inner.strip_prefix("./").unwrap_or(inner).to_str()?;
        let inside =
            !inner.is_empty() && !inner.starts_with('/') && !inner.split('/').any(|part| part == "..");
        (inside && (self.exists)(inner)).then(|| inner.to_owned())
    }
}

/// Reads what a check printed.
pub(crate) fn read(output: &Output<'_>) -> Report {
    let mut report = match output.check.kind {
        Kind::Format => rustfmt::read(output),
        Kind::Compile => cargo_json::read(output),
        Kind::Test => test_run::read(output),
        Kind::Custom => custom::read(output),
    };
    report.command.clone_from(&output.check.command);
    if report.findings.is_empty() && report.note.is_none() && output.code != Some(0) {
        report.findings = custom::complain(output);
    }
    let mut seen: Vec<Finding> = Vec::new();
    for mut finding in std::mem::take(&mut report.findings) {
        finding.message = bounded(&finding.message);
        if seen.len() < FINDINGS_MAX && !seen.iter().any(|other| other.is_same(&finding)) {
            seen.push(finding);
        }
    }
    report.findings = seen;
    report
}

/// One line of bounded length.
pub(crate) fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
