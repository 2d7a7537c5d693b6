//! Reads the output of a command nobody knows anything about.

use super::{Finding, Output, Report, Severity};

/// The exit code decides; places are looked for in the text.
pub(super) fn read(output: &Output<'_>) -> Report {
    if output.code == Some(0) {
        Report::default()
    } else {
        Report { findings: complain(output), ..Report::default() }
    }
}

/// The places a failed command names, or the command itself.
pub(super) fn complain(output: &Output<'_>) -> Vec<Finding> {
    let finding = |path: String, line: u32, message: String| Finding {
        path,
        line,
        rule: output.check.rule(),
        severity: Severity::High,
        message,
    };
    let lines = || output.stdout.lines().chain(output.stderr.lines()).filter(|line| !line.starts_with('{'));
    let mut found: Vec<Finding> = Vec::new();
    for line in lines() {
        if let Some((path, number)) = place(output, line)
            && !found.iter().any(|other| other.path == path && other.line == number)
        {
            found.push(finding(path, number, line.to_owned()));
        }
    }
    if found.is_empty() {
        let code = output.code.map_or("without a code".to_owned(), |code| format!("with {code}"));
        let said = output.stdout.lines().chain(output.stderr.lines());
        let last = said.rev().find(|line| !line.trim().is_empty());
        let message = match last {
            Some(last) => format!("`{}` exits {code}: {}", output.check.command, last.trim()),
            None => format!("`{}` exits {code} and says nothing", output.check.command),
        };
        let path = lines().flat_map(str::split_whitespace).find_map(|word| output.own(bare(word)));
        found.push(finding(path.unwrap_or_default(), 0, message));
    }
    found
}

/// A word without the brackets and quotation marks around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|sign: char| "()[]{}<>'\"`,;:".contains(sign))
}

/// The first `path:line` of an existing file.
fn place(output: &Output<'_>, text: &str) -> Option<(String, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = bare(word).split(':');
        let path = output.own(parts.next()?)?;
        let line = parts.next()?.trim_end_matches(|sign: char| !sign.is_ascii_digit()).parse().ok()?;
        Some((path, line))
    })
}
