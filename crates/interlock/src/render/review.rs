//! What became of a request for a review.

use interlock_api::v1::review::{CollectVerdictsResponse, Verdict};

use super::style::Paint;
use super::table::{Cell, table};
use super::{View, when};

/// The verdict of all, then each.
pub(crate) fn show(view: View, answer: &CollectVerdictsResponse) -> String {
    let about = answer
        .commit
        .as_ref()
        .map_or_else(String::new, |commit| format!(" of {}", super::safe::line(commit)));
    let (word, paint) = painted(answer.verdict);
    let head =
        format!("{}  the review{about}, asked for in #{}\n", view.style.paint(paint, word), answer.seq);
    if answer.verdicts.is_empty() {
        return format!("{head}nobody was asked\n");
    }
    let rows: Vec<[Cell; 5]> = answer
        .verdicts
        .iter()
        .map(|one| {
            let (word, paint) = painted(one.verdict);
            [
                Cell::new(one.agent.as_str(), Paint::Cyan),
                Cell::new(word, paint),
                one.seq.map_or_else(String::new, |seq| format!("#{seq}")).into(),
                one.at.map_or_else(String::new, |at| when::ago(at, view.now)).into(),
                if one.open_findings > 0 { one.open_findings.to_string() } else { String::new() }.into(),
            ]
        })
        .collect();
    let more = if answer.is_partial {
        view.style.dim("only the first messages after the request were looked at") + "\n"
    } else {
        String::new()
    };
    format!(
        "{head}\n{}{more}",
        table(view.style, ["WHO", "VERDICT", "SAID IN", "WHEN", "OPEN FINDINGS"], &rows)
    )
}

const fn painted(verdict: Verdict) -> (&'static str, Paint) {
    match verdict {
        Verdict::Accepted => (verdict.as_str(), Paint::Green),
        Verdict::Rejected => (verdict.as_str(), Paint::Red),
        Verdict::Pending => (verdict.as_str(), Paint::Yellow),
    }
}
