//! Events as CloudEvents, messages with their text.

use std::collections::BTreeMap;

use interlock_api::v1::event::{CloudEvent, EventData};
use interlock_core::id::{MessageId, WorkspaceId};
use interlock_core::thread::Message;
use interlock_core::{Event, Refusal, Timestamp};
use interlock_engine::Happened;
use interlock_engine::read::Store;

use crate::context::failed;
use crate::view;

/// One event with its message's text.
///
/// # Errors
/// What the store cannot do now.
pub(crate) async fn one(
    store: &dyn Store,
    ws: WorkspaceId,
    happened: &Happened,
    now: Timestamp,
) -> Result<CloudEvent, Refusal> {
    let mut texts = BTreeMap::new();
    if let Event::MessagePosted { thread_id, message, .. } = &happened.event {
        let found = store.message(ws, *thread_id, message.message_id).await.map_err(failed)?;
        texts.extend(found.map(|stored| (message.message_id, stored.message)));
    }
    Ok(event(ws, happened, &texts, now))
}

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
