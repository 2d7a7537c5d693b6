//! Event streams for clients older than the events they would be sent.
//!
//! Since 2025-11-25 a stream begins with an event without data, whose id a client can come back with. Clients of earlier
//! revisions take every event for a message: some end the connection over one that is empty.

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::StreamExt as _;

use super::expiry::is_stream;

/// The header that names the revision that was agreed on; absent in the request that agrees.
const VERSION: &str = "mcp-protocol-version";
/// The first revision with events that hold no data. Revisions are dates, so they sort as text.
const EMPTY_EVENTS_SINCE: &str = "2025-11-25";

/// Whether whoever sent these headers knows events without data.
pub(super) fn knows_empty_events(headers: &HeaderMap) -> bool {
    headers.get(VERSION).and_then(|value| value.to_str().ok()).is_some_and(|at| at >= EMPTY_EVENTS_SINCE)
}

/// The same answer without events that hold no data, if it is a stream of events.
pub(super) fn without_empty_events(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let mut filter = Filter::default();
    let stream = body.into_data_stream().filter_map(move |chunk| {
        let chunk = chunk.map(|chunk| filter.take(&chunk));
        std::future::ready((!chunk.as_ref().is_ok_and(Bytes::is_empty)).then_some(chunk))
    });
    Response::from_parts(parts, Body::from_stream(stream))
}

/// Lets whole events through; holds what has no end yet, which is at most the message that was sent anyway.
#[derive(Debug, Default)]
struct Filter {
    rest: Vec<u8>,
}

impl Filter {
    fn take(&mut self, chunk: &[u8]) -> Bytes {
        self.rest.extend_from_slice(chunk);
        let mut out = Vec::new();
        while let Some(at) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..at + 2).collect();
            if !is_empty(&event) {
                out.extend(event);
            }
        }
        out.into()
    }
}

/// Whether it is an event, and not a comment that keeps the line open, and holds no data.
fn is_empty(event: &[u8]) -> bool {
    let mut lines = event.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let is_comment = lines.clone().all(|line| line.starts_with(b":"));
    let has_data =
        lines.any(|line| line.strip_prefix(b"data:").is_some_and(|data| !data.trim_ascii().is_empty()));
    !is_comment && !has_data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_without_data_are_taken_out_however_they_come() {
        let text = "id: 0\nretry: 3000\ndata: \n\n:\n\nid: 1\ndata: {\"a\":1}\n\ndata:\n\ndata: {}\n\n";
        for size in 1..=text.len() {
            let mut filter = Filter::default();
            let got: Vec<u8> = text.as_bytes().chunks(size).flat_map(|chunk| filter.take(chunk)).collect();
            let got = String::from_utf8(got).unwrap();
            assert_eq!(got, ":\n\nid: 1\ndata: {\"a\":1}\n\ndata: {}\n\n", "in chunks of {size}");
        }
    }

    #[test]
    fn clients_know_them_by_the_revision_they_agreed_on() {
        let with = |version: &'static str| {
            HeaderMap::from_iter([(VERSION.parse().unwrap(), version.parse().unwrap())])
        };
        assert!(knows_empty_events(&with("2025-11-25")) && knows_empty_events(&with("2026-07-28")));
        assert!(!knows_empty_events(&with("2025-06-18")) && !knows_empty_events(&HeaderMap::new()));
    }
}
