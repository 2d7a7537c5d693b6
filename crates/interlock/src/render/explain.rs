//! Why somebody is woken, or is not.

use interlock_api::v1::explain::{BecauseView, ExplainWakesResponse, ExplainedView};
use interlock_core::wake::Why;

use super::style::Paint;
use super::table::hanging;
use super::{View, hops, safe, when};

/// Columns before the words.
const INDENT: usize = 4;

/// A paragraph for each participant.
pub(crate) fn show(view: View, answer: &ExplainWakesResponse) -> String {
    let all: Vec<String> = answer.participants.iter().map(|one| participant(view, one)).collect();
    all.join("\n")
}

/// One participant: who it is, then a line for each thing that explains it.
pub(crate) fn participant(view: View, one: &ExplainedView) -> String {
    let unread = match (one.unread, one.unread_is_minimum) {
        (0, false) => "nothing unread".to_owned(),
        (n, false) => format!("{n} unread"),
        (n, true) => format!("{n} or more unread"),
    };
    let run = if one.managed { "woken by Interlock" } else { "comes by itself" };
    let name = view.style.paint(Paint::Cyan, &safe::line(one.agent.as_str()));
    let mut text = format!("{name}  {}, {run}, {unread}\n", one.role);
    for because in &one.because {
        text.push_str(&line(view, because));
    }
    text
}

fn line(view: View, because: &BecauseView) -> String {
    // What is later is said to be in so long.
    let detail = match because.until {
        Some(until) => because.detail.replace(" later", &format!(" {}", when::ahead(until, view.now))),
        None => because.detail.clone(),
    };
    let words = safe::line(&detail);
    let reason = because.reason.map_or_else(String::new, |reason| format!(" ({reason}: {})", reason.title()));
    let since = because.since.map_or_else(String::new, |since| match because.why {
        Why::Ended => format!(", {}", when::ago(since, view.now)),
        _ => format!(", for {}", when::duration(view.now.ms_since(since))),
    });
    let (mark, paint) = mark(because.why);
    let text = hanging(view.style, INDENT, &format!("{words}{reason}{since}{}", hops(because.hops)));
    let wake = because.wake_id.map_or_else(String::new, |id| beside(view, &text, &id.to_string()));
    format!("  {} {text}{wake}\n", view.style.paint(paint, mark))
}

/// An id behind the words, or below them where there is no room.
fn beside(view: View, text: &str, id: &str) -> String {
    let last = text.lines().last().map_or(0, safe::width) + if text.contains('\n') { 0 } else { INDENT };
    let is_full = view.style.columns().is_some_and(|columns| last + 2 + id.len() > columns);
    let before = if is_full { format!("\n{:INDENT$}", "") } else { "  ".to_owned() };
    before + &view.style.dim(id)
}

/// What stands before a line: `>` goes on by itself, `!` waits for somebody, `.` is how things are.
const fn mark(why: Why) -> (&'static str, Paint) {
    match why {
        Why::Runs | Why::Due | Why::Waits => (">", Paint::Green),
        Why::Held | Why::Halted | Why::NotAsked | Why::Stops => ("!", Paint::Yellow),
        Why::NothingUnread | Why::Unmanaged | Why::ThreadEnded | Why::Ended => (".", Paint::Dim),
    }
}
