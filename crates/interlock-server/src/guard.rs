//! What every request passes first: an id, bounded headers, our own host, and a line in the log after.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State as AxumState};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use interlock_core::{Reason, Refusal};

use crate::call::refuse;
use crate::context::State;

/// Bytes of all header names and values together.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Header lines of a request.
const HEADER_LINES_MAX: usize = 64;
/// Characters of a request id that a caller chose.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// The id of a request, in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// The middleware.
pub(crate) async fn guard(
    AxumState(state): AxumState<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let request_id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let mut response = match check(request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(RequestId(request_id.clone()));
            next.run(request).await
        }
        Err(refusal) => refuse(&refusal, &request_id),
    };
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let status = response.status().as_u16();
    let elapsed = start.elapsed();
    state.metrics.observe(&route, method.as_str(), status, elapsed);
    let duration_ms = elapsed.as_secs_f64() * 1_000.0;
    // Written after the answer: a task of its own runs when this one has nothing more to do.
    tokio::spawn(async move {
        tracing::info!(request_id, %method, route, status, duration_ms, "request");
    });
    response
}

/// The caller's id when it is a harmless one, else ours.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    given
        .filter(|text| is_request_id(text))
        .map_or_else(|| interlock_engine::random_token().unwrap_or_default(), str::to_owned)
}

/// Whether a text can be a request's id.
pub(crate) fn is_request_id(text: &str) -> bool {
    (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(Refusal::new(
            Reason::HeadersTooLarge,
            format!("the headers have {bytes} bytes, at most {HEADER_BYTES_MAX} are allowed"),
        ));
    }
    // Values and not names: a name may come several times.
    if headers.len() > HEADER_LINES_MAX {
        return Err(Refusal::new(
            Reason::HeadersTooLarge,
            format!("the request has {} headers, at most {HEADER_LINES_MAX} are allowed", headers.len()),
        ));
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    // A page in a browser may reach loopback through a name of its own: only our names are answered.
    let foreign = || Refusal::new(Reason::CrossOrigin, "the request's Host or Origin is not this server");
    if !is_loopback(host) {
        return Err(foreign());
    }
    match headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("")) {
        Some(origin) if !origin.strip_prefix("http://").is_some_and(is_loopback) => Err(foreign()),
        _ => Ok(()),
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests;
