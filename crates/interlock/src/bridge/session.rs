//! What the revisions with a handshake keep between requests.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A session of the server; none before the handshake, and with the revision that has none.
#[derive(Debug, Default)]
pub(super) struct Session(Mutex<Option<Open>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server answered a handshake.
    pub(super) fn set(&self, open: Open) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }

    /// Nothing is open any more.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
