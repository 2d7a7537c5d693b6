//! A person at a terminal of Codex, as its server sees one: another client of the same thread.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A connection that has greeted the server.
pub(crate) struct Person<'r> {
    runtime: &'r tokio::runtime::Runtime,
    socket: WebSocketStream<UnixStream>,
    next_id: u64,
    /// What was told and not asked for.
    told: Vec<Value>,
}

impl<'r> Person<'r> {
    /// `None` while nobody listens there.
    pub(crate) fn at(runtime: &'r tokio::runtime::Runtime, path: &Path) -> Option<Self> {
        let socket = runtime.block_on(async {
            let stream = UnixStream::connect(std::fs::canonicalize(path).ok()?).await.ok()?;
            tokio_tungstenite::client_async("ws://localhost/", stream).await.ok()
        });
        let mut person = Self { runtime, socket: socket?.0, next_id: 1, told: Vec::new() };
        let client = json!({"name": "person", "title": null, "version": "0"});
        person.ask("initialize", &json!({"clientInfo": client, "capabilities": {"experimentalApi": true}}));
        person.send(&json!({"method": "initialized"}));
        Some(person)
    }

    fn send(&mut self, message: &Value) {
        let sent = self.socket.send(Message::text(message.to_string()));
        self.runtime.block_on(sent).unwrap();
    }

    fn hear(&mut self) -> Value {
        loop {
            let message = self.runtime.block_on(self.socket.next()).expect("the server is there").unwrap();
            if let Message::Text(text) = message {
                return serde_json::from_str(text.as_str()).unwrap();
            }
        }
    }

    /// Ask the server, and give its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"id": id, "method": method, "params": params}));
        loop {
            let message = self.hear();
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.told.push(message);
        }
    }

    /// Open the thread, as a terminal does.
    pub(crate) fn opens(&mut self, thread: &str) -> Value {
        self.ask("thread/resume", &json!({"threadId": thread, "excludeTurns": true}))
    }

    /// Send words; gives the id of the turn that they are in.
    pub(crate) fn says(&mut self, thread: &str, text: &str) -> String {
        let input = json!([{"type": "text", "text": text, "text_elements": []}]);
        let answer = self.ask("turn/start", &json!({"threadId": thread, "input": input}));
        answer["turn"]["id"].as_str().unwrap().to_owned()
    }

    /// The turns of a thread, newest first.
    pub(crate) fn turns(&mut self, thread: &str) -> Vec<Value> {
        let params = json!({"threadId": thread, "limit": 50, "itemsView": "full"});
        self.ask("thread/turns/list", &params)["data"].as_array().unwrap().clone()
    }
}
