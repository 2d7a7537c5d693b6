//! The stdio bridge: MCP on standard input and output, passed to the running server's `/mcp` and back.
//!
//! It is a client like any other and never opens the database. One message a line in both directions; standard output
//! carries the protocol and nothing else. [`target`] knows where the server is and who we are, [`wire`] is one HTTP
//! exchange, [`session`] what the older revisions keep between requests. A server that is away is an error for the
//! request that met it, not the end: the next request finds the server again.

mod session;
mod target;
mod wire;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interlock_api::Problem;
use interlock_core::Reason;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

use crate::exit::Failure;
use crate::output::Output;
use session::Session;
pub(crate) use target::Target;
use wire::Wire;

/// Bytes of one message from the client.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// How long answers that are under way may take once standard input has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pass messages on until standard input ends.
///
/// # Errors
/// When standard output cannot be written, or there is no HTTP client to be had.
pub(crate) async fn run(target: Target) -> Result<(), Failure> {
    let (out, mut lines) = unbounded_channel::<Value>();
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(message) = lines.blocking_recv() {
            Output::line(&message)?;
        }
        Ok::<(), Failure>(())
    });
    let bridge = Arc::new(Bridge {
        wire: Wire::new(target)?,
        session: Session::default(),
        out,
        running: Mutex::default(),
    });
    let mut input = BufReader::new(tokio::io::stdin());
    let mut tasks = JoinSet::new();
    while let Some(line) = next_line(&mut input).await {
        bridge.take(&line, &mut tasks).await;
        while tasks.try_join_next().is_some() {}
    }
    let answers = async { while tasks.join_next().await.is_some() {} };
    // Whoever closed its end waits for nothing; streams would never end.
    drop(tokio::time::timeout(FAREWELL, answers).await);
    bridge.wire.end(&bridge.session).await;
    tasks.abort_all();
    bridge.session.forget();
    while tasks.join_next().await.is_some() {}
    drop(bridge);
    writer.await.unwrap_or(Ok(()))
}

/// Shake hands as a client of this name, and leave nothing open at the server.
///
/// # Errors
/// What kept the server from doing it.
pub(crate) async fn shakes_hands(target: Target, client: &str) -> Result<(), Problem> {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": client, "version": "1"},
    }});
    let (wire, session, agreed) = (Wire::new(target)?, Session::default(), Cell::new(false));
    let heard = |answer: Value| agreed.set(answer.get("result").is_some());
    let sent = wire.send(&session, &hello, heard).await;
    wire.end(&session).await;
    sent?;
    if agreed.get() {
        return Ok(());
    }
    Err(Problem::new(Reason::ServerUnreachable, "the server refuses the handshake", ""))
}

/// The next line, without its end; one that is too long comes as an empty one, which is no message.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let read = (&mut *input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await.ok()?;
    if read == 0 {
        return None;
    }
    if line.last() != Some(&b'\n') && line.len() as u64 >= LINE_BYTES_MAX {
        loop {
            let rest = input.fill_buf().await.ok()?;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(rest.len(), |end| end + 1);
            let is_over = end.is_some() || count == 0;
            input.consume(count);
            if is_over {
                break;
            }
        }
        line.clear();
    }
    Some(String::from_utf8_lossy(&line).trim().to_owned())
}

/// What messages pass through.
struct Bridge {
    wire: Wire,
    session: Session,
    out: UnboundedSender<Value>,
    /// Requests under way, by the text of their ids.
    running: Mutex<BTreeMap<String, AbortHandle>>,
}

impl Bridge {
    /// Take one message of the client.
    async fn take(self: &Arc<Self>, line: &str, tasks: &mut JoinSet<()>) {
        let message = match serde_json::from_str::<Value>(line) {
            Ok(message) if message.is_object() => message,
            _ if line.is_empty() => {
                return self.say(wire::failure(&Value::Null, -32_700, "a message is empty or too long"));
            }
            _ => {
                return self.say(wire::failure(
                    &Value::Null,
                    -32_700,
                    "a message is one JSON object on one line",
                ));
            }
        };
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
        let is_modern = wire::version_of(&message).is_some();
        if method == "notifications/cancelled" && is_modern {
            // Without sessions a request is cancelled by closing its answer.
            return self.cancel(&message);
        }
        if matches!(method, "initialize" | "notifications/initialized") {
            // What comes next depends on it.
            self.exchange(message.clone()).await;
            if method == "notifications/initialized" {
                tasks.spawn(Arc::clone(self).stream());
            }
            return;
        }
        let id = message.get("id").map(Value::to_string);
        // Held meanwhile: an answer that is there at once must find its request to take out.
        let mut running = self.running();
        let handle = tasks.spawn(Arc::clone(self).answer(message));
        if let Some(id) = id {
            running.insert(id, handle);
        }
    }

    async fn answer(self: Arc<Self>, message: Value) {
        let id = message.get("id").map(Value::to_string);
        self.exchange(message).await;
        if let Some(id) = id {
            self.running().remove(&id);
        }
    }

    async fn exchange(&self, message: Value) {
        let id = message.get("id").cloned();
        let sent = self.wire.send(&self.session, &message, |answer| self.say(answer)).await;
        // A notification has nobody to be told.
        if let (Err(problem), Some(id)) = (sent, id) {
            self.say(wire::problem(&id, &problem));
        }
    }

    /// The session's own stream, opened again when it breaks.
    async fn stream(self: Arc<Self>) {
        self.wire.stream(&self.session, |message| self.say(message)).await;
    }

    fn cancel(&self, message: &Value) {
        let id = message.pointer("/params/requestId").map(Value::to_string).unwrap_or_default();
        if let Some(handle) = self.running().remove(&id) {
            handle.abort();
        }
    }

    fn say(&self, message: Value) {
        // The writer is gone when nobody reads; then standard input ends soon.
        drop(self.out.send(message));
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_taken_one_by_one_and_long_ones_left_out() {
        let long = "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap() + 5);
        let text = format!("{{\"a\":1}}\n{long}\n  two  \nlast");
        let mut input = BufReader::new(text.as_bytes());
        for wanted in ["{\"a\":1}", "", "two", "last"] {
            assert_eq!(next_line(&mut input).await.as_deref(), Some(wanted));
        }
        assert_eq!(next_line(&mut input).await, None);
    }
}
