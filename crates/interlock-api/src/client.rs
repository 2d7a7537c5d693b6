//! The typed HTTP client: one call per row of the operation table.
//!
//! Used by the CLI, the supervisor and the built-in agents. It never retries by itself except through
//! [`Client::call_until`], which repeats with the same idempotency key and so changes things once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use interlock_core::Reason;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value};

use crate::operation::{Method, Op, Operation};
use crate::operations::FollowEvents;
use crate::problem::Problem;
use crate::sse::Parser;
use crate::told::told;
use crate::v1::event::{CloudEvent, FollowEventsParams};

/// Bytes of an answer that the client takes in.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The pause before the first repetition; doubles up to [`PAUSE_MS_MAX`].
const PAUSE_MS: u64 = 50;
/// The longest pause between repetitions.
const PAUSE_MS_MAX: u64 = 1_000;
/// Time an answer may take beyond what the call itself waits for.
const ANSWER_MS_MAX: u64 = 30_000;
/// Time for which a stream of events may say nothing: three times what the server lets pass without a sign of life.
const SILENCE_MS_MAX: u64 = 45_000;

/// Warnings that are remembered so as to be told once: more than operations with ends will ever have. Further ones are not
/// told.
const WARNINGS_MAX: usize = 256;

/// What a stream of events says.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Go on after this position.
    pub after: String,
    /// The event; absent when only the position moved, past what is not for this subscriber.
    pub event: Option<CloudEvent>,
}

