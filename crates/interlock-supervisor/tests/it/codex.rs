//! A server of Codex by script, with one thread: it runs turns that end when the test says so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt as _, StreamExt as _};
use interlock_core::id::SessionId;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// The thread that it has.
pub(crate) const THREAD: SessionId = SessionId::from_u128(7);

/// One turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    id: String,
    /// Whose messages stand in it, by the names that their clients gave them.
    said: Vec<Value>,
    /// `inProgress`, or how it ended.
    pub(crate) status: String,
}

impl Turn {
    fn view(&self) -> Value {
        let item = |id: &Value| json!({"type": "userMessage", "clientId": id, "content": []});
        let items: Vec<Value> = self.said.iter().map(item).collect();
        json!({"id": self.id, "status": self.status, "error": null, "items": items})
    }
}

#[derive(Debug, Default)]
struct State {
    turns: Vec<Turn>,
    is_loaded: bool,
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct Codex {
    /// Where it listens.
    pub(crate) socket: PathBuf,
    state: Arc<Mutex<State>>,
    told: broadcast::Sender<String>,
}

impl Codex {
    /// Start one where the background server of this CODEX_HOME listens.
    pub(crate) fn start(home: &Path) -> Self {
        let socket = home.join("app-server-control/app-server-control.sock");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let codex = Self { socket, state: Arc::default(), told: broadcast::channel(64).0 };
        let serving = codex.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let codex = serving.clone();
                tokio::spawn(async move { codex.serve(stream).await });
            }
        });
        codex
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The turns, oldest first.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.state().turns.clone()
    }

    /// The status of the last turn.
    pub(crate) fn status(&self) -> String {
        self.state().turns.last().map(|turn| turn.status.clone()).unwrap_or_default()
    }

    /// A turn runs in which these have said something.
    pub(crate) fn runs(&self, said: &[&str]) {
        let mut state = self.state();
        let id = format!("turn-{}", state.turns.len());
        let said = said.iter().map(|id| json!(id)).collect();
        state.is_loaded = true;
        state.turns.push(Turn { id, said, status: "inProgress".into() });
    }

    /// The turn that runs ends so.
    pub(crate) fn ends(&self, status: &str) {
        let mut state = self.state();
        let turn = state.turns.last_mut().unwrap();
        assert_eq!(turn.status, "inProgress");
        status.clone_into(&mut turn.status);
        self.tell("turn/completed", json!({"turn": turn.view()}));
    }

    fn tell(&self, method: &str, mut params: Value) {
        params["threadId"] = THREAD.to_uuid_text().into();
        // Nobody may be connected.
        let _unheard = self.told.send(json!({"method": method, "params": params}).to_string());
    }

    async fn serve(self, stream: UnixStream) -> Option<()> {
        let mut told = self.told.subscribe();
        let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
        loop {
            let text = tokio::select! {
                heard = socket.next() => {
                    let Ok(Message::Text(text)) = heard? else { continue };
                    let message: Value = serde_json::from_str(text.as_str()).unwrap();
                    let Some(id) = message.get("id") else { continue };
                    let method = message["method"].as_str().unwrap();
                    match self.answer(method, &message["params"]) {
                        Ok(result) => json!({"id": id, "result": result}).to_string(),
                        Err(why) => json!({"id": id, "error": {"code": -32600, "message": why}}).to_string(),
                    }
                }
                Ok(text) = told.recv() => text,
            };
            socket.send(Message::text(text)).await.ok()?;
        }
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, &'static str> {
        Ok(match method {
            "thread/read" => json!({"thread": self.thread()}),
            "thread/turns/list" => {
                let newest: Vec<Value> = self.state().turns.last().map(Turn::view).into_iter().collect();
                json!({"data": newest, "nextCursor": null})
            }
            "thread/resume" => {
                self.state().is_loaded = true;
                json!({"thread": self.thread()})
            }
            "mcpServerStatus/list" => {
                json!({"data": [{"name": "interlock_wake", "tools": {"ack_read": {}}}]})
            }
            "turn/start" => {
                let name = params["clientUserMessageId"].clone();
                self.runs(&[name.as_str().unwrap()]);
                let turn = self.state().turns.last().unwrap().view();
                self.tell("turn/started", json!({"turn": turn}));
                let item = json!({"turnId": turn["id"], "item": turn["items"][0]});
                self.tell("item/started", item.clone());
                self.tell("item/completed", item);
                json!({"turn": turn})
            }
            "turn/interrupt" => {
                let runs = self.state().turns.last().filter(|turn| turn.status == "inProgress").cloned();
                if runs.is_none_or(|turn| turn.id != params["turnId"]) {
                    return Err("no active turn to interrupt");
                }
                self.ends("interrupted");
                json!({})
            }
            _ => json!({}),
        })
    }

    fn thread(&self) -> Value {
        let state = self.state();
        let is_active = state.turns.last().is_some_and(|turn| turn.status == "inProgress");
        let status = match (state.is_loaded, is_active) {
            (_, true) => "active",
            (true, false) => "idle",
            (false, false) => "notLoaded",
        };
        json!({"id": THREAD.to_uuid_text(), "status": {"type": status}})
    }
}
