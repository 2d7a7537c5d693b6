//! One HTTP exchange: a message there, its answers back, be they one object or a stream of events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use interlock_api::Problem;
use interlock_core::Reason;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::session::{Open, Session};
use super::target::Target;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
/// Where a message of the revision without sessions says which one it is.
const VERSION_POINTER: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";
/// The id of the requests that repeat a subscription.
const ANEW: &str = "interlock-anew";
/// The pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a session may take.
const END_MAX: Duration = Duration::from_secs(1);
/// Bytes of one event of a stream.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The way to the server.
#[derive(Debug)]
pub(super) struct Wire {
    http: reqwest::Client,
    target: Target,
}

impl Wire {
    /// To this server.
    ///
    /// # Errors
    /// When there is no HTTP client to be had.
    pub(super) fn new(target: Target) -> Result<Self, Problem> {
        Ok(Self { http: interlock_api::client::http()?, target })
    }

    /// Send a message; its answers go to `say`. A session that the server has forgotten is begun anew, once.
    ///
    /// # Errors
    /// What kept it from being answered.
    pub(super) async fn send(
        &self,
        session: &Session,
        message: &Value,
        say: impl Fn(Value),
    ) -> Result<(), Problem> {
        let before = session.get();
        let mut response = self.post(session, message).await?;
        if let Some(before) = before
            && response.status() == StatusCode::NOT_FOUND
            && is_in_session(message)
        {
            self.begin_anew(session, &before, &say).await?;
            response = self.post(session, message).await?;
        }
        greet(session, message, &response);
        let is_hello = method(message) == "initialize";
        let heard = |answer: Value| {
            if is_hello
                && let Some(version) = answer.pointer("/result/protocolVersion").and_then(Value::as_str)
            {
                let hello = message.clone();
                let id = session.get().and_then(|open| open.id);
                session.set(Open { id, version: version.to_owned(), hello });
            }
            if answer.get("result").is_some() && version_of(message).is_none() {
                session.done(method(message), message);
            }
            say(answer);
        };
        self.read(response, heard).await
    }

    /// Hear the session's own stream for as long as the session is open.
    pub(super) async fn stream(&self, session: &Session, say: impl Fn(Value)) {
        while let Some(open) = session.get().filter(|open| open.id.is_some()) {
            if let Err(problem) = self.stream_once(session, &open, &say).await {
                tracing::debug!(%problem, "bridge.stream_broke");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn stream_once(&self, session: &Session, open: &Open, say: &impl Fn(Value)) -> Result<(), Problem> {
        let (url, token) = self.target.now()?;
        let request = self.http.get(format!("{url}/mcp")).header("accept", "text/event-stream");
        let response =
            in_session(request, open).bearer_auth(token).send().await.map_err(|e| away(&url, &e))?;
        if response.status() == StatusCode::NOT_FOUND {
            // Whoever only listens would else wait for news for ever.
            return self.begin_anew(session, open, say).await;
        }
        self.read(response, say).await
    }

    /// End the session, if there is one; whoever is away needs no word.
    pub(super) async fn end(&self, session: &Session) {
        let (Some(open), Ok((url, token))) = (session.get(), self.target.now()) else { return };
        let request = in_session(self.http.delete(format!("{url}/mcp")), &open).bearer_auth(token);
        drop(request.timeout(END_MAX).send().await);
    }

    async fn post(&self, session: &Session, message: &Value) -> Result<Response, Problem> {
        let (url, token) = self.target.now()?;
        let mut request = self
            .http
            .post(format!("{url}/mcp"))
            .header("accept", "application/json, text/event-stream")
            .bearer_auth(token);
        if let Some(version) = version_of(message) {
            request = request.header(VERSION, version).header("mcp-method", method(message));
            let name = message.pointer("/params/name").or_else(|| message.pointer("/params/uri"));
            if let Some(name) = name.and_then(Value::as_str) {
                request = request.header("mcp-name", name);
            }
        } else if method(message) != "initialize"
            && let Some(open) = session.get()
        {
            request = in_session(request, &open);
        }
        request.json(message).send().await.map_err(|error| away(&url, &error))
    }

    /// The server restarted, or the session was unused for too long. Of several that meet it one begins the next session,
    /// in which the client hears of what it has subscribed to as before.
    async fn begin_anew(&self, session: &Session, over: &Open, say: &impl Fn(Value)) -> Result<(), Problem> {
        let _beginning = session.beginning.lock().await;
        let Some(open) = session.get().filter(|open| open.id == over.id) else { return Ok(()) };
        let response = self.post(session, &open.hello).await?;
        greet(session, &open.hello, &response);
        self.read(response, |_| {}).await?;
        let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.read(self.post(session, &note).await?, |_| {}).await?;
        for uri in session.subscribed() {
            self.subscribe_anew(session, &uri, say).await?;
        }
        Ok(())
    }

    /// Subscribe again. What happened in between was told to nobody: the client shall look.
    async fn subscribe_anew(
        &self,
        session: &Session,
        uri: &str,
        say: &impl Fn(Value),
    ) -> Result<(), Problem> {
        let params = json!({"uri": uri});
        let request =
            json!({"jsonrpc": "2.0", "id": ANEW, "method": "resources/subscribe", "params": params});
        let is_done = AtomicBool::new(false);
        let heard = |answer: Value| {
            is_done.fetch_or(answer.get("result").is_some(), Ordering::Relaxed);
        };
        self.read(self.post(session, &request).await?, heard).await?;
        if is_done.load(Ordering::Relaxed) {
            say(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params}));
        } else {
            tracing::warn!(uri, "bridge.subscription_refused");
            session.unsubscribed(uri);
        }
        Ok(())
    }

    async fn read(&self, mut response: Response, say: impl Fn(Value)) -> Result<(), Problem> {
        let broke = |error: &reqwest::Error| away("the server", error);
        let media =
            response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        if media.starts_with("text/event-stream") {
            let mut events = Events::default();
            while let Some(chunk) = response.chunk().await.map_err(|error| broke(&error))? {
                events.take(&chunk, &say)?;
            }
            return Ok(());
        }
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| broke(&error))?;
        if bytes.is_empty() && status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(message) if message.get("jsonrpc").is_some() => {
                say(message);
                Ok(())
            }
            Ok(problem) => Err(serde_json::from_value(problem).unwrap_or_else(|_| strange(status, &bytes))),
            Err(_) => Err(strange(status, &bytes)),
        }
    }
}

