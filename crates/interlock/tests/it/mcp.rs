//! `interlock mcp`: the protocol on standard input and output, passed to the running server.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::site::Site;
use crate::stub::{Reply, Stub};
use crate::wait::PATIENCE;

/// A client's end of the bridge.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    next: u64,
    /// Heard while something else was waited for.
    heard: Vec<Value>,
}

impl Client {
    fn start(site: &Site, name: &str) -> Self {
        Self::run(&mut site.command(&["mcp", "--as", name]))
    }

    fn run(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in std::io::BufRead::lines(output).map_while(Result::ok) {
                // Nothing but the protocol may stand there.
                let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines, next: 0, heard: Vec::new() }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = format!("r{}", self.next);
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.until(|message| message["id"] == id.as_str())
    }

    fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&is_it) {
            return self.heard.remove(at);
        }
        loop {
            let message = self.lines.recv_timeout(PATIENCE).expect("an answer comes");
            if is_it(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    fn shakes_hands(&mut self) {
        let client = json!({"name": "raw", "version": "1"});
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        assert_eq!(self.request("initialize", &hello)["result"]["serverInfo"]["name"], "interlock");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }

    fn tool(&mut self, name: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({"name": name, "arguments": arguments}))
    }

    /// Closes its end; gives the exit code of the bridge.
    fn ends(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().unwrap().code()
    }
}

/// A person's own program takes part: lists, reads, posts, hears of changes; and after a restart of the server it goes on.
#[test]
fn a_client_takes_part_through_the_bridge_and_outlives_a_restart() {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    site.ask(&["agent", "add", "anna-codex"]);
    let thread = site.ask(&["thread", "create", "A job", "--with", "anna-codex"])["thread_id"].clone();
    let thread = thread.as_str().unwrap();
    site.ask(&["thread", "post", thread, "good morning"]);
    let mut client = Client::start(&site, "anna-codex");
    client.shakes_hands();
    let tools = client.request("tools/list", &json!({}));
    assert!(tools["result"]["tools"].as_array().unwrap().len() >= 10, "{tools}");
    let inbox = client.tool("inbox", &json!({}));
    assert_eq!(inbox["result"]["structuredContent"]["threads"][0]["thread_id"], thread);
    client.request("resources/subscribe", &json!({"uri": format!("interlock://threads/{thread}")}));
    let post = json!({"thread_id": thread, "body": "here I am", "idempotency_key": "one"});
    assert_eq!(client.tool("post_message", &post)["result"]["isError"], false);
    let update = client.until(|message| message["method"] == "notifications/resources/updated");
    assert!(update["params"]["uri"].as_str().unwrap().ends_with(thread));

    site.run(&["stop"]).ok();
    drop(server);
    let away = client.tool("inbox", &json!({}));
    assert_eq!(away["error"]["data"]["code"], "CONFLICT", "nobody runs there now, and it says so: {away}");
    let _server = site.up(&[]);
    let again = client.tool("read_messages", &json!({"thread_id": thread}));
    let messages = again["result"]["structuredContent"]["messages"].as_array().unwrap().clone();
    assert_eq!(messages.last().unwrap()["from"], "anna-codex", "{again}");
    // It is told to look, since what happened meanwhile was told to nobody, and then hears as before.
    let is_update = |message: &Value| message["method"] == "notifications/resources/updated";
    client.until(is_update);
    site.ask(&["thread", "post", thread, "welcome back"]);
    let update = client.until(is_update);
    assert!(update["params"]["uri"].as_str().unwrap().ends_with(thread));
    assert_eq!(client.ends(), Some(0));
}

