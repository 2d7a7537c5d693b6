//! What the output of checks says: problems with their places, as cargo, the compiler and the test harness print them.

use serde_json::Value;

use super::thread::text;

/// Something a check complains about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) line: u64,
    pub(super) rule: String,
    pub(super) severity: &'static str,
    pub(super) message: String,
}

/// A path as it stands in the repository.
fn own(path: &str, root: &str) -> String {
    path.strip_prefix(root).map_or(path, |rest| rest.trim_start_matches('/')).to_owned()
}

/// `cargo fmt --check`: one problem a file, at the first place.
pub(super) fn formatting(output: &str, root: &str) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    for place in output.lines().filter_map(|line| line.strip_prefix("Diff in ")) {
        let Some((path, line)) = place.trim_end_matches(':').rsplit_once(':') else { continue };
        let path = own(path, root);
        if found.iter().all(|one| one.path != path) {
            found.push(Problem {
                path,
                line: line.parse().unwrap_or(0),
                rule: "rustfmt".into(),
                severity: "low",
                message: "is not formatted as rustfmt would".into(),
            });
        }
    }
    found
}

/// The compiler's messages among the lines of `cargo check --message-format=json`.
pub(super) fn diagnostics(output: &str) -> Vec<Value> {
    let lines = output.lines().filter(|line| line.starts_with('{'));
    let values = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values
        .filter(|value| text(value, "/reason") == "compiler-message")
        .filter_map(|mut value| value.get_mut("message").map(Value::take))
        .collect()
}

/// A compiler's message as a problem; sums at the end belong to no place.
pub(super) fn complaint(message: &Value, root: &str) -> Option<Problem> {
    let severity = match text(message, "/level") {
        "warning" => "medium",
        level if level.starts_with("error") => "high",
        _ => return None,
    };
    let spans = message.get("spans").and_then(Value::as_array)?;
    let span = spans.iter().find(|span| span.get("is_primary") == Some(&Value::Bool(true)))?;
    let rule = text(message, "/code/code");
    Some(Problem {
        path: own(text(span, "/file_name"), root),
        line: span.get("line_start").and_then(Value::as_u64).unwrap_or(0),
        rule: if rule.is_empty() { text(message, "/level").to_owned() } else { rule.to_owned() },
        severity,
        message: text(message, "/message").to_owned(),
    })
}

/// The same complaint comes once for each target.
pub(super) fn complaints(output: &str, root: &str) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    for problem in diagnostics(output).iter().filter_map(|message| complaint(message, root)) {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

/// Failed tests, with the place and the words of their panic.
pub(super) fn failures(output: &str, root: &str) -> Vec<Problem> {
    let failed = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    let mut names: Vec<&str> = failed.collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| failure(output, name, root)).collect()
}

fn failure(output: &str, name: &str, root: &str) -> Problem {
    let heading = format!("---- {name} stdout ----");
    let section = output.split_once(&heading).map_or("", |(_, rest)| rest);
    let section = section.split("\n---- ").next().unwrap_or_default();
    let mut lines = section.lines().skip_while(|line| !line.contains(" panicked at "));
    let place = lines.next().and_then(|line| line.split_once(" panicked at ")).map_or("", |(_, place)| place);
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
    let (_column, line, path) = (parts.next(), parts.next(), parts.next());
    let words: Vec<&str> =
        lines.take_while(|line| !line.trim().is_empty() && !line.starts_with("note:")).collect();
    let words: Vec<&str> = words.iter().map(|line| line.trim()).collect();
    Problem {
        path: own(path.unwrap_or_default(), root),
        line: line.and_then(|line| line.parse().ok()).unwrap_or(0),
        rule: format!("test:{name}"),
        severity: "high",
        message: if words.is_empty() { "the test fails".to_owned() } else { words.join(", ") },
    }
}
