//! What watches the server: health, readiness, metrics, keys.

use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_store::Store as _;
use interlock_testkit::faults::Fault;
use serde_json::json;

use crate::ask::Ask;
use crate::world::{World, says};

fn get(uri: &str) -> Ask {
    Ask::new("GET", uri)
}

#[tokio::test]
async fn a_server_whose_store_is_down_lives_but_is_not_ready_and_recovers() {
    let world = World::new().await;
    let stage = world.stage().await;
    get("/ready").send(&world).await.done();
    world.store.set_down(true);
    assert_eq!(get("/health").send(&world).await.done()["status"], "ok");
    get("/ready").send(&world).await.refused(Reason::StoreUnavailable);
    let token = world.token(Role::Coordinator);
    let read = || get(&format!("/v1/threads/{}", stage.thread)).token(&token);
    read().send(&world).await.refused(Reason::StoreUnavailable);
    let post = || {
        let uri = format!("/v1/threads/{}/messages", stage.thread);
        Ask::new("POST", &uri).token(&token).key("key").json(&json!({"body": "hello"}))
    };
    post().send(&world).await.refused(Reason::StoreUnavailable);
    world.store.heal();
    assert_eq!(get("/ready").send(&world).await.done()["status"], "ready");
    read().send(&world).await.done();
    assert_eq!(post().send(&world).await.done()["seq"], 2);
}

#[tokio::test]
async fn a_post_whose_outcome_was_lost_is_one_message_when_repeated() {
    let world = World::new().await;
    let stage = world.stage().await;
    let token = world.token(Role::Coordinator);
    let post = || {
        let uri = format!("/v1/threads/{}/messages", stage.thread);
        Ask::new("POST", &uri).token(&token).key("key").json(&json!({"body": "hello"}))
    };
    world.store.fail_call(1, Fault::After);
    post().send(&world).await.refused(Reason::StoreUnavailable);
    assert_eq!(post().send(&world).await.done()["seq"], 2);
    let uri = format!("/v1/threads/{}/messages", stage.thread);
    let read = get(&uri).token(&token).send(&world).await.done();
    assert_eq!(read["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_id() {
    let world = World::new().await;
    let stage = world.stage().await;
    let token = world.token(Role::Coordinator);
    let thread = stage.thread.to_string();
    get(&format!("/v1/threads/{thread}")).token(&token).send(&world).await.done();
    get(&format!("/v1/threads/{thread}")).send(&world).await.refused(Reason::TokenMissing);
    get(&format!("/nowhere/{thread}")).send(&world).await.refused(Reason::RouteNotFound);
    // Whoever calls chooses the method's name, but not ours for it.
    Ask::new("SECRET", "/health").send(&world).await.refused(Reason::MethodUnsupported);
    let answer = get("/metrics").send(&world).await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = answer.text();
    for line in [
        r#"interlock_requests_total{route="/v1/threads/{thread_id}",method="GET",status="200"} 1"#,
        r#"interlock_requests_total{route="/v1/threads/{thread_id}",method="GET",status="401"} 1"#,
        r#"interlock_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        r#"interlock_requests_total{route="/health",method="other",status="405"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for never in [thread.as_str(), "wak_", "ws_", "SECRET", "coordinator", "executor"] {
        assert!(!text.contains(never), "`{never}` is in\n{text}");
    }
    assert!(text.trim_end().ends_with("# EOF"));
}

/// PostgreSQL keeps its log to itself.
#[tokio::test]
async fn metrics_tell_of_the_write_ahead_log_where_there_is_one() {
    let world = World::new().await;
    world.stage().await;
    let answer = get("/metrics").send(&world).await;
    let text = answer.text();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let told = ["bytes", "copies_total", "copy_failures_total"]
        .map(|what| value(&format!("interlock_write_ahead_log_{what} ")));
    match world.store.write_ahead() {
        Some(log) => {
            assert!(log.bytes > 0);
            assert_eq!(told, [log.bytes, log.copies, 0].map(Some), "{text}");
        }
        None => assert_eq!(told, [None; 3], "{text}"),
    }
}

#[tokio::test]
async fn the_key_set_holds_the_public_key_alone() {
    let world = World::new().await;
    let keys = get("/jwks").send(&world).await.done();
    assert_eq!(
        (keys["keys"][0]["crv"].as_str(), keys["keys"][0]["kty"].as_str()),
        (Some("Ed25519"), Some("OKP"))
    );
    assert!(keys["keys"][0].get("d").is_none());
}

#[tokio::test]
async fn a_request_id_is_taken_over_when_harmless_and_made_when_not() {
    let world = World::new().await;
    let answer = |id: &'static str| {
        let router = world.router.clone();
        async move {
            use tower::ServiceExt as _;
            let request = axum::http::Request::get("/health").header("host", "localhost");
            let request = request.header("x-request-id", id).body(axum::body::Body::empty()).unwrap();
            let response = router.oneshot(request).await.unwrap();
            response.headers()["x-request-id"].to_str().unwrap().to_owned()
        }
    };
    assert_eq!(answer("mine-1_2.3").await, "mine-1_2.3");
    for odd in
        ["", "a b", "<script>", "0123456789012345678901234567890123456789012345678901234567890123456789"]
    {
        let id = answer(odd).await;
        assert!(id.len() == 32 && id != odd, "{id}");
    }
}

/// How many batches took how many round trips is told where there are some: not of a file.
#[tokio::test]
async fn metrics_count_batches_by_their_round_trips() {
    let test = "metrics_count_batches_by_their_round_trips";
    let Some(world) = World::on_postgres(test).await else { return };
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let count = async |labels: &str| {
        let answer = get("/metrics").send(&world).await;
        let start = format!("interlock_batches{labels} ");
        let line = answer.text().lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{start} is not in\n{}", answer.text())).parse::<u64>().unwrap()
    };
    let (one, two) = (r#"_total{round_trips="1"}"#, r#"_total{round_trips="2"}"#);
    // Nobody else writes here: from the third post on at the latest everything is kept.
    for n in 0..3 {
        says(&lead, stage.thread, "words", &format!("first-{n}")).await.unwrap();
    }
    let before = [count(one).await, count(two).await, count("_moved_total").await];
    for n in 0..10 {
        says(&lead, stage.thread, "words", &format!("then-{n}")).await.unwrap();
    }
    assert_eq!(
        [count(one).await, count(two).await, count("_moved_total").await],
        [before[0] + 10, before[1], 0]
    );
    assert!(before[1] > 0);
}