/// The revision without sessions goes through as it is.
#[test]
fn the_stateless_revision_passes_the_bridge() {
    let site = Site::with_instance("");
    let server = site.up(&["--server-only"]);
    site.ask(&["agent", "add", "anna-claude"]);
    let mut client = Client::start(&site, "anna-claude");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = client.request("server/discover", &json!({"_meta": meta}));
    assert!(found["result"]["supportedVersions"].is_array(), "{found}");
    let call = json!({"name": "heartbeat_session", "arguments": {}, "_meta": meta});
    let beat = client.request("tools/call", &call);
    assert_eq!(beat["result"]["structuredContent"]["agent"], "anna-claude", "{beat}");
    client.send(&json!("no object"));
    let wrong = client.until(|message| message.get("error").is_some());
    assert_eq!(wrong["error"]["code"], -32_700);
    assert_eq!(client.ends(), Some(0));
    site.run(&["stop"]).ok();
    drop(server);
    let log = std::fs::read_to_string(site.path(".interlock/logs/server.log")).unwrap();
    let targets: Vec<_> =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["target"].clone()).collect();
    let ours = |target: &Value| target.as_str().is_some_and(|target| target.starts_with("interlock"));
    assert!(
        targets.len() > 2 && targets.iter().all(ours),
        "a line for each request, and no other: {targets:?}"
    );
}

/// The token goes to the server alone, whatever the environment names as a proxy.
#[test]
fn no_proxy_is_told_anything() {
    let site = Site::with_instance("");
    let _server = site.up(&["--server-only"]);
    site.ask(&["agent", "add", "anna-codex"]);
    let proxy = Stub::always(502, json!({}));
    let mut client = Client::run(site.command(&["mcp", "--as", "anna-codex"]).envs(proxy.as_proxy()));
    client.shakes_hands();
    let inbox = client.tool("inbox", &json!({}));
    assert_eq!(inbox["result"]["isError"], false, "{inbox}");
    assert_eq!(client.ends(), Some(0));
    assert!(proxy.asked().is_empty(), "a proxy was told: {:?}", proxy.asked());
}

/// A server that has forgotten the session is greeted once, however many requests meet it, and told of the subscriptions.
#[test]
fn a_forgotten_session_is_begun_anew_once() {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let stub = Stub::new(move |asked| {
        let said = |result: Value| json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result});
        let now = if over.load(Ordering::SeqCst) { "two" } else { "one" };
        match (asked.body["method"].as_str(), asked.session.as_deref()) {
            (Some("initialize"), _) => {
                let server = json!({"name": "interlock", "version": "1"});
                Reply::InSession(now, said(json!({"protocolVersion": "2025-11-25", "serverInfo": server})))
            }
            (_, session) if session != Some(now) => Reply::Json(404, json!({})),
            (None, _) => Reply::Bytes(Vec::new(), false),
            _ => Reply::Json(200, said(json!({}))),
        }
    });
    let site = Site::new();
    let mut command = site.command(&["mcp", "--server", &stub.url]);
    let mut client = Client::run(command.env("INTERLOCK_TOKEN", "made up"));
    client.shakes_hands();
    for uri in ["interlock://threads/a", "interlock://threads/b", "interlock://threads/c"] {
        client.request("resources/subscribe", &json!({"uri": uri}));
    }
    client.request("resources/unsubscribe", &json!({"uri": "interlock://threads/b"}));
    is_over.store(true, Ordering::SeqCst);
    for n in 0..8 {
        client.send(&json!({"jsonrpc": "2.0", "id": n, "method": "tools/list"}));
    }
    for n in 0..8 {
        assert!(client.until(|message| message["id"] == n).get("result").is_some());
    }
    for uri in ["interlock://threads/a", "interlock://threads/c"] {
        client.until(|message| message["params"]["uri"] == uri);
    }
    assert_eq!(client.ends(), Some(0));
    let asked = stub.asked();
    let of = |method: &str| asked.iter().filter(|one| one.body["method"] == method).collect::<Vec<_>>();
    assert_eq!(of("initialize").len(), 2, "one greeting for each session");
    let again: Vec<_> = of("resources/subscribe").into_iter().skip(3).collect();
    let again: Vec<_> = again
        .iter()
        .map(|one| (one.session.as_deref(), one.body["params"]["uri"].as_str().unwrap()))
        .collect();
    assert_eq!(again, [(Some("two"), "interlock://threads/a"), (Some("two"), "interlock://threads/c")]);
}

#[test]
fn whoever_is_not_registered_has_no_bridge() {
    let site = Site::with_instance("");
    let _server = site.up(&["--server-only"]);
    site.run(&["mcp", "--as", "nobody"]).failed(1, "AGENT_NOT_FOUND");
}
