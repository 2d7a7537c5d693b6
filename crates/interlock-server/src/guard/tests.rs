//! What is refused before anything is looked at.

use axum::http::{HeaderMap, HeaderValue, header};
use interlock_core::Reason;

use super::check;

fn headers(lines: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:7070"));
    for _ in 1..lines {
        headers.append("x-more", HeaderValue::from_static("1"));
    }
    headers
}

#[test]
fn so_many_headers_and_no_more() {
    assert_eq!(check(&headers(64)), Ok(()));
    assert_eq!(check(&headers(65)).map_err(|refusal| refusal.reason), Err(Reason::HeadersTooLarge));
}