/// Whether a message belongs to a session.
fn is_in_session(message: &Value) -> bool {
    version_of(message).is_none() && method(message) != "initialize"
}

/// The answer to a handshake names the session.
fn greet(session: &Session, message: &Value, response: &Response) {
    if method(message) == "initialize" && response.status().is_success() {
        let id = response.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let asked = message.pointer("/params/protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let version = session.get().map_or_else(|| asked.to_owned(), |open| open.version);
        session.set(Open { id, version, hello: message.clone() });
    }
}

fn in_session(request: RequestBuilder, open: &Open) -> RequestBuilder {
    let request = request.header(VERSION, &open.version);
    match &open.id {
        Some(id) => request.header(SESSION, id),
        None => request,
    }
}

fn method(message: &Value) -> &str {
    message.get("method").and_then(Value::as_str).unwrap_or_default()
}

/// The revision that a message names itself, as those without sessions do.
pub(super) fn version_of(message: &Value) -> Option<&str> {
    message.pointer(VERSION_POINTER)?.as_str()
}

fn away(what: &str, error: &reqwest::Error) -> Problem {
    let detail = format!("{what} does not answer: {error}");
    Problem::new(Reason::ServerUnreachable, &detail, "").hint("start it with: interlock up")
}

fn strange(status: StatusCode, bytes: &[u8]) -> Problem {
    let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
    Problem::new(Reason::ServerUnreachable, &format!("the server answered {status}: {text}"), "")
}

/// A failure of our own, as the protocol says it.
pub(super) fn failure(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A problem as the protocol says it: with everything a program can branch on in its data.
pub(super) fn problem(id: &Value, problem: &Problem) -> Value {
    let error = json!({"code": -32_000, "message": problem.detail, "data": problem});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// Server-sent events, of which only the data matters here.
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
    data: String,
}

impl Events {
    fn take(&mut self, chunk: &[u8], say: impl Fn(Value)) -> Result<(), Problem> {
        self.rest.extend_from_slice(chunk);
        if self.rest.len() + self.data.len() > EVENT_BYTES_MAX {
            return Err(Problem::new(
                Reason::LimitExceeded,
                "an event of the server is larger than 16 MiB",
                "",
            ));
        }
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if line.is_empty() {
                // An event without data only keeps the line open.
                if let Ok(message) = serde_json::from_str(&std::mem::take(&mut self.data)) {
                    say(message);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn events_are_whole_however_they_arrive() {
        let text =
            b": ping\n\nid: 1\ndata: {\"a\":\r\ndata: 1}\r\n\r\nretry: 3\ndata:\n\ndata: {\"b\":2}\n\n";
        for size in 1..text.len() {
            let heard = RefCell::new(Vec::new());
            let mut events = Events::default();
            for chunk in text.chunks(size) {
                events.take(chunk, |message| heard.borrow_mut().push(message)).unwrap();
            }
            assert_eq!(heard.into_inner(), [json!({"a": 1}), json!({"b": 2})], "in chunks of {size}");
        }
    }

    #[test]
    fn a_message_without_sessions_names_its_revision() {
        let modern = json!({"params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}});
        assert_eq!(version_of(&modern), Some("2026-07-28"));
        assert_eq!(version_of(&json!({"method": "tools/list", "params": {}})), None);
    }
}
