//! The listener: loopback only, one key, bounded requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::faults::{Fault, Faults};
use crate::wire::{self, Wire};
use crate::{Conversation, brain};

/// Bytes of one request: a whole conversation with all its tool results.
pub const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests that are remembered for tests; the oldest go first.
const SEEN_MAX: usize = 256;
/// The pause when no connection can be taken, and before a stream is broken off.
const PAUSE: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, Broken>;

/// Why a stream ends in the middle: on purpose.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stream is broken off")
    }
}

impl std::error::Error for Broken {}

/// One request as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The path it came to.
    pub path: String,
    /// What was said by then.
    pub conversation: Conversation,
}

/// A running server. It ends with this.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    key: String,
    faults: Faults,
    seen: Mutex<Vec<Seen>>,
}

impl ScriptedModel {
    /// Serve on a free port of 127.0.0.1, with a fresh key.
    ///
    /// # Errors
    /// When the port or randomness cannot be had.
    pub async fn start() -> std::io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        let key = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { key, faults: Faults::default(), seen: Mutex::default() });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, serving })
    }

    /// `http://127.0.0.1:PORT`: Anthropic's and Google's base URL; OpenAI's is this and `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that callers must send.
    pub fn key(&self) -> &str {
        &self.shared.key
    }

    /// What its next answers do wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The requests it was sent, oldest first; the last 256.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: those served make room.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answer(&shared, request).await) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection.ended");
            }
        });
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (&Method::POST, Some(wire)) = (request.method(), Wire::at(&path, request.uri().query())) else {
        return plain(StatusCode::NOT_FOUND, &json!({"error": {"message": "there is nothing here"}}));
    };
    if key_of(request.headers()) != Some(shared.key.as_str()) {
        return plain(StatusCode::UNAUTHORIZED, &wire.error(401, "the key is not the one of this server"));
    }
    let Ok(body) = Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, &wire.error(413, "the request is too large"));
    };
    let bytes = body.to_bytes();
    let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
        return plain(StatusCode::BAD_REQUEST, &wire.error(400, "the request is no JSON"));
    };
    if wire == Wire::Count {
        return plain(StatusCode::OK, &json!({"input_tokens": wire::tokens(bytes.len())}));
    }
    let mut conversation = wire.read(&value);
    conversation.bytes = bytes.len();
    shared.remember(Seen { path, conversation: conversation.clone() });
    let mut is_broken = false;
    match shared.faults.take() {
        Some(Fault::Status(status)) => {
            let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return plain(code, &wire.error(status, "a fault was asked for"));
        }
        Some(Fault::Quota(left)) => return out_of_quota(wire, left),
        Some(Fault::Drop) => is_broken = true,
        Some(Fault::Delay(span)) => tokio::time::sleep(span).await,
        None => {}
    }
    let reply = brain::next(&conversation);
    if wire.wants_stream(&value) {
        return events(wire.stream(&conversation, &reply), is_broken);
    }
    let whole = wire.whole(&conversation, &reply);
    if is_broken { cut_off(&whole) } else { plain(StatusCode::OK, &whole) }
}

impl Shared {
    fn remember(&self, seen: Seen) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SEEN_MAX {
            all.remove(0);
        }
        all.push(seen);
    }
}

/// As either service's clients send it.
fn key_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    named("x-api-key").or_else(|| named("x-goog-api-key")).or(bearer)
}

/// When the quota is given again, where the clients of each service look for it.
fn out_of_quota(wire: Wire, left: Duration) -> Response<Body> {
    let at = std::time::SystemTime::now() + left;
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut error = wire.error(429, "the quota is used up");
    if let Some(error) =
        error.get_mut("error").and_then(Value::as_object_mut).filter(|_| wire == Wire::Responses)
    {
        // Codex reads a text there, or nothing.
        error.remove("code");
        error.extend([("type".into(), "usage_limit_reached".into()), ("resets_at".into(), at.into())]);
    }
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, &error);
    let told: [(&'static str, String); 7] = [
        ("x-codex-primary-used-percent", "100".into()),
        ("x-codex-primary-window-minutes", "300".into()),
        ("x-codex-primary-reset-at", at.to_string()),
        ("anthropic-ratelimit-unified-status", "rejected".into()),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour".into()),
        ("anthropic-ratelimit-unified-reset", at.to_string()),
        ("x-should-retry", "false".into()),
    ];
    for (name, value) in told {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn plain(status: StatusCode, value: &Value) -> Response<Body> {
    let body = Full::from(value.to_string()).map_err(|never| match never {}).boxed_unsync();
    respond(status, "application/json", body)
}

fn events(all: Vec<String>, is_broken: bool) -> Response<Body> {
    let keep = if is_broken { 1 } else { all.len() };
    let frames = all.into_iter().take(keep).map(Bytes::from).collect();
    respond(StatusCode::OK, "text/event-stream", body(frames, is_broken))
}

/// An answer in one piece that ends in its middle.
fn cut_off(value: &Value) -> Response<Body> {
    let mut text = value.to_string().into_bytes();
    text.truncate(text.len() / 2);
    respond(StatusCode::OK, "application/json", body(vec![Bytes::from(text)], true))
}

fn body(parts: Vec<Bytes>, is_broken: bool) -> Body {
    let frames = parts.into_iter().map(|part| Ok(Frame::data(part)));
    let end = stream::iter(is_broken.then_some(())).then(|()| async {
        // What was said before goes out first.
        tokio::time::sleep(PAUSE).await;
        Err(Broken)
    });
    http_body_util::BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames).chain(end)))
}

fn respond(status: StatusCode, media: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
