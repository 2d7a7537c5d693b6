//! Threads as resources: `interlock://threads/{id}`.

use interlock_core::id::ThreadId;
use rmcp::model::{JsonObject, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Value, json};

/// What stands before a thread's id.
const PREFIX: &str = "interlock://threads/";
const JSON: &str = "application/json";

/// The thread that a URI names.
pub(super) fn thread_of(uri: &str) -> Option<ThreadId> {
    uri.strip_prefix(PREFIX)?.parse().ok()
}

/// A thread's URI.
pub(super) fn uri_of(thread: ThreadId) -> String {
    format!("{PREFIX}{thread}")
}

/// The shape of all URIs.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{PREFIX}{{thread_id}}"), "thread")
        .with_title("A thread")
        .with_description("A thread with its participants, findings and summary")
        .with_mime_type(JSON)
}

/// The threads of a `list_threads` answer, and where the next page begins.
pub(super) fn listed(answer: &Value) -> (Vec<Resource>, Option<String>) {
    let text =
        |thread: &Value, name: &str| thread.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let resource = |thread: &Value| {
        Resource::new(format!("{PREFIX}{}", text(thread, "thread_id")), text(thread, "title"))
            .with_description(format!("{} thread", text(thread, "status")))
            .with_mime_type(JSON)
    };
    let threads = answer.get("threads").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let next = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
    (threads.iter().map(resource).collect(), next)
}

/// A thread and its summary, as they are read.
pub(super) fn contents(uri: &str, thread: &Value, summary: &Value) -> ResourceContents {
    let text = json!({"thread": thread, "summary": summary}).to_string();
    ResourceContents::text(text, uri).with_mime_type(JSON)
}

/// The parameters that name one thread.
pub(super) fn parameters(thread: ThreadId) -> JsonObject {
    JsonObject::from_iter([("thread_id".to_owned(), thread.to_string().into())])
}
