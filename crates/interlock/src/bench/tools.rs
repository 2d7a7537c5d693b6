//! What a call costs as an MCP tool beyond the same call over HTTP: the protocol's envelope, its checks, the copy as text.
//!
//! Reading one thread, over one connection each, in turns; the revision without sessions, as its clients send it.

use std::fmt::Write as _;

use interlock_api::Problem;
use serde_json::json;

use super::drive::{self, Span};
use super::report::Pair;
use super::stage::Address;
use super::stats::Spread;

/// So many pairs of medians in milliseconds: HTTP as the anchor, MCP as ours.
///
/// # Errors
/// When the server does not answer, or refuses.
pub(crate) async fn measure(address: &Address, pairs: usize, span: Span) -> Result<Vec<Pair>, Problem> {
    let mut measured = Vec::new();
    for _ in 0..pairs {
        let http = drive::repeat(&address.host, over_http(address), 1, span).await?;
        let mcp = drive::repeat(&address.host, over_mcp(address), 1, span).await?;
        measured.push(Pair { anchor: Spread::of(http.took_ms).p50, ours: Spread::of(mcp.took_ms).p50 });
    }
    Ok(measured)
}

fn over_http(address: &Address) -> Vec<u8> {
    let Address { host, thread, tokens, .. } = address;
    let token = tokens.first().map_or("", String::as_str);
    format!("GET /v1/threads/{thread} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

fn over_mcp(address: &Address) -> Vec<u8> {
    let Address { host, thread, tokens, .. } = address;
    let token = tokens.first().map_or("", String::as_str);
    let version = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "get_thread", "arguments": {"thread_id": thread}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let mut text = String::from("POST /mcp HTTP/1.1\r\n");
    for (name, value) in [
        ("Host", host.as_str()),
        ("Authorization", &format!("Bearer {token}")),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", version),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "get_thread"),
        ("Content-Length", &body.len().to_string()),
    ] {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{name}: {value}\r\n");
    }
    format!("{text}\r\n{body}").into_bytes()
}
