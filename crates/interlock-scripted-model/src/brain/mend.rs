//! Mending one finding: with the formatter, by the compiler's own suggestion, or by taking the culprit back.

use serde_json::{Value, json};

use super::checks::{complaint, diagnostics};
use super::hand::{Hand, Turn};
use super::thread::{Finding, text};

/// Whom commits are by.
const IDENTITY: &str = "-c user.name=scripted -c user.email=scripted@localhost";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mended {
    /// In this commit.
    Commit(String),
    /// There was nothing to mend any more.
    Gone,
    /// It cannot be, for this reason.
    Cannot(String),
}

/// Mend a finding.
pub(super) fn mend(hand: &mut Hand<'_>, finding: &Finding, root: &str) -> Turn<Mended> {
    if finding.rule == "rustfmt" {
        return format(hand);
    }
    if let Some(check) = finding.rule.strip_prefix("check:") {
        // It says that it failed and not what is wrong.
        let passes = hand.shell("Does it still fail?", check)?.is_ok();
        return Ok(if passes { Mended::Gone } else { Mended::Cannot("I do not know what it wants".into()) });
    }
    match finding.rule.strip_prefix("test:") {
        Some(test) => take_back(hand, test),
        None => apply_suggestion(hand, finding, root),
    }
}

/// The commit that everything stands at.
pub(super) fn head(hand: &mut Hand<'_>) -> Turn<String> {
    let ran = hand.shell("Which commit is this?", "git rev-parse HEAD")?;
    Ok(sha(&ran.text).unwrap_or_default())
}

/// Let rustfmt lay the code out, and commit what it changed.
pub(super) fn format(hand: &mut Hand<'_>) -> Turn<Mended> {
    let ran = hand.shell("The formatter knows how the code should look.", "cargo fmt --all")?;
    if !ran.is_ok() {
        return Ok(Mended::Cannot(format!("`cargo fmt` fails: {}", short(&ran.text))));
    }
    commit(hand, "Lay the code out as rustfmt does")
}

/// Commit what has changed, if anything has.
fn commit(hand: &mut Hand<'_>, message: &str) -> Turn<Mended> {
    let status = hand.shell("Did that change anything?", "git status --porcelain --untracked-files=no")?;
    if status.text.lines().all(|line| !line.trim_start().starts_with('M')) {
        return Ok(Mended::Gone);
    }
    let ran = hand.shell(
        "That is one change.",
        &format!("git {IDENTITY} commit --quiet --all --message '{message}'"),
    )?;
    if !ran.is_ok() {
        return Ok(Mended::Cannot(format!("it cannot be committed: {}", short(&ran.text))));
    }
    Ok(Mended::Commit(head(hand)?))
}

/// A replacement of some columns of one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    line: u64,
    from: usize,
    to: usize,
    text: String,
}

/// Edit the file as the compiler suggests where it is sure.
fn apply_suggestion(hand: &mut Hand<'_>, finding: &Finding, root: &str) -> Turn<Mended> {
    let why = "The compiler says what it would change.";
    let ran = hand.shell(why, "cargo check --all-targets --message-format=json")?;
    let messages = diagnostics(&ran.text);
    let is_it = |message: &&Value| {
        complaint(message, root).is_some_and(|one| {
            one.path == finding.path && one.rule == finding.rule && one.message == finding.message
        })
    };
    let Some(message) = messages.iter().find(is_it) else { return Ok(Mended::Gone) };
    let edits = suggested(message, &finding.path, root);
    if edits.is_empty() {
        return Ok(Mended::Cannot("the compiler has no suggestion it is sure of".into()));
    }
    let mut lines: Vec<u64> = edits.iter().map(|edit| edit.line).collect();
    lines.dedup();
    for line in lines.into_iter().rev() {
        let (first, last) = (line.saturating_sub(1).max(1), line + 1);
        // With their numbers, because a login shell may have something of its own to say.
        let show = format!("sed -n -e '{first},{last}{{=;p}}' {}", finding.path);
        let before = numbered(&hand.shell("This is the place.", &show)?.text, first, last);
        let place = usize::try_from(line - first).unwrap_or(0);
        let Some(after) = edited(&before, place, &edits, line) else {
            return Ok(Mended::Cannot("the file is not what the compiler read".into()));
        };
        if !edit(hand, root, &finding.path, &before, &after)? {
            return Ok(Mended::Cannot("the file could not be edited".into()));
        }
    }
    commit(hand, &format!("Do as {} in {} asks", finding.rule, finding.path))
}

