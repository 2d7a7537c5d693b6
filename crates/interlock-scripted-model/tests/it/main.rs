//! The server as programs see it, over a socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

use interlock_scripted_model::{Fault, ScriptedModel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends a request and reads everything that comes.
async fn send(model: &ScriptedModel, path: &str, key: &str, body: &str) -> String {
    let host = model.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const HELLO: &str = r#"{"stream":true,"input":[{"type":"message","role":"user","content":"hello"}]}"#;

#[tokio::test]
async fn it_listens_here_and_answers_whoever_has_its_key() {
    let model = ScriptedModel::start().await.unwrap();
    assert!(model.url().starts_with("http://127.0.0.1:"));
    let answer = send(&model, "/v1/responses", model.key(), HELLO).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("You said: hello"), "{answer}");
    assert!(answer.contains("response.completed"));
    let refused = send(&model, "/v1/responses", "guess", HELLO).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    assert!(send(&model, "/v1/models", model.key(), "{}").await.starts_with("HTTP/1.1 404"));
    assert!(send(&model, "/v1/messages", model.key(), "no json").await.starts_with("HTTP/1.1 400"));
    let counted = send(&model, "/v1/messages/count_tokens", model.key(), "{\"a\":1}").await;
    assert!(counted.ends_with("{\"input_tokens\":2}"), "{counted}");
    assert_eq!(model.seen().len(), 1, "those that were understood are remembered");
    let another = ScriptedModel::start().await.unwrap();
    assert_ne!(another.key(), model.key());
}

#[tokio::test]
async fn faults_come_in_order_and_then_no_more() {
    let model = ScriptedModel::start().await.unwrap();
    model.faults().next([Fault::Status(429), Fault::Drop]);
    assert!(send(&model, "/v1/responses", model.key(), HELLO).await.starts_with("HTTP/1.1 429"));
    let broken = send(&model, "/v1/responses", model.key(), HELLO).await;
    assert!(broken.contains("response.created") && !broken.contains("response.completed"), "{broken}");
    assert!(send(&model, "/v1/responses", model.key(), HELLO).await.contains("response.completed"));
    model.faults().always(Some(Fault::Status(500)));
    for _ in 0..3 {
        assert!(send(&model, "/v1/responses", model.key(), HELLO).await.starts_with("HTTP/1.1 500"));
    }
}

/// What a program asks, each in its own way: path, request, and how the answer begins and ends when it is streamed.
const OTHERS: [(&str, &str, &str, &str); 2] = [
    (
        "/v1beta/models/any:streamGenerateContent?alt=sse",
        r#"{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}"#,
        "You said: hello",
        "\"finishReason\":\"STOP\"",
    ),
    (
        "/v1/chat/completions",
        r#"{"stream":true,"messages":[{"role":"user","content":"hello"}]}"#,
        "You said: hello",
        "data: [DONE]",
    ),
];

#[tokio::test]
async fn whatever_is_spoken_has_the_same_answers_and_the_same_faults() {
    let model = ScriptedModel::start().await.unwrap();
    for (path, request, beginning, end) in OTHERS {
        let answer = send(&model, path, model.key(), request).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/event-stream"), "{answer}");
        assert!(answer.contains(beginning) && answer.contains(end), "{answer}");
        assert!(send(&model, path, "guess", request).await.starts_with("HTTP/1.1 401"), "{path}");
        model.faults().next([Fault::Status(503), Fault::Drop]);
        let refused = send(&model, path, model.key(), request).await;
        assert!(
            refused.starts_with("HTTP/1.1 503") && refused.contains("a fault was asked for"),
            "{refused}"
        );
        let broken = send(&model, path, model.key(), request).await;
        assert!(broken.contains(beginning) && !broken.contains(end), "{broken}");
    }
    for (path, request, words) in [
        ("/v1beta/models/any:generateContent", OTHERS[0].1, "\"candidatesTokenCount\""),
        (
            "/v1/chat/completions",
            r#"{"messages":[{"role":"user","content":"hello"}]}"#,
            "\"completion_tokens\"",
        ),
    ] {
        let whole = send(&model, path, model.key(), request).await;
        assert!(whole.contains("application/json") && whole.contains("You said: hello"), "{whole}");
        assert!(whole.contains(words), "what was used is counted: {whole}");
        model.faults().next([Fault::Drop]);
        assert!(!send(&model, path, model.key(), request).await.contains(words), "{path}");
    }
}
