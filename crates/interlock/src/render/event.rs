//! The workspace's events, a line each: as in the timeline of their thread, with the thread behind.

use interlock_api::v1::event::CloudEvent;
use interlock_api::v1::thread::TimelineItem;
use interlock_core::actor::AgentName;
use serde_json::Value;

use super::style::Style;
use super::timeline;

/// One line, without its line end.
pub(crate) fn line(style: Style, event: &CloudEvent) -> String {
    let happened = timeline::line(style, &item(event));
    match event.subject {
        Some(thread) => format!("{happened}  {}", style.dim(&thread.to_string())),
        None => happened,
    }
}

/// The same as an item of a timeline.
fn item(event: &CloudEvent) -> TimelineItem {
    let field = |name: &str| event.data.event.get(name).and_then(Value::as_str);
    // Whom it is about, where it says so.
    let agent = field("agent").and_then(|name| AgentName::parse(name).ok());
    TimelineItem {
        position: event.id.clone(),
        index: event.id.split('.').next().and_then(|index| index.parse().ok()).unwrap_or_default(),
        at: event.time,
        actor: agent.unwrap_or_else(|| event.actor.clone()),
        kind: event.kind.split('/').next().unwrap_or_default().to_owned(),
        seq: event.data.message.as_ref().map(|message| message.seq),
        wake_id: field("wake_id").and_then(|id| id.parse().ok()),
        message: event.data.message.clone(),
        event: Some(event.data.event.clone()),
        text: None,
    }
}