/// The replacements that the compiler is sure of, in this file.
fn suggested(message: &Value, path: &str, root: &str) -> Vec<Edit> {
    let children = message.get("children").and_then(Value::as_array).into_iter().flatten();
    let spans = children.filter_map(|child| child.get("spans").and_then(Value::as_array)).flatten();
    let mut edits: Vec<Edit> = spans
        .filter(|span| text(span, "/suggestion_applicability") == "MachineApplicable")
        .filter(|span| text(span, "/file_name").trim_start_matches(root).trim_start_matches('/') == path)
        .filter_map(|span| {
            let count = |name: &str| span.get(name).and_then(Value::as_u64);
            let column = |name: &str| usize::try_from(count(name)?.saturating_sub(1)).ok();
            let line = count("line_start")?;
            (count("line_end")? == line).then_some(())?;
            let text = span.get("suggested_replacement")?.as_str()?.to_owned();
            Some(Edit { line, from: column("column_start")?, to: column("column_end")?, text })
        })
        .collect();
    edits.sort();
    edits.dedup();
    edits
}

/// The lines with the replacements of one of them made, from its end to its beginning.
fn edited(before: &str, place: usize, edits: &[Edit], line: u64) -> Option<String> {
    let mut lines: Vec<String> = before.split('\n').map(str::to_owned).collect();
    let target = lines.get_mut(place)?;
    for edit in edits.iter().rev().filter(|edit| edit.line == line) {
        let chars: Vec<char> = target.chars().collect();
        let (head, tail) = (chars.get(..edit.from)?, chars.get(edit.to..)?);
        *target = head.iter().chain(&edit.text.chars().collect::<Vec<_>>()).chain(tail).collect();
    }
    Some(lines.join("\n"))
}

/// The lines with these numbers, of an output in which each stands after its number.
fn numbered(output: &str, first: u64, last: u64) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let find = |number: u64| {
        let at = lines.iter().position(|line| *line == number.to_string())?;
        lines.get(at + 1).copied()
    };
    (first..=last).map_while(find).collect::<Vec<_>>().join("\n")
}

/// Edit with the program's own tool; whether it did.
fn edit(hand: &mut Hand<'_>, root: &str, path: &str, before: &str, after: &str) -> Turn<bool> {
    if hand.talk.tool("Edit").is_some() {
        let file = format!("{root}/{path}");
        hand.call("I look at the file before I change it.", "Read", json!({"file_path": file}))?;
        let arguments = json!({"file_path": file, "old_string": before, "new_string": after});
        return hand.call("This is the change.", "Edit", arguments).map(|result| !result.is_error);
    }
    let old: String = before.split('\n').map(|line| format!("-{line}\n")).collect();
    let new: String = after.split('\n').map(|line| format!("+{line}\n")).collect();
    let change = format!("*** Begin Patch\n*** Update File: {path}\n@@\n{old}{new}*** End Patch");
    if hand.talk.tool("apply_patch").is_some() {
        let result = hand.call("This is the change.", "apply_patch", json!({"input": change}))?;
        return Ok(!result.is_error && !result.text.contains("verification failed"));
    }
    let ran = hand.shell("This is the change.", &format!("apply_patch <<'PATCH'\n{change}\nPATCH"))?;
    Ok(ran.is_ok() && !ran.text.contains("verification failed"))
}

/// Find the commit since which a test fails, and take it back.
fn take_back(hand: &mut Hand<'_>, test: &str) -> Turn<Mended> {
    let run = format!("cargo test --quiet {test}");
    if hand.shell("Does it still fail?", &run)?.is_ok() {
        return Ok(Mended::Gone);
    }
    let roots = hand.shell("Where does history begin?", "git rev-list --max-parents=0 HEAD")?;
    let Some(root) = sha(&roots.text) else {
        return Ok(Mended::Cannot("the history cannot be read".into()));
    };
    hand.shell("Somewhere in between it broke.", &format!("git bisect start HEAD {root}"))?;
    let found = hand.shell("Which commit broke it?", &format!("git bisect run {run}"))?;
    hand.shell("Back to where we were.", "git bisect reset")?;
    let Some(culprit) =
        found.text.lines().find(|line| line.contains("is the first bad commit")).and_then(sha)
    else {
        return Ok(Mended::Cannot(format!("no commit can be blamed: {}", short(&found.text))));
    };
    let revert = format!("git {IDENTITY} revert --no-edit {culprit}");
    if !hand.shell("That is the culprit; I take it back.", &revert)?.is_ok() {
        hand.shell("It does not come off cleanly.", "git revert --abort")?;
        return Ok(Mended::Cannot(format!(
            "it fails since {}, which cannot be taken back",
            short_sha(&culprit)
        )));
    }
    if !hand.shell("Does it pass now?", &run)?.is_ok() {
        hand.shell("It was not that.", "git reset --quiet --hard HEAD~1")?;
        return Ok(Mended::Cannot(format!("taking {} back changes nothing", short_sha(&culprit))));
    }
    Ok(Mended::Commit(head(hand)?))
}

/// The first full commit id in a text.
pub(super) fn sha(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut shas = words.filter(|word| word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    shas.next().map(str::to_owned)
}

/// A commit as people write it.
pub(super) fn short_sha(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// The last words of a long text.
fn short(text: &str) -> String {
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    last.chars().take(200).collect()
}
