//! Reads `cargo fmt --check`.

use super::{Finding, Output, Report, Severity};

/// What the formatter would change: one finding a file, at the first place.
pub(super) fn read(output: &Output<'_>) -> Report {
    let missing = ["is not installed", "no such command: `fmt`", "no such subcommand: `fmt`"];
    if output.code != Some(0) && missing.iter().any(|text| output.stderr.contains(text)) {
        let note = format!("`{}` was skipped: rustfmt is not installed", output.check.command);
        return Report { note: Some(note), ..Report::default() };
    }
    let mut findings: Vec<Finding> = Vec::new();
    for line in output.stdout.lines() {
        let Some((path, line)) = line.strip_prefix("Diff in ").and_then(place) else { continue };
        let Some(path) = output.own(path) else { continue };
        if findings.iter().any(|finding| finding.path == path) {
            continue;
        }
        findings.push(Finding {
            path,
            line,
            rule: "rustfmt".to_owned(),
            severity: Severity::Low,
            message: "is not formatted as rustfmt would".to_owned(),
        });
    }
    Report { findings, ..Report::default() }
}

/// `path:line:`, and `path at line n:` as older formatters print it.
fn place(text: &str) -> Option<(&str, u32)> {
    let text = text.trim_end().trim_end_matches(':');
    let (path, line) = text.rsplit_once(" at line ").or_else(|| text.rsplit_once(':'))?;
    Some((path, line.parse().ok()?))
}
