//! Events as CloudEvents, messages with their text.

use std::collections::BTreeMap;

use interlock_api::v1::event::{CloudEvent, EventData};
use interlock_core::id::{MessageId, ThreadId, WorkspaceId};
use interlock_core::thread::Message;
use interlock_core::{Event, Refusal, Timestamp};
use interlock_engine::Happened;
use interlock_engine::read::Store;

use crate::context::failed;
use crate::view;

/// The texts of the messages that these events posted: one read for each thread. Within a thread `seq` and position
/// grow together, so that what lies between the first and the last was posted by events between theirs.
pub(crate) async fn messages(
    store: &dyn Store,
    ws: WorkspaceId,
    happened: &[Happened],
) -> Result<BTreeMap<MessageId, Message>, Refusal> {
    let mut ranges: BTreeMap<ThreadId, (u64, u64)> = BTreeMap::new();
    for one in happened {
        if let Event::MessagePosted { thread_id, message, .. } = &one.event {
            let range = ranges.entry(*thread_id).or_insert((message.seq, message.seq));
            *range = (range.0.min(message.seq), range.1.max(message.seq));
        }
    }
    let mut found = BTreeMap::new();
    for (thread, (first, last)) in ranges {
        let count = u32::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(u32::MAX);
        let rows = store.messages(ws, thread, first.saturating_sub(1), count).await.map_err(failed)?;
        found.extend(rows.into_iter().map(|row| (row.message.head.message_id, row.message)));
    }
    Ok(found)
}

/// One event with its message's text.
pub(crate) async fn one(
    store: &dyn Store,
    ws: WorkspaceId,
    happened: Happened,
    now: Timestamp,
) -> Result<CloudEvent, Refusal> {
    let mut texts = messages(store, ws, std::slice::from_ref(&happened)).await?;
    Ok(event(ws, happened, &mut texts, now))
}

/// One event as it goes over the wire.
pub(crate) fn event(
    ws: WorkspaceId,
    happened: Happened,
    messages: &mut BTreeMap<MessageId, Message>,
    now: Timestamp,
) -> CloudEvent {
    let Happened { place, at, actor, trace, event, value } = happened;
    let message = match &event {
        Event::MessagePosted { message, .. } => messages.remove(&message.message_id),
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
