//! Which of several servers has a thread loaded: only that one can run a turn in it, or knows of one that runs.

use std::path::Path;
use std::time::Duration;

use interlock_core::id::SessionId;
use serde_json::{Value, json};

use super::message::{Incoming, notification, request};
use super::wire::Wire;
use crate::runtime::text::member;

/// How long a server may take to say so; one that takes longer has not.
const PROBE_MAX: Duration = Duration::from_secs(3);

/// Whether the server on this socket has the thread loaded.
pub(crate) async fn has_loaded(socket: &Path, thread: SessionId) -> bool {
    let status = tokio::time::timeout(PROBE_MAX, status(socket, thread)).await.ok().flatten();
    matches!(status.as_deref(), Some("idle" | "active" | "systemError"))
}

async fn status(socket: &Path, thread: SessionId) -> Option<String> {
    let mut wire = Wire::connect(socket).await.ok()?;
    let client = json!({"name": "interlock", "title": "Interlock", "version": env!("CARGO_PKG_VERSION")});
    let hello = json!({"clientInfo": client, "capabilities": {"experimentalApi": true}});
    ask(&mut wire, 1, "initialize", &hello).await?;
    wire.send(notification("initialized")).await.ok()?;
    let look = json!({"threadId": thread.to_uuid_text(), "includeTurns": false});
    let answer = ask(&mut wire, 2, "thread/read", &look).await?;
    Some(member(&answer, "/thread/status/type").to_owned())
}

async fn ask(wire: &mut Wire, id: u64, method: &str, params: &Value) -> Option<Value> {
    wire.send(request(id, method, params)).await.ok()?;
    loop {
        if let Incoming::Answer { id: answered, result } = wire.next().await?
            && answered == id
        {
            return result.ok();
        }
    }
}
