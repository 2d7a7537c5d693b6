//! A thread in short.

use interlock_api::v1::summary::{Decided, LastWord, OpenFinding, ParticipantSummary, ThreadSummary};

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, count, safe, thread, when};

/// Columns of a text that stands in a table.
const TEXT_WIDTH_MAX: usize = 80;
/// Columns before the task's lines.
const INDENT: &str = "    ";

/// The task first, then what is open, what was decided, and where everybody stands.
pub(crate) fn show(view: View, summary: &ThreadSummary) -> String {
    let mut parts = vec![head(view, summary)];
    if !summary.task.trim().is_empty() {
        parts.push(format!("{}\n{}", view.style.bold("task"), indented(&summary.task)));
    }
    if !summary.open_findings.is_empty() {
        parts.push(findings(view, &summary.open_findings));
    }
    if !summary.decisions.is_empty() {
        parts.push(decisions(view, &summary.decisions));
    }
    parts.push(participants(view, summary));
    if summary.from_seq > 1 {
        let note = format!("of its messages, those before #{} were not looked at", summary.from_seq);
        parts.push(format!("{}\n", view.style.dim(&note)));
    }
    parts.join("\n")
}

fn head(view: View, summary: &ThreadSummary) -> String {
    fields(
        view.style,
        &[
            ("thread", summary.thread_id.to_string().into()),
            ("title", Cell::new(&summary.title, Paint::Bold)),
            ("status", thread::status(summary.status)),
            ("reason", summary.reason.map_or_else(String::new, |r| format!("{r}: {}", r.title())).into()),
            ("owner", summary.owner.as_ref().map_or("", |owner| owner.as_str()).into()),
            ("messages", summary.last_seq.to_string().into()),
        ],
    )
}

fn indented(text: &str) -> String {
    let text = safe::lines(text);
    text.trim_end().lines().map(|line| format!("{INDENT}{line}").trim_end().to_owned() + "\n").collect()
}

fn findings(view: View, findings: &[OpenFinding]) -> String {
    let row = |finding: &OpenFinding| -> [Cell; 7] {
        let place = match finding.line {
            0 => finding.path.clone(),
            line => format!("{}:{line}", finding.path),
        };
        let (state, paint) =
            if finding.is_unresolved { ("unresolved", Paint::Red) } else { ("open", Paint::Yellow) };
        [
            format!("#{}", finding.seq).into(),
            Cell::new(state, paint),
            (&finding.severity).into(),
            finding.cycles.to_string().into(),
            place.into(),
            (&finding.rule).into(),
            safe::summary(&finding.message, TEXT_WIDTH_MAX).into(),
        ]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    let title = view.style.bold(&count(findings.len(), "open finding"));
    let heading = ["AT", "STATE", "SEVERITY", "CYCLES", "PLACE", "RULE", "WHAT"];
    format!("{title}\n{}", table(view.style, heading, &rows))
}

fn decisions(view: View, decisions: &[Decided]) -> String {
    let row = |decided: &Decided| -> [Cell; 5] {
        [
            format!("#{}", decided.seq).into(),
            when::ago(decided.at, view.now).into(),
            Cell::new(decided.by.as_str(), Paint::Cyan),
            Cell::new(&decided.kind, Paint::Yellow),
            safe::summary(&decided.text, TEXT_WIDTH_MAX).into(),
        ]
    };
    let rows: Vec<_> = decisions.iter().map(row).collect();
    let title = view.style.bold(&count(decisions.len(), "decision"));
    format!("{title}\n{}", table(view.style, ["AT", "WHEN", "BY", "WHAT", "IN WORDS"], &rows))
}

fn participants(view: View, summary: &ThreadSummary) -> String {
    let row = |one: &ParticipantSummary| -> [Cell; 5] {
        let unread = if one.unread > 0 { Paint::Yellow } else { Paint::Dim };
        let more = if one.unread_is_minimum { "+" } else { "" };
        [
            Cell::new(one.agent.as_str(), Paint::Cyan),
            one.role.as_str().into(),
            format!("{} of {}", one.acked_seq, summary.last_seq).into(),
            Cell::new(format!("{}{more}", one.unread), unread),
            one.last_word.as_ref().map_or_else(String::new, |word| said(view, word)).into(),
        ]
    };
    let rows: Vec<_> = summary.participants.iter().map(row).collect();
    table(view.style, ["PARTICIPANT", "PART", "READ", "UNREAD FOR IT", "LAST WORD"], &rows)
}

/// `#7, 2m ago: fix_pushed the totals are right again`.
fn said(view: View, word: &LastWord) -> String {
    let kind = word.kind.as_ref().map_or_else(String::new, |kind| format!("{kind} "));
    let text = safe::summary(&word.text, TEXT_WIDTH_MAX);
    format!("#{}, {}: {kind}{text}", word.seq, when::ago(word.at, view.now)).trim_end().to_owned()
}
