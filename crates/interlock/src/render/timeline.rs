//! The live view of a thread: one line for each thing that happened.

use interlock_api::v1::message::MessageView;
use interlock_api::v1::thread::TimelineItem;
use serde_json::Value;

use super::style::{Paint, Style};
use super::{message, safe, when};

/// Columns of the name before what somebody did.
const NAME_WIDTH: usize = 12;
/// Columns of a message's text.
const TEXT_WIDTH_MAX: usize = 100;

/// One line, without its line end.
pub(crate) fn line(style: Style, item: &TimelineItem) -> String {
    let clock = style.dim(&when::clock(item.at));
    match &item.message {
        Some(message) => format!("{clock}  {}", said(style, message)),
        None => format!("{clock}  {}", happened(style, item)),
    }
}

fn said(style: Style, message: &MessageView) -> String {
    let text = safe::summary(&message.body, TEXT_WIDTH_MAX);
    let place = place(message);
    let gap = if text.is_empty() || place.is_empty() { "" } else { "  " };
    let said = format!("{}  {text}{gap}{}", message::heading(style, message), style.dim(&place));
    said.trim_end().to_owned()
}

/// Where a finding is, or which commit an event is about.
fn place(message: &MessageView) -> String {
    let text = |name: &str| message.data.get(name).and_then(Value::as_str).map(safe::line);
    let place = text("path").map(|path| match message.data.get("line").and_then(Value::as_u64) {
        Some(line) => format!("{path}:{line}"),
        None => path,
    });
    let commit =
        || text("commit").map(|commit| format!("commit {}", commit.chars().take(12).collect::<String>()));
    place.or_else(commit).unwrap_or_default()
}

fn happened(style: Style, item: &TimelineItem) -> String {
    let name = item.actor.as_str();
    let padding = " ".repeat(NAME_WIDTH.saturating_sub(safe::width(name)));
    let (paint, what) = what(item);
    let wake =
        item.wake_id.map_or_else(String::new, |wake_id| format!("  {}", style.dim(&wake_id.to_string())));
    format!("{}{padding} {}{wake}", style.paint(Paint::Cyan, name), style.paint(paint, &what))
}

/// What somebody did, or what was done to them; kinds of later versions are shown by their names.
fn what(item: &TimelineItem) -> (Paint, String) {
    let field = |name: &str| item.event.as_ref().and_then(|event| event.get(name));
    let text = |name: &str| field(name).map(plain).unwrap_or_default();
    let cause = |name: &str| field(name).filter(|value| !value.is_null()).map(plain);
    let because = || cause("reason").map_or_else(String::new, |reason| format!(" ({reason})"));
    match item.kind.as_str() {
        "thread.created" => (Paint::Bold, "opened the thread".into()),
        "thread.participant_added" => {
            let who = field("participant").and_then(|one| one.get("agent")).map(plain).unwrap_or_default();
            (Paint::Plain, format!("brought in {who}"))
        }
        "thread.status_changed" => {
            let owner = cause("owner").map_or_else(String::new, |owner| format!(", {owner} must act"));
            let to = text("to");
            let paint = match to.as_str() {
                "resolved" => Paint::Green,
                "blocked" => Paint::Red,
                _ => Paint::Yellow,
            };
            (paint, format!("thread {} -> {to}{}{owner}", text("from"), because()))
        }
        "thread.message_withdrawn" => {
            let why = item.text.as_deref().map_or_else(String::new, |text| format!(": {}", safe::line(text)));
            let how = if field("superseded_by").is_some() { "replaced" } else { "took back" };
            (Paint::Yellow, format!("{how} #{}{why}", text("seq")))
        }
        "wake.requested" => {
            let held = if field("held").and_then(Value::as_bool) == Some(true) { ", held" } else { "" };
            (Paint::Dim, format!("is to be woken for #{} by {}{held}", text("seq"), text("cause")))
        }
        "wake.dispatched" => (Paint::Plain, format!("is woken, attempt {}", text("attempt"))),
        "wake.accepted" => (Paint::Plain, format!("is awake (by {})", text("evidence"))),
        "wake.seen" => (Paint::Dim, "has read its messages".into()),
        "wake.acted" => (Paint::Dim, "has acted".into()),
        "wake.attempt_failed" => {
            (Paint::Yellow, format!("attempt {} failed{}, next at {}", text("attempt"), because(), due(item)))
        }
        "wake.door_changed" => {
            let words =
                format!("goes on through {} in the place of {}{}", text("to"), text("from"), because());
            (Paint::Yellow, words)
        }
        "wake.released" => (Paint::Yellow, format!("lost its process{}", because())),
        "wake.finished" => {
            let result = text("result");
            let is_bad = ["failed", "unknown"].contains(&result.as_str());
            let paint = if is_bad { Paint::Red } else { Paint::Green };
            (paint, format!("is done: {result}{}", because()))
        }
        "job.died" => {
            let job = format!("{} ({})", text("job_id"), text("job"));
            (Paint::Red, format!("gave up job {job} after attempt {}{}", text("attempts"), because()))
        }
        "job.requeued" => (Paint::Yellow, format!("let job {} ({}) try again", text("job_id"), text("job"))),
        "snapshot.taken" => {
            let stage =
                field("content").and_then(|content| content.get("stage")).map(plain).unwrap_or_default();
            (Paint::Plain, format!("took snapshot {} of {stage}", text("snapshot_id")))
        }
        other => (Paint::Plain, safe::line(other)),
    }
}

fn due(item: &TimelineItem) -> String {
    let due = item.event.as_ref().and_then(|event| event.get("due_at")).and_then(Value::as_str);
    due.and_then(|due| due.parse().ok()).map_or_else(|| "a later time".into(), when::clock)
}

fn plain(value: &Value) -> String {
    safe::line(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
