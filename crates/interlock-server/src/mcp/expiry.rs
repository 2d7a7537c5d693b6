//! Streams end with the token that they were asked with: whoever may still listen comes back with a new one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::StreamExt as _;

use crate::call::bearer;
use crate::context::State;

/// The longest time until the token is looked at again: clocks may be set.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Until the token of these headers is taken no more.
pub(super) fn expired(state: &Arc<State>, headers: &HeaderMap) -> impl Future<Output = ()> + Send + use<> {
    let state = Arc::clone(state);
    let token = bearer(headers).unwrap_or_default().to_owned();
    async move {
        while let Ok(left) = state.engine.issuer().time_left(&token) {
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }
}

/// The same answer, cut off at that time if it is a stream of events.
pub(super) fn until(end: impl Future<Output = ()> + Send + 'static, response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let stream = body.into_data_stream().take_until(Box::pin(end));
    Response::from_parts(parts, Body::from_stream(stream))
}

/// Whether an answer is a stream of events.
pub(super) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}
