//! What the revisions with a handshake keep between requests.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A session of the server; none before the handshake, and with the revision that has none.
#[derive(Debug, Default)]
pub(super) struct Session {
    kept: Mutex<Kept>,
    /// Held by whoever begins it anew: the others wait, and find it begun.
    pub(super) beginning: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    open: Option<Open>,
    /// The resources that the client has subscribed to, which the server forgets with the session.
    subscribed: BTreeSet<String>,
}

/// An open one.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// The server's name for it, where it gave one.
    pub(super) id: Option<String>,
    /// The revision agreed on.
    pub(super) version: String,
    /// The client's first message, to begin again with when the server has forgotten the session.
    pub(super) hello: Value,
}

impl Session {
    /// What is open now.
    pub(super) fn get(&self) -> Option<Open> {
        self.kept().open.clone()
    }

    /// The server answered a handshake.
    pub(super) fn set(&self, open: Open) {
        self.kept().open = Some(open);
    }

    /// Nothing is open any more.
    pub(super) fn forget(&self) {
        *self.kept() = Kept::default();
    }

    /// What the client has subscribed to.
    pub(super) fn subscribed(&self) -> BTreeSet<String> {
        self.kept().subscribed.clone()
    }

    /// The server has done what the client asked for: it may have changed what is subscribed to.
    pub(super) fn done(&self, method: &str, message: &Value) {
        let uri = message.pointer("/params/uri").and_then(Value::as_str).unwrap_or_default();
        let mut kept = self.kept();
        match method {
            "initialize" => kept.subscribed.clear(),
            "resources/subscribe" => _ = kept.subscribed.insert(uri.to_owned()),
            "resources/unsubscribe" => _ = kept.subscribed.remove(uri),
            _ => {}
        }
    }

    /// A subscription that the server would not repeat.
    pub(super) fn unsubscribed(&self, uri: &str) {
        self.kept().subscribed.remove(uri);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
