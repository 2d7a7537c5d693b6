//! A server by script: hands out the wakes it is given, and writes down what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One request that was answered, or taken in with its answer thrown away.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `claim`, `renew` or `report`.
    pub(crate) kind: &'static str,
    /// The wake of a report.
    pub(crate) wake_id: String,
    /// The idempotency key.
    pub(crate) key: String,
    /// The body.
    pub(crate) body: Value,
}

/// What the server does, for tests to change at any time.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What the next claims are answered with.
    pub(crate) wakes: VecDeque<Value>,
    /// All agents are to be stopped.
    pub(crate) is_halted: bool,
    /// Every connection is closed before it is read.
    pub(crate) is_down: bool,
    /// Calls of these kinds are taken in, and then the connection is closed.
    pub(crate) unanswered: BTreeSet<&'static str>,
    /// Calls of these kinds are refused with this problem.
    pub(crate) refused: BTreeMap<&'static str, (u16, Value)>,
    /// Reports of these steps are refused with this problem.
    pub(crate) refused_steps: BTreeMap<&'static str, (u16, Value)>,
    /// Wakes that count as accepted.
    pub(crate) accepted: BTreeSet<String>,
    /// Wakes that renewals no longer name.
    pub(crate) lost: BTreeSet<String>,
    /// The tokens that are taken; absent = all.
    pub(crate) taken: Option<BTreeSet<String>>,
    /// Calls with others.
    pub(crate) turned_away: u32,
    /// Tokens that were renewed, and how long each holds.
    pub(crate) renewed: u32,
    pub(crate) ttl_ms: u64,
    /// What came in.
    pub(crate) calls: Vec<Call>,
}

impl Script {
    fn renew_token(&mut self) -> (u16, Value) {
        self.renewed += 1;
        let token = format!("renewed-{}", self.renewed);
        if let Some(taken) = &mut self.taken {
            taken.insert(token.clone());
        }
        (200, json!({ "token": token, "ttl_ms": self.ttl_ms }))
    }

    /// The calls of a kind.
    pub(crate) fn of(&self, kind: &str) -> Vec<Call> {
        self.calls.iter().filter(|call| call.kind == kind).cloned().collect()
    }

    /// The reports, each once and as short as can be: `started`, `accepted`, or how it ended.
    pub(crate) fn reports(&self) -> Vec<String> {
        let mut keys = BTreeSet::new();
        let fresh =
            self.calls.iter().filter(|call| call.kind == "report").filter(|call| keys.insert(&call.key));
        fresh.map(|call| short(&call.body["report"])).collect()
    }
}

fn short(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = &report["outcome"];
    match report["step"].as_str() {
        Some("accepted") => format!("accepted by {}", text(&report["evidence"])),
        Some("ended") => match (&outcome["code"], &outcome["signal"]) {
            (Value::Null, Value::Null) => text(&outcome["kind"]),
            (Value::Null, signal) => format!("signalled {signal}"),
            (code, _) => format!("exited {code}"),
        },
        _ => text(&report["step"]),
    }
}

/// A problem as the server words it.
pub(crate) fn problem(status: u16, code: &str, reason: &str) -> (u16, Value) {
    let body = json!({
        "type": "", "title": "", "status": status, "detail": "refused by script", "code": code, "reason": reason,
        "retryable": false, "request_id": "",
    });
    (status, body)
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its address.
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    /// Start one on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { url: format!("http://{}", listener.local_addr().unwrap()), script: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    /// Its script.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        if self.script().is_down {
            return None;
        }
        let mut stream = BufReader::new(stream);
        let Request { path, token, key, body } = read_request(&mut stream).await?;
        let (status, answer) = self.answer(&path, &token, key, &body)?;
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            text.len()
        );
        stream.write_all(format!("{head}{text}").as_bytes()).await.ok()
    }

    fn answer(&self, path: &str, token: &str, key: String, body: &Value) -> Option<(u16, Value)> {
        let mut script = self.script();
        // A server that went down meanwhile has not seen it.
        if script.is_down {
            return None;
        }
        if script.taken.as_ref().is_some_and(|taken| !taken.contains(token)) {
            script.turned_away += 1;
            return Some(problem(401, "UNAUTHORIZED", "TOKEN_EXPIRED"));
        }
        if path == "/v1/tokens/renew" {
            return Some(script.renew_token());
        }
        let (kind, wake_id) = match path.strip_prefix("/v1/wakes/")? {
            "claim" => ("claim", ""),
            "renew" => ("renew", ""),
            rest => ("report", rest.strip_suffix("/report")?),
        };
        script.calls.push(Call { kind, wake_id: wake_id.into(), key, body: body.clone() });
        if script.unanswered.contains(kind) {
            return None;
        }
        if let Some(refusal) = script.refused.get(kind) {
            return Some(refusal.clone());
        }
        let step = body["report"]["step"].as_str().unwrap_or_default();
        if let Some(refusal) = script.refused_steps.get(step) {
            return Some(refusal.clone());
        }
        let halt = script.is_halted;
        Some((
            200,
            match kind {
                "claim" => {
                    let limit =
                        usize::try_from(body["limit"].as_u64().unwrap()).unwrap().min(script.wakes.len());
                    let wakes: Vec<Value> =
                        if halt { Vec::new() } else { script.wakes.drain(..limit).collect() };
                    json!({ "wakes": wakes, "halt": halt })
                }
                "renew" => {
                    let held = body["wakes"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|wake| wake["wake_id"].as_str().unwrap());
                    let kept: Vec<Value> = held
                        .filter(|id| !script.lost.contains(*id))
                        .map(|id| json!({ "wake_id": id, "is_accepted": script.accepted.contains(id) }))
                        .collect();
                    json!({ "wakes": kept, "halt": halt })
                }
                _ => crate::rig::wake_view(wake_id, "any"),
            },
        ))
    }
}

struct Request {
    path: String,
    token: String,
    key: String,
    body: Value,
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut token, mut key, mut length) = (String::new(), String::new(), 0);
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().trim_start_matches("Bearer ").clone_into(&mut token),
            "idempotency-key" => value.trim().clone_into(&mut key),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { path, token, key, body: serde_json::from_slice(&body).ok()? })
}
