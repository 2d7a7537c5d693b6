//! Who must act in a blocked thread.

use interlock_api::v1::escalation::EscalationView;

use super::style::Paint;
use super::table::{Cell, fields};
use super::{View, thread, when, words};

/// Who must act, since when and why; or that nobody must.
pub(crate) fn show(view: View, escalation: &EscalationView) -> String {
    let Some(owner) = &escalation.owner else {
        return format!("nobody must act: {} is {}\n", escalation.thread_id, escalation.status);
    };
    fields(view.style, &rows(view, escalation, Cell::new(owner.as_str(), Paint::Cyan)))
}

/// The same as rows of other fields; none when nobody must act.
fn rows(view: View, escalation: &EscalationView, owner: Cell) -> [(&'static str, Cell); 7] {
    let reason = escalation.reason.map_or_else(String::new, |reason| format!("{reason}: {}", reason.title()));
    let by = escalation.assigned_by.as_ref().map_or("", |by| by.as_str());
    let assigned =
        escalation.assigned_at.map_or_else(String::new, |at| format!("{} by {by}", when::ago(at, view.now)));
    let next = escalation.next_reminder_at.map(|at| format!(", next {}", when::ahead(at, view.now)));
    let told = match escalation.reminders {
        0 => "none so far".to_owned(),
        n => format!("{n} so far"),
    };
    [
        ("must act", owner),
        ("thread", escalation.thread_id.to_string().into()),
        ("status", thread::status(escalation.status)),
        ("reason", reason.into()),
        ("blocked", escalation.since.map_or_else(String::new, |since| when::ago(since, view.now)).into()),
        ("named", format!("{assigned}{}", because(&escalation.text)).into()),
        ("reminders", format!("{told}{}", next.unwrap_or_default()).into()),
    ]
}

fn because(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {}", words(text)) }
}
