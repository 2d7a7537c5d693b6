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

/// A place in a file: its line, counted from 1, and how many characters stand before it there.
type Place = (u64, usize);

/// A replacement of what stands between two places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    from: Place,
    to: Place,
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
    let mut lines: Vec<u64> = edits.iter().map(|edit| edit.from.0).collect();
    lines.dedup();
    for line in lines.into_iter().rev() {
        let here: Vec<&Edit> = edits.iter().filter(|edit| edit.from.0 == line).collect();
        let end = here.iter().map(|edit| edit.to.0).max().unwrap_or(line);
        let (first, last) = (line.saturating_sub(1).max(1), end + 1);
        // With their numbers, because a login shell may have something of its own to say.
        let show = format!("sed -n -e '{first},{last}{{=;p}}' {}", finding.path);
        let before = numbered(&hand.shell("This is the place.", &show)?.text, first, last);
        let Some(after) = edited(&before, first, &here) else {
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
            let place = |line: &str, column: &str| -> Option<Place> {
                Some((count(line)?, usize::try_from(count(column)?.saturating_sub(1)).ok()?))
            };
            let text = span.get("suggested_replacement")?.as_str()?.to_owned();
            let (from, to) = (place("line_start", "column_start")?, place("line_end", "column_end")?);
            Some(Edit { from, to, text })
        })
        .collect();
    edits.sort();
    edits.dedup();
    edits
}

/// The lines, of which the first has this number, with these replacements made, from their end to their beginning.
fn edited(before: &str, first: u64, edits: &[&Edit]) -> Option<String> {
    let mut chars: Vec<char> = before.chars().collect();
    for edit in edits.iter().rev() {
        let (from, to) = (offset(before, first, edit.from)?, offset(before, first, edit.to)?);
        let (head, tail) = (chars.get(..from)?, chars.get(to..)?);
        chars = head.iter().copied().chain(edit.text.chars()).chain(tail.iter().copied()).collect();
    }
    Some(chars.into_iter().collect())
}

/// How many characters stand before a place; `None` when it is not in these lines.
fn offset(lines: &str, first: u64, (line, column): Place) -> Option<usize> {
    let skipped = usize::try_from(line.checked_sub(first)?).ok()?;
    let all: Vec<&str> = lines.split('\n').collect();
    let here = all.get(skipped)?;
    let before: usize = all.iter().take(skipped).map(|line| line.chars().count() + 1).sum();
    (column <= here.chars().count()).then_some(before + column)
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
