//! Which of several servers has a thread loaded: only that one can run a turn in it, or knows of one that runs.

use std::path::Path;
use std::time::Duration;

use interlock_core::id::SessionId;
use serde_json::{Value, json};

use super::message::{Incoming, Refused, notification, request};
use super::wire::Wire;
use crate::runtime::text::member;

/// How long a server may take to say so; one that takes longer has not.
const PROBE_MAX: Duration = Duration::from_secs(3);

/// Whether the server on this socket has the thread loaded. One that does not say so has not, and the log says why.
pub(crate) async fn has_loaded(socket: &Path, thread: SessionId) -> bool {
    let told = look(socket, thread).await;
    if let Err(why) = &told {
        tracing::warn!(socket = %socket.display(), thread = %thread.to_uuid_text(), why, "codex_server.not_asked");
    }
    told.unwrap_or(false)
}

/// The same, or why nobody can tell.
pub(crate) async fn look(socket: &Path, thread: SessionId) -> Result<bool, String> {
    match tokio::time::timeout(PROBE_MAX, status(socket, thread)).await {
        Ok(status) => Ok(matches!(status?.as_str(), "idle" | "active" | "systemError")),
        Err(_) => Err(format!("no answer within {} s", PROBE_MAX.as_secs())),
    }
}

/// What the thread does there, or why nobody can tell.
async fn status(socket: &Path, thread: SessionId) -> Result<String, String> {
    let mut wire =
        Wire::connect(socket).await.map_err(|error| format!("it cannot be connected to: {error}"))?;
    greet(&mut wire).await?;
    let look = json!({"threadId": thread.to_uuid_text(), "includeTurns": false});
    Ok(match ask(&mut wire, 2, "thread/read", &look).await? {
        Ok(answer) => member(&answer, "/thread/status/type").to_owned(),
        // A thread that it has not loaded it may not even know.
        Err(_) => "notLoaded".to_owned(),
    })
}

/// Say who we are.
pub(super) async fn greet(wire: &mut Wire) -> Result<(), String> {
    let greeted = ask(wire, 1, "initialize", &super::greeting()).await?;
    greeted.map_err(|refused| format!("it refuses initialize: {}", refused.message))?;
    send(wire, notification("initialized")).await
}

async fn send(wire: &mut Wire, text: String) -> Result<(), String> {
    wire.send(text).await.map_err(|error| format!("nothing can be sent to it: {error}"))
}

/// What came of a request: the answer, or a refusal.
pub(super) async fn ask(
    wire: &mut Wire,
    id: u64,
    method: &str,
    params: &Value,
) -> Result<Result<Value, Refused>, String> {
    send(wire, request(id, method, params)).await?;
    loop {
        match wire.next().await {
            Some(Incoming::Answer { id: answered, result }) if answered == id => {
                return Ok(result);
            }
            Some(_) => {}
            None => return Err(format!("it ended the connection before it answered {method}")),
        }
    }
}
