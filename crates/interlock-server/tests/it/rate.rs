//! A caller that asks too often: told when to come again, on every surface, while others are served.

use axum::http::StatusCode;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::{REQUEST_BYTES_CEILING, REQUEST_BYTES_MAX};
use interlock_server::RateLimits;
use serde_json::{Value, json};

use crate::ask::{Ask, fresh};
use crate::world::World;

/// More requests than a caller of these tests may make while they are sent.
const MANY: usize = 50;

async fn strict() -> World {
    let limits = json!({"requests_per_second_max": 1, "requests_burst_max": 2});
    World::with_limits(serde_json::from_value::<RateLimits>(limits).unwrap()).await
}

/// A configuration may let more through than the default, on every surface, and never less.
#[tokio::test]
async fn bodies_may_be_as_large_as_the_configuration_says() {
    let bytes_max = 2 * REQUEST_BYTES_MAX;
    let limits = |bytes: usize| serde_json::from_value::<RateLimits>(json!({"request_bytes_max": bytes}));
    for wrong in [0, REQUEST_BYTES_MAX - 1, REQUEST_BYTES_CEILING + 1] {
        assert!(limits(wrong).unwrap_err().to_string().contains("is not from 65536 to 16777216 bytes"));
    }
    let world = World::with_limits(limits(bytes_max).unwrap()).await;
    let token = world.token(Role::Coordinator);
    for path in ["/v1/threads", "/mcp"] {
        for (bytes, is_taken) in [(bytes_max, true), (bytes_max + 1, false)] {
            let body = vec![b' '; bytes];
            let ask = Ask::new("POST", path).token(&token).header("content-type", "application/json");
            let ask = ask
                .header("accept", "application/json, text/event-stream")
                .header("content-length", bytes.to_string());
            let answer = ask.body(body).send(&world).await;
            assert_eq!(answer.status != StatusCode::PAYLOAD_TOO_LARGE, is_taken, "{path} {bytes}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_again() {
    let world = strict().await;
    let token = world.token(Role::Participant);
    let mut refused = 0;
    for n in 0..MANY {
        let answer = Ask::new("GET", "/v1/threads").token(&token).send(&world).await;
        match answer.reason() {
            None => continue,
            Some(reason) => assert_eq!(reason, Reason::RequestsTooFrequent),
        }
        assert!(n >= 2, "two at once are allowed");
        refused += 1;
        let problem: Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!((answer.status.as_u16(), &problem["code"]), (429, &json!("RATE_LIMITED")));
        assert!((1..=1_000).contains(&problem["retry_after_ms"].as_u64().unwrap()), "{problem}");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(refused > 0, "nothing was refused");
}

#[tokio::test]
async fn others_are_served_and_nothing_is_written_for_who_is_refused() {
    let world = strict().await;
    let lead = world.token(Role::Coordinator);
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..MANY {
        let open = Ask::new("POST", "/v1/threads").json(&json!({"title": "t"})).key(&fresh("key"));
        match open.token(&lead).send(&world).await.reason() {
            None => opened += 1,
            Some(_) => refused += 1,
        }
    }
    assert!(refused > 0, "nothing was refused");
    assert_eq!(world.ledger().await.len(), opened);
    let other = world.token(Role::Participant);
    Ask::new("GET", "/v1/threads").token(&other).send(&world).await.done();
}

#[tokio::test]
async fn the_tools_count_with_the_rest() {
    let world = strict().await;
    let token = world.token(Role::Participant);
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let mut reasons = Vec::new();
    for _ in 0..MANY {
        let ask = Ask::new("POST", "/mcp").token(&token).json(&list);
        let answer = ask.header("accept", "application/json, text/event-stream").send(&world).await;
        if answer.status.as_u16() == 429 {
            reasons.push(answer.reason().unwrap());
        }
    }
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| *reason == Reason::RequestsTooFrequent));
}
