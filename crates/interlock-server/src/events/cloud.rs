//! Events as CloudEvents, messages with their text.

use std::collections::BTreeMap;

use interlock_api::v1::event::{CloudEvent, EventData};
use interlock_core::id::{MessageId, WorkspaceId};
use interlock_core::thread::Message;
use interlock_core::{Event, Timestamp};
use interlock_engine::Happened;

use crate::view;

/// One event as it goes over the wire.
pub(crate) fn event(
    ws: WorkspaceId,
    happened: &Happened,
    messages: &BTreeMap<MessageId, Message>,
    now: Timestamp,
) -> CloudEvent {
    let Happened { place, at, actor, trace, event, value } = happened.clone();
    let message = match &event {
        Event::MessagePosted { message, .. } => messages.get(&message.message_id).cloned(),
        _ => None,
    };
    let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    CloudEvent {
        specversion: "1.0".to_owned(),
        id: place.to_string(),
        source: format!("interlock:{ws}"),
        kind,
        subject: event.thread_id(),
        time: at,
        datacontenttype: "application/json".to_owned(),
        actor,
        traceparent: trace,
        data: EventData { event: value, message: message.map(|message| view::message(message, now)) },
    }
}
