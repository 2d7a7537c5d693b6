//! Reads `cargo test`: the harness's lines, and the compiler's JSON between them.

use std::collections::BTreeMap;

use super::{Finding, Output, Report, Severity, bounded, cargo_json};

/// Which tests passed, which failed, where and why.
pub(super) fn read(output: &Output<'_>) -> Report {
    let mut report = Report { findings: cargo_json::errors(output), ..Report::default() };
    let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut section = None;
    for line in output.stdout.lines().filter(|line| !line.starts_with("{\"reason\"")) {
        if let Some(name) = heading(line) {
            section = Some(name);
            sections.entry(name).or_default();
        } else if line == "failures:" || line.starts_with("test result: ") {
            section = None;
        } else if let Some(name) = section {
            sections.entry(name).or_default().push(line);
        } else if let Some((name, passed)) = verdict(line) {
            if passed {
                report.passed.insert(name)
            } else {
                report.failed.insert(name)
            };
        }
    }
    // The same path may exist in two test programs: what fails in one has not passed.
    report.passed.retain(|name| !report.failed.contains(name));
    for name in &report.failed {
        let text = sections.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        report.findings.push(failure(output, name, text));
    }
    report
}

/// `---- tests::works stdout ----`.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `test tests::works ... ok`; ignored tests say neither.
fn verdict(line: &str) -> Option<(String, bool)> {
    let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    match verdict.split_whitespace().next()? {
        "ok" => Some((name.to_owned(), true)),
        "FAILED" | "failed" => Some((name.to_owned(), false)),
        _ => None,
    }
}

fn failure(output: &Output<'_>, name: &str, text: &[&str]) -> Finding {
    let panic = text.iter().enumerate().find_map(|(index, line)| Some((index, panic_place(line)?)));
    let calm = || text.iter().find_map(|line| line.strip_prefix("note: test did not panic as expected"));
    let (place, message) = match (panic, calm()) {
        (Some((index, place)), _) => (Some(place), said(text, index + 1)),
        (None, Some(rest)) => (rest.strip_prefix(" at ").and_then(colons), "does not panic".to_owned()),
        (None, None) => (None, said(text, 0)),
    };
    let place = place.and_then(|(path, line)| Some((output.own(path)?, line)));
    let (path, line) = place.unwrap_or_else(|| (home(output, name), 0));
    let message = if message.is_empty() { "fails without saying why".to_owned() } else { bounded(&message) };
    Finding { path, line, rule: format!("test:{name}"), severity: Severity::High, message }
}

/// `thread 'tests::works' (6554) panicked at src/lib.rs:40:9:`; the number changes with every run.
fn panic_place(line: &str) -> Option<(&str, u32)> {
    let (thread, place) = line.split_once(" panicked at ")?;
    if !thread.starts_with("thread '") {
        return None;
    }
    colons(place)
}

/// `path:line:column`, with or without a colon at the end.
fn colons(place: &str) -> Option<(&str, u32)> {
    let place = place.trim_end().trim_end_matches(':');
    let (front, column) = place.rsplit_once(':')?;
    let (path, line) = front.rsplit_once(':')?;
    column.parse::<u32>().ok()?;
    Some((path, line.parse().ok()?))
}

/// The words of a failure, from a line on, as one line.
fn said(text: &[&str], from: usize) -> String {
    let lines = text.get(from..).unwrap_or_default().iter().copied();
    let own =
        lines.take_while(|line| !line.starts_with("stack backtrace:") && !line.starts_with("note: run with"));
    own.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The file a test most likely stands in: `routes::tests::works` in `src/routes.rs`.
fn home(output: &Output<'_>, name: &str) -> String {
    let parts: Vec<&str> = name.split("::").collect();
    for depth in (1..parts.len()).rev() {
        let inner = parts.get(..depth).unwrap_or_default().join("/");
        for path in [format!("src/{inner}.rs"), format!("src/{inner}/mod.rs"), format!("tests/{inner}.rs")] {
            if (output.exists)(&path) {
                return path;
            }
        }
    }
    let roots = ["src/lib.rs", "src/main.rs"].into_iter().find(|path| (output.exists)(path));
    roots.unwrap_or_default().to_owned()
}
