//! The fixtures stand beside the product's own tools, and behind its authentication.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

/// The program, ended with its standard input.
struct Program {
    child: Child,
    url: String,
    token: String,
}

impl Program {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock-conformance"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self { child, url: text("url"), token: text("token") }
    }

    async fn ask(&self, method: &str, params: Value, token: &str) -> (StatusCode, Value) {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let client = interlock_api::client::http().unwrap();
        let request = client
            .post(format!("{}/mcp", self.url))
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let (status, said) = self.ask("tools/call", params, &self.token).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        said["result"].clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn fixtures_answer_beside_the_products_own_tools() {
    let program = Program::start();
    let (_, listed) = program.ask("tools/list", json!({}), &program.token).await;
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    for name in ["create_thread", "list_threads", "test_simple_text", "json_schema_2020_12_tool"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }

    let arguments = json!({"title": "a job", "participants": [], "idempotency_key": "one"});
    program.call("create_thread", arguments).await;
    let threads = program.call("list_threads", json!({})).await;
    assert_eq!(threads["structuredContent"]["threads"][0]["title"], "a job");
    let text = program.call("test_simple_text", json!({})).await;
    assert_eq!(text["content"][0]["text"], "This is a simple text response for testing.");
}

#[tokio::test]
async fn nobody_reaches_a_fixture_without_a_token() {
    let program = Program::start();
    let params = json!({"name": "test_simple_text", "arguments": {}});
    let (status, said) = program.ask("tools/call", params, "nonsense").await;
    assert_eq!((status, &said["reason"]), (StatusCode::UNAUTHORIZED, &"TOKEN_INVALID".into()));
}
