//! MCP as it goes over the wire: plain JSON-RPC over HTTP, no SDK, one client for each era.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use interlock_core::actor::Role;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::ask::fresh;
use crate::world::{World, soon};

/// The revision without sessions.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest revision with a handshake.
pub(crate) const LEGACY: &str = "2025-11-25";

/// Which rules a client speaks by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Modern,
    /// With this revision.
    Legacy(&'static str),
}

/// One client with one token.
pub(crate) struct Rpc<'w> {
    world: &'w World,
    era: Era,
    token: String,
    session: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) session: Option<String>,
    pub(crate) message: Value,
    /// As it came.
    pub(crate) text: String,
}

impl Said {
    /// The result of a request that was answered.
    pub(crate) fn result(&self) -> &Value {
        assert!(self.message.get("result").is_some(), "{} {}", self.status, self.message);
        &self.message["result"]
    }

    /// The code of a request that was refused by the protocol.
    pub(crate) fn error_code(&self) -> i64 {
        self.message["error"]["code"].as_i64().unwrap_or_else(|| panic!("{} {}", self.status, self.message))
    }
}

impl<'w> Rpc<'w> {
    /// A client that is ready to call tools: with a handshake where its era has one.
    pub(crate) async fn open(world: &'w World, era: Era, token: &str) -> Self {
        let mut rpc = Self { world, era, token: token.to_owned(), session: None };
        if let Era::Legacy(version) = era {
            let client = json!({"name": "raw", "version": "1"});
            let hello = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
            let said = rpc.request("initialize", hello).await;
            assert_eq!(said.result()["protocolVersion"], version);
            rpc.session = said.session;
            assert!(rpc.session.is_some(), "this era has sessions");
            let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            let response = rpc.post(&note, "notifications/initialized", None).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED);
        }
        rpc
    }

    /// The same session with somebody else's token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { world: self.world, era: self.era, token: token.to_owned(), session: self.session.clone() }
    }

    /// As whoever goes by the name of this role.
    pub(crate) async fn of(world: &'w World, era: Era, role: Role) -> Self {
        Self::open(world, era, &world.token(role)).await
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Said {
        let name =
            params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
        let message = self.message(method, params);
        let response = self.post(&message, method, name.as_deref()).await;
        let session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        let status = response.status();
        let bytes = soon(response.into_body().collect()).await.unwrap().to_bytes();
        let text = std::str::from_utf8(&bytes).unwrap().to_owned();
        Said { status, session, message: last_message(&text), text }
    }

    /// Call a tool; gives its structured content, and whether it is an error.
    pub(crate) async fn tool(&self, name: &str, arguments: Value) -> (Value, bool) {
        let said = self.request("tools/call", json!({"name": name, "arguments": arguments})).await;
        let result = said.result();
        let structured = result["structuredContent"].clone();
        let copy: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(copy, structured, "the text is a copy");
        fits(name, &structured);
        (structured, result["isError"] == true)
    }

    /// The names of the tools that are shown.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let said = self.request("tools/list", json!({})).await;
        let tools = said.result()["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The messages of a stream that stays open: the session's own, or the answer of `subscriptions/listen`.
    pub(crate) async fn listen(&self, uris: &[String]) -> Stream {
        if self.era != Era::Modern {
            for uri in uris {
                self.request("resources/subscribe", json!({"uri": uri})).await.result();
            }
        }
        let response = self.open_stream(uris).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The same with another token of whoever opened the session; nothing when that token is not taken any more.
    pub(crate) async fn listen_with(&self, token: &str, uris: &[String]) -> Option<Stream> {
        let response = self.with_token(token).open_stream(uris).await;
        let is_open = response.status() == StatusCode::OK;
        is_open.then(|| Stream { body: response.into_body().into_data_stream(), text: String::new() })
    }

    async fn open_stream(&self, uris: &[String]) -> Response {
        match self.era {
            Era::Modern => {
                let params = json!({"notifications": {"resourceSubscriptions": uris}});
                let message = self.message("subscriptions/listen", params);
                self.post(&message, "subscriptions/listen", None).await
            }
            Era::Legacy(_) => {
                let request = self.head("GET").header("accept", "text/event-stream");
                self.world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
            }
        }
    }

    /// End the session.
    pub(crate) async fn end(&self) -> StatusCode {
        let request = self.head("DELETE").body(Body::empty()).unwrap();
        self.world.router.clone().oneshot(request).await.unwrap().status()
    }

    fn message(&self, method: &str, mut params: Value) -> Value {
        if self.era == Era::Modern {
            let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
            let meta: &mut Map<String, Value> = meta.as_object_mut().unwrap();
            meta.insert("io.modelcontextprotocol/protocolVersion".into(), MODERN.into());
            meta.insert("io.modelcontextprotocol/clientCapabilities".into(), json!({}));
        }
        json!({"jsonrpc": "2.0", "id": fresh("id"), "method": method, "params": params})
    }

    fn head(&self, method: &str) -> axum::http::request::Builder {
        let version = match self.era {
            Era::Modern => MODERN,
            Era::Legacy(version) => version,
        };
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {}", self.token))
            .header("mcp-protocol-version", version);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request
    }

    async fn post(&self, message: &Value, method: &str, name: Option<&str>) -> Response {
        let mut request = self
            .head("POST")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if self.era == Era::Modern {
            request = request.header("mcp-method", method);
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        let request = request.body(Body::from(message.to_string())).unwrap();
        soon(self.world.router.clone().oneshot(request)).await.unwrap()
    }
}

/// Whether the answer of a tool, also one that was refused, is what its output schema says: clients check it.
#[track_caller]
fn fits(tool: &str, structured: &Value) {
    static SCHEMAS: LazyLock<BTreeMap<String, jsonschema::Validator>> = LazyLock::new(|| {
        let document = interlock_server::tools_document();
        let of = |tool: &Value| {
            let validator = jsonschema::draft202012::new(&tool["outputSchema"]).unwrap();
            (tool["name"].as_str().unwrap().to_owned(), validator)
        };
        document["tools"].as_array().unwrap().iter().map(of).collect()
    });
    let found: Vec<_> = SCHEMAS[tool].iter_errors(structured).map(|error| error.to_string()).collect();
    assert_eq!(found, Vec::<String>::new(), "{tool}: {structured}");
}

/// The last message of an answer, be it one object or a stream of events; null when there is none.
fn last_message(text: &str) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
    events.filter_map(|data| serde_json::from_str(data.trim()).ok()).next_back().unwrap_or_default()
}

/// Notifications as they come.
pub(crate) struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    /// Until it has ended by itself.
    pub(crate) async fn ended(mut self) {
        while let Some(chunk) = soon(self.body.next()).await {
            chunk.unwrap();
        }
    }

    /// What comes next, as it comes; the messages in it are still to be read.
    pub(crate) async fn chunk(&mut self) -> String {
        let chunk = soon(self.body.next()).await.expect("the stream goes on").unwrap();
        let text = std::str::from_utf8(&chunk).unwrap();
        self.text.push_str(text);
        text.to_owned()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let found =
                    line.strip_prefix("data:").and_then(|data| serde_json::from_str(data.trim()).ok());
                let rest = rest.to_owned();
                self.text = rest;
                if let Some(value) = found {
                    return value;
                }
            }
            self.chunk().await;
        }
    }

    /// The next message with this method.
    pub(crate) async fn next_of(&mut self, method: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["method"] == method {
                return message;
            }
        }
    }
}
