//! Reads the compiler's JSON, with the suggestions it is sure about.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Finding, Output, Report, Severity};

/// A replacement of some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// First byte that goes.
    pub start: usize,
    /// First byte that stays.
    pub end: usize,
    /// What comes instead.
    pub text: String,
}

/// Replacements by file.
pub type Suggestions = BTreeMap<String, Vec<Edit>>;

/// A complaint of the compiler that it knows how to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it complains about.
    pub finding: Finding,
    /// The replacements that mend it.
    pub edits: Suggestions,
}

#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "message")]
    text: String,
    level: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Message>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    byte_start: usize,
    byte_end: usize,
    is_primary: bool,
    suggested_replacement: Option<String>,
    suggestion_applicability: Option<String>,
}

/// Whether a line can matter: the lists of built files are long and say nothing.
pub(crate) fn keep(line: &[u8]) -> bool {
    !line.starts_with(b"{\"reason\":\"compiler-artifact\"")
        && !line.starts_with(b"{\"reason\":\"build-script")
}

/// Reads `cargo check --message-format=json` and its likes.
pub(super) fn read(output: &Output<'_>) -> Report {
    let mut report = Report::default();
    for message in messages(output.stdout) {
        if let Some(finding) = finding(output, &message) {
            let edits = edits(output, &message);
            if !edits.is_empty() {
                report.suggestions.push(Diagnostic { finding: finding.clone(), edits });
            }
            report.findings.push(finding);
        }
    }
    report
}

/// The complaints among the lines that are errors.
pub(super) fn errors(output: &Output<'_>) -> Vec<Finding> {
    let found = messages(output.stdout).filter(|message| message.level.starts_with("error"));
    found.filter_map(|message| finding(output, &message)).collect()
}

fn messages(stdout: &str) -> impl Iterator<Item = Message> {
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    let parsed = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    parsed.filter(|line| line.reason == "compiler-message").filter_map(|line| line.message)
}

fn finding(output: &Output<'_>, message: &Message) -> Option<Finding> {
    let severity = match message.level.as_str() {
        "warning" => Severity::Medium,
        level if level.starts_with("error") => Severity::High,
        _ => return None,
    };
    // Sums at the end ("2 warnings emitted") belong to no place and no rule.
    let span = message.spans.iter().find(|span| span.is_primary)?;
    let path = output.own(&span.file_name)?;
    let rule = message.code.as_ref().map_or_else(|| message.level.clone(), |code| code.code.clone());
    Some(Finding { path, line: span.line_start, rule, severity, message: super::bounded(&message.text) })
}

fn edits(output: &Output<'_>, message: &Message) -> Suggestions {
    let mut edits = Suggestions::new();
    for span in message.children.iter().flat_map(|child| &child.spans) {
        let sure = span.suggestion_applicability.as_deref() == Some("MachineApplicable");
        if let (true, Some(text), Some(path)) =
            (sure, &span.suggested_replacement, output.own(&span.file_name))
        {
            let edit = Edit { start: span.byte_start, end: span.byte_end, text: text.clone() };
            edits.entry(path).or_default().push(edit);
        }
    }
    edits
}

/// Applies replacements to a text; none when they overlap or do not fit it.
pub(crate) fn apply(source: &str, edits: &[Edit]) -> Option<String> {
    let mut edits = edits.to_vec();
    edits.sort();
    edits.dedup();
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for edit in &edits {
        text.push_str(source.get(at..edit.start)?);
        text.push_str(&edit.text);
        source.get(edit.start..edit.end)?;
        at = edit.end;
    }
    text.push_str(source.get(at..)?);
    Some(text)
}
