//! Denials.

use interlock_api::v1::denial::{DenialView, ListDenialsResponse};

use super::table::{Cell, fields, table};
use super::{View, more, safe, when};

/// The list of denials.
pub(crate) fn list(view: View, answer: &ListDenialsResponse) -> String {
    if answer.denials.is_empty() {
        return "no denials\n".into();
    }
    let rows: Vec<_> = answer.denials.iter().map(|denial| row(view, denial)).collect();
    let heading = ["REQUEST", "WHEN", "WHO", "ROLE", "OPERATION", "REASON", "ASKED OF"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, denial: &DenialView) -> [Cell; 7] {
    [
        safe::summary(&denial.request_id, 64).into(),
        when::ago(denial.at, view.now).into(),
        denial.actor.to_string().into(),
        denial.role.as_str().into(),
        safe::summary(&denial.operation, 40).into(),
        denial.reason.as_str().into(),
        safe::summary(denial.object.as_deref().unwrap_or_default(), 64).into(),
    ]
}

/// One denial.
pub(crate) fn show(view: View, denial: &DenialView) -> String {
    let text = |text: &Option<String>| text.as_deref().map_or_else(String::new, safe::line);
    fields(
        view.style,
        &[
            ("request", safe::line(&denial.request_id).into()),
            ("at", denial.at.to_string().into()),
            ("workspace", denial.workspace_id.to_string().into()),
            ("who", denial.actor.to_string().into()),
            ("role", denial.role.as_str().into()),
            ("session", denial.session_id.map_or_else(String::new, |id| id.to_string()).into()),
            ("operation", safe::line(&denial.operation).into()),
            ("code", denial.code.as_str().into()),
            ("reason", denial.reason.as_str().into()),
            ("asked of", text(&denial.object).into()),
            ("trace", text(&denial.trace_id).into()),
        ],
    )
}