/// A server as one caller sees it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    /// One for all copies: whoever renews it renews it for all.
    token: Arc<RwLock<Option<String>>>,
    warn: Option<fn(&str)>,
    /// What was warned of; all copies say it once.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url` (`http://127.0.0.1:7070`, `https://interlock.example.org`) that sends this bearer
    /// token.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` when the URL is no `https://HOST[:PORT]` and no `http://HOST[:PORT]` of this machine: anywhere
    /// else the token would go over the network for everybody to read.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, Problem> {
        let url = url.trim_end_matches('/').to_owned();
        let http = match place(&url)? {
            Place::Here => http()?,
            Place::Encrypted => encrypted()?,
        };
        let token = Arc::new(RwLock::new(token));
        Ok(Self { http, url, token, warn: None, warned: Arc::default() })
    }

    /// The same, and whenever the server announces the end of something that is used, it is told here, once.
    #[must_use]
    pub fn warning(self, warn: fn(&str)) -> Self {
        Self { warn: Some(warn), ..self }
    }

    /// Send this token from now on, with all copies of this client.
    pub fn set_token(&self, token: String) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// The token that is sent.
    pub fn token(&self) -> Option<String> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Call an operation. Mutations need a key; the same key with the same parameters changes things once.
    ///
    /// # Errors
    /// The server's problem, or `SERVER_UNREACHABLE`.
    pub async fn call<O: Op>(&self, params: &O::Params, key: Option<&str>) -> Result<O::Response, Problem> {
        let bytes = self.call_bytes(&O::ROW, &to_map(params)?, key).await?;
        serde_json::from_slice(&bytes).map_err(|error| not_understood(&error))
    }

    /// Call an operation again and again while the server cannot be reached or says `UNAVAILABLE`, until the time is up.
    ///
    /// # Errors
    /// The last problem.
    pub async fn call_until<O: Op>(
        &self,
        params: &O::Params,
        key: Option<&str>,
        patience: Duration,
    ) -> Result<O::Response, Problem> {
        let start = tokio::time::Instant::now();
        let mut pause = PAUSE_MS;
        loop {
            match self.call::<O>(params, key).await {
                Err(problem) if problem.retryable && start.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    pause = (pause * 2).min(PAUSE_MS_MAX);
                }
                done => return done,
            }
        }
    }

    /// Call an operation by its row with untyped parameters; gives the answer's bytes.
    ///
    /// # Errors
    /// The server's problem, or `SERVER_UNREACHABLE`.
    pub async fn call_bytes(
        &self,
        row: &Operation,
        params: &Map<String, Value>,
        key: Option<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let mut response = self.send(row, params, key).await?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Problem::new(Reason::LimitExceeded, "the answer is larger than 64 MiB", ""));
            }
        }
        if status.is_success() { Ok(bytes) } else { Err(self.problem(status.as_u16(), &bytes)) }
    }

    /// Call an operation and hand its answer's bytes to `sink` as they arrive, however many they are.
    ///
    /// # Errors
    /// The server's problem, `SERVER_UNREACHABLE`, or what `sink` says.
    pub async fn stream<O: Op>(
        &self,
        params: &O::Params,
        mut sink: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut response = self.send(&O::ROW, &to_map(params)?, None).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
            return Err(self.problem(status, &bytes));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            sink(&chunk)?;
        }
        Ok(())
    }

    /// Follow the workspace's events from a position on, until the server ends the stream: come back then, with the last
    /// position.
    ///
    /// # Errors
    /// The server's problem, `SERVER_UNREACHABLE` also when nothing is heard for long, or what `sink` says.
    pub async fn follow(
        &self,
        params: &FollowEventsParams,
        mut sink: impl FnMut(Heard) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let map = to_map(params)?;
        let open = self.send(&FollowEvents::ROW, &map, None);
        let mut response = self.in_time(ANSWER_MS_MAX, open).await??;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
            return Err(self.problem(status, &bytes));
        }
        let mut parser = Parser::default();
        loop {
            let chunk = self.in_time(SILENCE_MS_MAX, response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|error| self.unreachable(&error))? else { return Ok(()) };
            for block in parser.push(&chunk).map_err(|error| not_understood(&error))? {
                let Some(after) = block.id else { continue };
                let event = block.data.map(|data| serde_json::from_str(&data)).transpose();
                sink(Heard { after, event: event.map_err(|error| not_understood(&error))? })?;
            }
        }
    }

    async fn in_time<T>(&self, ms: u64, answer: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::time::timeout(Duration::from_millis(ms), answer).await.map_err(|_| {
            let detail = format!("the server at {} has not been heard for {ms} ms", self.url);
            Problem::new(Reason::ServerUnreachable, &detail, "")
        })
    }

    async fn send(
        &self,
        row: &Operation,
        params: &Map<String, Value>,
        key: Option<&str>,
    ) -> Result<reqwest::Response, Problem> {
        let mut rest = params.clone();
        let mut path = String::new();
        for part in row.path.split('/').skip(1) {
            path.push('/');
            match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => path.push_str(&text(&rest.remove(name).unwrap_or_default())),
                None => path.push_str(part),
            }
        }
        let wait_ms = params.get("wait_ms").and_then(Value::as_u64).unwrap_or(0);
        let url = format!("{}{path}", self.url);
        let mut request = match row.method {
            Method::Get => {
                let query: Vec<(String, String)> =
                    rest.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), text(v))).collect();
                self.http.get(with_query(&url, &query))
            }
            Method::Post => self.http.post(url).json(&rest),
        };
        if row.media == crate::Media::Json {
            request = request.timeout(Duration::from_millis(wait_ms + ANSWER_MS_MAX));
        }
        if let Some(token) = self.token() {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if let (Some(warn), Some(text)) = (self.warn, told(response.headers(), row.id)) {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() < WARNINGS_MAX && warned.insert(text.clone()) {
                warn(&text);
            }
        }
        Ok(response)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Problem::new(
            Reason::ServerUnreachable,
            &format!("the server at {} does not answer: {cause}", self.url),
            "",
        )
        .hint("start it with: interlock up")
    }

    fn problem(&self, status: u16, bytes: &[u8]) -> Problem {
        serde_json::from_slice(bytes).unwrap_or_else(|_| {
            let detail = format!("{} answered {status} without problem details", self.url);
            Problem::new(Reason::ServerUnreachable, &detail, "").hint("is that an Interlock server?")
        })
    }
}

/// The way to a server, for every client of ours: straight there and never through a proxy that the environment names,
/// which would be handed the bearer token in the clear.
///
/// # Errors
/// `INTERNAL` when the system has nothing to make it of.
#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
pub fn http() -> Result<reqwest::Client, Problem> {
    // Plain addresses only: no certificates are read that nobody needs.
    build(reqwest::Client::builder().tls_backend_preconfigured(config(RootCertStore::empty())?))
}

