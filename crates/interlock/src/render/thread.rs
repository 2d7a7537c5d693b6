//! Threads.

use interlock_api::v1::thread::{BudgetView, ListThreadsResponse, ThreadView};
use interlock_core::thread::{FindingState, Status, ThreadRole};

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, count, more, usage, when};

/// The list of threads.
pub(crate) fn list(view: View, answer: &ListThreadsResponse) -> String {
    if answer.threads.is_empty() {
        return "no threads\n".into();
    }
    rows(view, &answer.threads) + &more(view.style, answer.next_cursor.as_ref())
}

/// Threads as a table.
pub(crate) fn rows(view: View, threads: &[ThreadView]) -> String {
    let rows: Vec<_> = threads
        .iter()
        .map(|thread| {
            [
                thread.thread_id.to_string().into(),
                status(thread.status),
                thread.last_seq.to_string().into(),
                thread.turns.to_string().into(),
                when::ago(thread.updated_at, view.now).into(),
                super::safe::summary(&thread.title, 60).into(),
            ]
        })
        .collect();
    table(view.style, ["THREAD", "STATUS", "MESSAGES", "TURNS", "CHANGED", "TITLE"], &rows)
}

/// One thread with its participants and findings.
pub(crate) fn show(view: View, thread: &ThreadView) -> String {
    let mut text = head(view, thread);
    text.push('\n');
    text.push_str(&participants(view, thread));
    if !thread.findings.is_empty() {
        text.push('\n');
        text.push_str(&findings(view, thread));
    }
    text
}

/// What stands above everything else of a thread.
pub(crate) fn head(view: View, thread: &ThreadView) -> String {
    let since_progress = if thread.turns_without_progress > 0 {
        format!(" ({} without progress)", thread.turns_without_progress)
    } else {
        String::new()
    };
    let used = thread.budget.as_ref().filter(|budget| !budget.total.is_none());
    fields(
        view.style,
        &[
            ("thread", thread.thread_id.to_string().into()),
            ("title", Cell::new(&thread.title, Paint::Bold)),
            ("kind", thread.kind.as_str().into()),
            ("status", status(thread.status)),
            ("reason", thread.reason.map_or_else(String::new, |r| format!("{r}: {}", r.title())).into()),
            ("owner", thread.owner.as_ref().map_or("", |owner| owner.as_str()).into()),
            ("opened", format!("{} by {}", when::ago(thread.created_at, view.now), thread.created_by).into()),
            ("changed", when::ago(thread.updated_at, view.now).into()),
            ("messages", thread.last_seq.to_string().into()),
            ("turns", format!("{}{since_progress}", thread.turns).into()),
            ("budget", thread.budget.as_ref().map_or_else(|| "".into(), budget)),
            ("used", used.map_or_else(String::new, |one| usage::in_full(one.total)).into()),
        ],
    )
}

/// What of the budget is used. It has no day: at its end the thread is blocked, and whoever lets it go on grants it again.
fn budget(budget: &BudgetView) -> Cell {
    let of = usage::of_budget(budget);
    if of.is_empty() {
        return of.into();
    }
    if usage::is_spent(budget) {
        return Cell::new(
            format!("{of}: it is spent; letting the thread go on grants it once more"),
            Paint::Red,
        );
    }
    format!("{of}, since a person last let the thread go on; at the end it is blocked").into()
}

/// Where a thread stands, in a line.
pub(crate) fn stands(thread: &ThreadView) -> String {
    let reason = thread.reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let owner = thread.owner.as_ref().map_or_else(String::new, |owner| format!(", {owner} must act"));
    format!("{} is {}{reason}{owner}\n", thread.thread_id, thread.status)
}

fn participants(view: View, thread: &ThreadView) -> String {
    let rows: Vec<[Cell; 4]> = thread
        .participants
        .iter()
        .map(|one| {
            [
                Cell::new(one.agent.as_str(), Paint::Cyan),
                Cell::new(
                    one.role.as_str(),
                    if one.role == ThreadRole::Coordinator { Paint::Bold } else { Paint::Plain },
                ),
                if one.managed { "woken by Interlock" } else { "comes by itself" }.into(),
                format!("{} of {}", one.acked_seq, thread.last_seq).into(),
            ]
        })
        .collect();
    table(view.style, ["PARTICIPANT", "PART", "RUN", "READ"], &rows)
}

pub(crate) fn findings(view: View, thread: &ThreadView) -> String {
    let rows: Vec<[Cell; 5]> = thread
        .findings
        .iter()
        .map(|finding| {
            let paint = match finding.state {
                FindingState::Verified => Paint::Green,
                FindingState::Unresolved => Paint::Red,
                FindingState::Open => Paint::Yellow,
            };
            [
                finding.finding_id.to_string().into(),
                Cell::new(finding.state.as_str(), paint),
                finding.cycles.to_string().into(),
                format!("#{}", finding.reported_seq).into(),
                finding.commit.clone().unwrap_or_default().into(),
            ]
        })
        .collect();
    let title = view.style.bold(&count(thread.findings.len(), "finding"));
    format!("{title}\n{}", table(view.style, ["FINDING", "STATE", "CYCLES", "MESSAGE", "COMMIT"], &rows))
}

/// A status in its colour.
pub(crate) fn status(status: Status) -> Cell {
    let paint = match status {
        Status::Active => Paint::Cyan,
        Status::Blocked => Paint::Red,
        Status::Resolved => Paint::Green,
        Status::Closed => Paint::Dim,
    };
    Cell::new(status.as_str(), paint)
}
