//! What a client without a token is told (RFC 9728): which resource asks for one, and how it is sent.
//!
//! Tokens are issued on the command line and by no authorization server, so that none is named. Addresses are those by
//! which the client reached us; the guard has seen that they are ours.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use interlock_core::{Reason, Refusal};
use serde_json::json;

use crate::call::json;

/// Where the server as a whole is described.
pub(crate) const OF_SERVER: &str = "/.well-known/oauth-protected-resource";
/// Where the MCP endpoint is described.
pub(crate) const OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";

/// The server as a whole.
pub(crate) async fn server(headers: HeaderMap) -> Response {
    describe(&origin(&headers))
}

/// The MCP endpoint.
pub(crate) async fn mcp(headers: HeaderMap) -> Response {
    describe(&format!("{}/mcp", origin(&headers)))
}

fn describe(resource: &str) -> Response {
    let about =
        json!({"resource": resource, "resource_name": "Interlock", "bearer_methods_supported": ["header"]});
    json(StatusCode::OK, &about)
}

/// The same answer to a request at the MCP endpoint, with where to read on when it asks for a token.
pub(crate) fn challenged(mut response: Response, asked: &HeaderMap, refusal: &Refusal) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        let mut challenge = format!("Bearer resource_metadata=\"{}{OF_MCP}\"", origin(asked));
        if refusal.reason != Reason::TokenMissing {
            challenge.push_str(", error=\"invalid_token\"");
        }
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!("http://{host}")
}
