//! The listener: slow senders, hostile bytes, and a stop that cuts nobody off.

use std::sync::Arc;

use interlock_api::operations as op;
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_engine::Engine;
use interlock_server::{Server, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{LONG_MS, World, call, says, soon};

async fn connects(world: &World) -> TcpStream {
    TcpStream::connect(world.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends these bytes and reads all that comes back.
async fn exchange(world: &World, bytes: &[u8]) -> String {
    let mut stream = connects(world).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that has heard enough may also just close.
    drop(soon(stream.read_to_end(&mut answer)).await);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_sender_that_never_ends_its_head_disturbs_nobody() {
    let world = World::new().await;
    let stage = world.stage().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = connects(&world).await;
        stream.write_all(b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nContent-Le").await.unwrap();
        slow.push(stream);
    }
    soon(says(&world.client(Role::Participant), stage.thread, "hello", "key")).await.unwrap();
    drop(slow);
}

#[tokio::test]
async fn bytes_that_are_no_http_are_answered_and_hung_up_on() {
    let world = World::new().await;
    assert!(
        exchange(&world, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no tls here\r\n\r\n")
            .await
            .contains("400")
    );
    assert!(exchange(&world, b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n").await.contains("400"));
    let many = format!(
        "GET /health HTTP/1.1\r\nHost: localhost\r\n{}Connection: close\r\n\r\n",
        "X-A: b\r\n".repeat(100)
    );
    let answer = exchange(&world, many.as_bytes()).await;
    assert!(answer.contains("431") && answer.contains(Reason::HeadersTooLarge.as_str()), "{answer}");
    let long = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: {}\r\n\r\n", "a".repeat(20_000));
    let answer =
        exchange(&world, format!("{}Connection: close\r\n\r\n", &long[..long.len() - 2]).as_bytes()).await;
    assert!(answer.contains("431") && answer.contains(Reason::HeadersTooLarge.as_str()), "{answer}");
    assert!(
        exchange(&world, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .contains("200")
    );
}

#[tokio::test]
async fn a_body_that_ends_before_its_end_changes_nothing() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    let token = world.token(Role::Coordinator);
    let head = format!(
        "POST /v1/threads/{}/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"body\":",
        stage.thread
    );
    let mut stream = connects(&world).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    drop(soon(stream.read_to_string(&mut answer)).await);
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_stop_ends_long_polls_at_once() {
    let world = World::new().await;
    let stage = world.stage().await;
    let reads = world.store.reads();
    let (member, keeper) = (world.client(Role::Participant), world.client(Role::Supervisor));
    let poll = tokio::spawn(async move {
        let params = json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": LONG_MS});
        call::<op::ReadMessages>(&member, &params, "").await
    });
    soon(world.store.reads_reach(reads + 2)).await;
    let pause = json!({"thread_id": stage.thread, "status": "blocked"});
    call::<op::UpdateThreadStatus>(&world.client(Role::Operator), &pause, "pause").await.unwrap();
    assert_eq!(soon(poll).await.unwrap().unwrap().messages.len(), 1);
    let (member, reads) = (world.client(Role::Participant), world.store.reads());
    let poll = tokio::spawn(async move {
        let params = json!({"thread_id": stage.thread, "after_seq": 2, "wait_ms": LONG_MS});
        call::<op::ReadMessages>(&member, &params, "").await
    });
    let claim = tokio::spawn(async move {
        let params = json!({"supervisor": "keeper", "incarnation": "1", "limit": 1, "wait_ms": LONG_MS});
        call::<op::ClaimWakes>(&keeper, &params, "").await
    });
    soon(world.store.reads_reach(reads + 3)).await;
    world.stops();
    assert!(soon(poll).await.unwrap().unwrap().messages.is_empty());
    let problem = soon(claim).await.unwrap().unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ServerStopping));
    soon(world.stopped()).await;
}

#[tokio::test]
async fn a_stop_lets_a_running_request_finish() {
    let world = World::new().await;
    let stage = world.stage().await;
    let store = Arc::clone(&world.store);
    let held = store.hold_batches().await;
    let (lead, batches) = (world.client(Role::Coordinator), store.batches());
    let post = tokio::spawn(async move { says(&lead, stage.thread, "the last", "key").await });
    soon(store.batches_reach(batches + 1)).await;
    world.stops();
    drop(held);
    assert_eq!(soon(post).await.unwrap().unwrap().seq, 2);
    let late = world.client(Role::Coordinator);
    let world = world.restart().await;
    let problem = call::<op::Inbox>(&late, &json!({}), "").await.unwrap_err();
    assert_eq!(problem.known_reason(), Some(Reason::ServerUnreachable));
    assert_eq!(
        crate::world::bodies(&world.client(Role::Auditor), stage.thread).await,
        ["please begin", "the last"]
    );
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_refused_with_its_reason() {
    let world = World::new().await;
    let bind = async |address: &str, engine: &Arc<Engine>| {
        let config = ServerConfig {
            engine: Arc::clone(engine),
            address: address.parse().unwrap(),
            limits: interlock_server::RateLimits::default(),
            webhooks: Arc::clone(&world.webhooks),
        };
        Server::bind(config).await.err().unwrap().reason
    };
    let taken = world.url.strip_prefix("http://").unwrap();
    assert_eq!(bind(taken, &world.engine).await, Reason::AddressOccupied);
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        assert_eq!(bind(open, &world.engine).await, Reason::ConfigInvalid);
    }
}
