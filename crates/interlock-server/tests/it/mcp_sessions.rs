//! Sessions of MCP's older revisions: how many there are at once, and how long they last.

use std::time::Duration;

use axum::http::StatusCode;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::SUBSCRIBERS_OF_CALLER_MAX;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::rpc::{Era, LEGACY, Rpc};
use crate::world::{World, soon};

/// `MCP_SESSIONS_MAX` and `MCP_SESSION_SECONDS_MAX` of docs/limits.md.
const SESSIONS_MAX: usize = 1_000;
const SESSION_SECONDS_MAX: u64 = 3_600;

async fn lists(rpc: &Rpc<'_>) -> StatusCode {
    rpc.request("tools/list", json!({})).await.status
}

/// One session more than there may be ends the one that nobody used for longest, and no other.
#[tokio::test]
async fn the_session_unused_for_longest_makes_room() {
    let world = World::new().await;
    world.stage().await;
    let era = Era::Legacy(LEGACY);
    let first = Rpc::of(&world, era, Role::Participant).await;
    let second = Rpc::of(&world, era, Role::Participant).await;
    // Tokens of many, because each of them may ask only so often.
    for n in 2..SESSIONS_MAX {
        let token = world.token_of(&format!("agent-{}", n / 50), Role::Participant, world.here);
        Rpc::open(&world, era, &token).await;
    }
    for rpc in [&second, &first] {
        assert_eq!(lists(rpc).await, StatusCode::OK, "all of them have room");
    }
    let third = Rpc::of(&world, era, Role::Participant).await;
    for rpc in [&second, &first, &third] {
        assert_eq!(lists(rpc).await, StatusCode::OK, "what was used is kept");
    }
    // Whoever's session was ended begins a new one, and goes on.
    for n in 0..SESSIONS_MAX {
        let token = world.token_of(&format!("late-{}", n / 50), Role::Participant, world.here);
        Rpc::open(&world, era, &token).await;
    }
    assert_eq!(lists(&first).await, StatusCode::NOT_FOUND);
    let again = Rpc::of(&world, era, Role::Participant).await;
    assert_eq!(lists(&again).await, StatusCode::OK);
}

/// A client that went away without a word leaves nothing behind for ever.
#[tokio::test]
async fn a_session_without_a_request_ends() {
    let world = World::new().await;
    world.stage().await;
    let era = Era::Legacy(LEGACY);
    let (used, idle) =
        (Rpc::of(&world, era, Role::Participant).await, Rpc::of(&world, era, Role::Participant).await);
    let half = Duration::from_secs(SESSION_SECONDS_MAX / 2 + 60);
    pass(half).await;
    assert_eq!(lists(&used).await, StatusCode::OK);
    pass(half).await;
    assert_eq!(lists(&used).await, StatusCode::OK, "a request begins the time anew");
    let said = idle.request("tools/list", json!({})).await;
    assert_eq!(said.status, StatusCode::NOT_FOUND, "{said:?}");
}

/// Every timer on the way fires, and whoever it wakes gets their turn.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::timeout(time, std::future::pending::<()>()).await.unwrap_err();
    tokio::time::resume();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What the protocol has no error for is refused like everything else: by a code and a reason that stay the same.
#[tokio::test]
async fn requests_that_are_no_messages_are_refused_by_name() {
    let world = World::new().await;
    let token = world.token(Role::Participant);
    let call =
        || Ask::new("POST", "/mcp").token(&token).header("accept", "application/json, text/event-stream");
    for body in ["{\"jsonrpc\":", "[]", "\"x\"", "{\"id\": 1}"] {
        let said =
            call().header("content-type", "application/json; charset=utf-8").body(body).send(&world).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{body}: {}", said.text());
        let message: Value = serde_json::from_str(said.text()).unwrap();
        let error = &message["error"];
        assert_eq!(
            (&error["code"], &error["data"]["reason"]),
            (&json!(-32_700), &json!("BODY_MALFORMED")),
            "{body}"
        );
        assert_eq!(error["data"]["request_id"], said.request_id());
    }
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let text = call().header("content-type", "text/plain").body(ping.as_str());
    let unread = Ask::new("POST", "/mcp").token(&token).header("accept", "text/html").body(ping.as_str());
    let unread = unread.header("content-type", "application/json");
    let lost = call().header("content-type", "application/json").body(ping.as_str());
    let lost = lost.header("mcp-protocol-version", LEGACY).header("mcp-session-id", "no-such-session");
    let cases = [
        (text, StatusCode::UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE_UNSUPPORTED"),
        (unread, StatusCode::NOT_ACCEPTABLE, "PARAMETER_INVALID"),
        (lost, StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND"),
        (Ask::new("PUT", "/mcp").token(&token), StatusCode::METHOD_NOT_ALLOWED, "METHOD_UNSUPPORTED"),
    ];
    for (ask, status, reason) in cases {
        let said = ask.send(&world).await;
        assert_eq!(said.status, status, "{}", said.text());
        let problem: Value = serde_json::from_str(said.text()).unwrap();
        assert_eq!((&problem["status"], &problem["reason"]), (&json!(status.as_u16()), &json!(reason)));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert!(said.header("allow").contains("POST"), "which methods there are is still said");
        }
    }
}

/// Who listens takes a place, over MCP as over `/v1/events`: so many for one caller, and the others keep theirs.
#[tokio::test]
async fn one_caller_listens_so_often_at_once() {
    let world = World::new().await;
    let stage = world.stage().await;
    let uris = [format!("interlock://threads/{}", stage.thread)];
    let taken = async || {
        let text = Ask::new("GET", "/metrics").send(&world).await.text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("interlock_event_subscribers "));
        line.unwrap().parse::<usize>().unwrap()
    };
    let rpc = Rpc::of(&world, Era::Modern, Role::Participant).await;
    let mut open = Vec::new();
    for _ in 0..SUBSCRIBERS_OF_CALLER_MAX {
        let mut stream = rpc.listen(&uris).await;
        stream.next_of("notifications/subscriptions/acknowledged").await;
        open.push(stream);
    }
    soon(async { while taken().await < SUBSCRIBERS_OF_CALLER_MAX {} }).await;
    let params = json!({"notifications": {"resourceSubscriptions": uris}});
    let said = rpc.request("subscriptions/listen", params).await;
    assert_eq!(said.message["error"]["data"]["reason"], "SUBSCRIBERS_TOO_MANY", "{said:?}");
    let events = Ask::new("GET", "/v1/events?until_now=true");
    let own = events.clone().token(&world.token(Role::Participant));
    own.clone().send(&world).await.refused(Reason::SubscribersTooMany);
    let other = Rpc::of(&world, Era::Modern, Role::Coordinator).await;
    other.listen(&uris).await.next_of("notifications/subscriptions/acknowledged").await;
    open.pop();
    soon(async { while taken().await >= SUBSCRIBERS_OF_CALLER_MAX {} }).await;
    assert_eq!(own.send(&world).await.status, StatusCode::OK);
}