/// The same to a server elsewhere, which must show a certificate that this machine believes.
#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
fn encrypted() -> Result<reqwest::Client, Problem> {
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be read vouch for nobody.
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let detail = "this machine has no certificates by which a server elsewhere could be known";
        return Err(Problem::new(Reason::ServerUnreachable, detail, "")
            .hint("install the package `ca-certificates`, or name a file with them in SSL_CERT_FILE"));
    }
    build(reqwest::Client::builder().https_only(true).tls_backend_preconfigured(config(roots)?))
}

fn config(roots: RootCertStore) -> Result<ClientConfig, Problem> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let config = config.map_err(|error| Problem::new(Reason::Defect, &format!("no TLS: {error}"), ""))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Problem> {
    let client = builder.connect_timeout(CONNECT_MAX).no_proxy().build();
    client.map_err(|error| Problem::new(Reason::Defect, &format!("no HTTP client: {error}"), ""))
}

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On this machine.
    Here,
    /// Behind TLS.
    Encrypted,
}

fn place(url: &str) -> Result<Place, Problem> {
    let wrong = |detail: String, hint: &str| Problem::new(Reason::ParameterInvalid, &detail, "").hint(hint);
    let is_host = |rest: &&str| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']);
    if url.strip_prefix("https://").as_ref().is_some_and(is_host) {
        return Ok(Place::Encrypted);
    }
    let Some(rest) = url.strip_prefix("http://").filter(is_host) else {
        let hint = "give https://HOST[:PORT], or http://127.0.0.1:PORT for a server on this machine";
        return Err(wrong(format!("`{url}` is no server address"), hint));
    };
    if is_here(rest) {
        return Ok(Place::Here);
    }
    let detail =
        format!("`{url}` is not encrypted and not on this machine: the token could be read on its way");
    Err(wrong(detail, "give https://HOST, or the near end of a tunnel: ssh -L 7070:127.0.0.1:7070 HOST"))
}

/// Whether `HOST[:PORT]` is this machine itself.
fn is_here(authority: &str) -> bool {
    let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let host = bracketed.map_or_else(|| authority.split(':').next().unwrap_or_default(), |(host, _)| host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn not_understood(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Reason::Defect, &format!("the answer is not understood: {error}"), "")
}

fn to_map<T: serde::Serialize>(params: &T) -> Result<Map<String, Value>, Problem> {
    match serde_json::to_value(params) {
        Ok(Value::Object(map)) => Ok(map),
        other => Err(Problem::new(Reason::Defect, &format!("parameters are no object: {other:?}"), "")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => encode(text),
        other => encode(&other.to_string()),
    }
}

fn with_query(url: &str, pairs: &[(String, String)]) -> String {
    let mut out = url.to_owned();
    for (n, (name, value)) in pairs.iter().enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        out.push_str(&encode(name));
        out.push('=');
        out.push_str(value);
    }
    out
}

/// Percent-encode everything but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_leave_this_machine_encrypted_only() {
        for url in ["http://127.0.0.1:7070", "http://localhost:1", "http://[::1]:7070", "http://127.8.9.1"] {
            assert_eq!(place(url).ok(), Some(Place::Here), "{url}");
        }
        for url in ["https://interlock.example.org", "https://10.0.0.5:8443"] {
            assert_eq!(place(url).ok(), Some(Place::Encrypted), "{url}");
        }
        for url in
            ["http://10.0.0.5:7070", "http://localhost.example.org", "http://[::2]:1", "http://0.0.0.0"]
        {
            let problem = place(url).unwrap_err();
            assert!(problem.detail.contains("not encrypted"), "{url}: {problem}");
        }
        for url in
            ["", "http://", "https://", "ftp://h", "https://h/path", "http://u@127.0.0.1", "127.0.0.1:7"]
        {
            assert_eq!(place(url).unwrap_err().known_reason(), Some(Reason::ParameterInvalid), "{url}");
        }
    }

    #[test]
    fn copies_of_a_client_share_its_token_and_show_it_to_nobody() {
        let client = Client::new("http://127.0.0.1:1", Some("old-secret".into())).unwrap();
        let copy = client.clone();
        client.set_token("new-secret".into());
        assert_eq!(copy.token().as_deref(), Some("new-secret"));
        assert!(!format!("{copy:?}").contains("secret"), "{copy:?}");
    }
}
