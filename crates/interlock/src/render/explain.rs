//! Why somebody is woken, or is not.

use interlock_api::v1::explain::{BecauseView, ExplainWakesResponse, ExplainedView};
use interlock_core::wake::Why;

use super::style::Paint;
use super::{View, safe, when};

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
    let wake = because.wake_id.map_or_else(String::new, |id| view.style.dim(&format!("  {id}")));
    let (mark, paint) = mark(because.why);
    format!("  {} {words}{reason}{since}{wake}\n", view.style.paint(paint, mark))
}

/// What stands before a line: `>` goes on by itself, `!` waits for somebody, `.` is how things are.
const fn mark(why: Why) -> (&'static str, Paint) {
    match why {
        Why::Runs | Why::Due | Why::Waits => (">", Paint::Green),
        Why::Held | Why::Halted | Why::NotAsked | Why::Stops => ("!", Paint::Yellow),
        Why::NothingUnread | Why::Unmanaged | Why::ThreadEnded | Why::Ended => (".", Paint::Dim),
    }
}
