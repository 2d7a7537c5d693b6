//! Refusals of the protocol's SDK that are bare text: given a code, a reason and a hint like every other refusal.

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use interlock_api::Problem;
use interlock_core::{Reason, Refusal};
use serde_json::json;

use crate::call::with_body;

/// Bytes of such a text; the SDK's are short.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// JSON-RPC's own code for what is no message.
const PARSE_ERROR: i32 = -32_700;

/// Whether whoever sends these headers says that a body is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media(headers).eq_ignore_ascii_case("application/json")
}

/// The same answer; where it refuses in bare text, as problem details, or as an error of JSON-RPC where the body was to be
/// a message and was none.
pub(super) async fn worded(response: Response, has_sent_json: bool, request_id: &str) -> Response {
    let status = response.status();
    if !(status.is_client_error() && is_bare(response.headers())) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = match to_bytes(body, TEXT_BYTES_MAX).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) => format!("refused in words that cannot be read: {error}"),
    };
    let mut answer = refused(status, &text, has_sent_json, request_id);
    // What it says besides its text still holds, such as which methods there are.
    for (name, value) in &parts.headers {
        if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

fn refused(status: StatusCode, text: &str, has_sent_json: bool, request_id: &str) -> Response {
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE && has_sent_json {
        let refusal = Refusal::new(Reason::BodyMalformed, "the body is no JSON-RPC message");
        let problem = Problem::of(&refusal, request_id);
        let error = json!({"code": PARSE_ERROR, "message": problem.detail, "data": problem});
        let message = json!({"jsonrpc": "2.0", "id": null, "error": error});
        return with_body(StatusCode::BAD_REQUEST, "application/json", message.to_string());
    }
    let refusal = Refusal::new(reason(status), text);
    // The protocol says which status; the reason says the rest.
    let problem = Problem { status: status.as_u16(), ..Problem::of(&refusal, request_id) };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    with_body(status, "application/problem+json", body)
}

const fn reason(status: StatusCode) -> Reason {
    match status {
        StatusCode::FORBIDDEN => Reason::CrossOrigin,
        StatusCode::NOT_FOUND => Reason::RouteNotFound,
        StatusCode::METHOD_NOT_ALLOWED => Reason::MethodUnsupported,
        StatusCode::PAYLOAD_TOO_LARGE => Reason::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Reason::MediaTypeUnsupported,
        _ => Reason::ParameterInvalid,
    }
}

/// Whether an answer has no form that a client reads: neither JSON nor a stream.
fn is_bare(headers: &HeaderMap) -> bool {
    let media = media(headers);
    !media.ends_with("json") && media != "text/event-stream"
}

fn media(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
