//! What is posted, in words.

use interlock_core::command::{PostMessage, Terms};
use interlock_core::id::{FindingId, MessageId, ThreadId};
use interlock_core::thread::{MessageKind, ThreadRole};
use serde_json::{Value, json};

use super::name;

/// What is said, to whom.
#[derive(Debug, Clone)]
pub(crate) struct Post(pub(crate) PostMessage);

impl Post {
    pub(crate) fn chat(body: &str) -> Self {
        Self(PostMessage {
            thread_id: ThreadId::from_u128(0),
            kind: MessageKind::Chat,
            event_type: None,
            event_version: 1,
            schema_version: 1,
            body: body.into(),
            data: None,
            extra: serde_json::Map::new(),
            to: Vec::new(),
            to_role: None,
            in_reply_to: None,
            terms: Terms::default(),
        })
    }

    pub(crate) fn event(event_type: &str, data: Value) -> Self {
        let Value::Object(data) = data else { panic!("an event's data is an object") };
        let mut post = Self::chat("");
        post.0.kind = MessageKind::Event;
        post.0.event_type = Some(event_type.into());
        post.0.data = Some(data);
        post
    }

    pub(crate) fn finding(id: FindingId, path: &str) -> Self {
        Self::event(
            "finding_reported",
            json!({"finding_id": id, "path": path, "line": 3, "rule": "unused", "severity": "high", "message": "m"}),
        )
    }

    pub(crate) fn fix(commit: &str) -> Self {
        Self::event("fix_pushed", json!({"commit": commit, "branch": "work"}))
    }

    pub(crate) fn verified(id: FindingId) -> Self {
        Self::event("finding_verified", json!({"finding_id": id, "commit": "abcdef1"}))
    }

    pub(crate) fn to(mut self, names: &[&str]) -> Self {
        self.0.to = names.iter().map(|text| name(text)).collect();
        self
    }

    pub(crate) fn for_role(mut self, role: ThreadRole) -> Self {
        self.0.to_role = Some(role);
        self
    }

    pub(crate) fn reply_to(mut self, id: MessageId) -> Self {
        self.0.in_reply_to = Some(id);
        self
    }

    pub(crate) fn urgent(mut self) -> Self {
        self.0.terms.is_urgent = true;
        self
    }

    pub(crate) fn expires_in(mut self, ms: u64) -> Self {
        self.0.terms.expires_in_ms = Some(ms);
        self
    }

    pub(crate) fn instead_of(mut self, id: MessageId) -> Self {
        self.0.terms.supersedes = Some(id);
        self
    }

    pub(crate) fn into_thread(mut self, id: ThreadId) -> Self {
        self.0.thread_id = id;
        self
    }
}
