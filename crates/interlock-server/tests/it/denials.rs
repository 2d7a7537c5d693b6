//! Denials: what known callers were not allowed is looked up by the request's id, by those who may audit.

use axum::http::StatusCode;
use interlock_api::{OPERATIONS, Operation, operations as op};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::id::ThreadId;
use interlock_core::limits::DENIALS_WAITING_MAX;
use serde_json::{Value, json};

use crate::access::allowed;
use crate::ask::{Answer, Ask, fresh, sample};
use crate::rpc::{Era, LEGACY, Rpc};
use crate::world::{DENIED, LONG_MS, World, call, says, soon};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What an auditor of a workspace is told of a request.
async fn looked_up(world: &World, token: &str, request_id: &str) -> Answer {
    Ask::new("GET", &format!("/v1/denials/{request_id}")).token(token).send(world).await
}

async fn denial(world: &World, answer: &Answer) -> Value {
    looked_up(world, &world.token(Role::Auditor), answer.request_id()).await.done()
}

async fn listed(world: &World, query: &str) -> Vec<Value> {
    let ask = Ask::new("GET", &format!("/v1/denials?{query}")).token(&world.token(Role::Auditor));
    ask.send(world).await.done()["denials"].as_array().unwrap().clone()
}

async fn count(world: &World) -> usize {
    listed(world, "limit=200").await.len()
}

/// The id in the path of a row's request, where there is one that is an id.
fn object(row: &Operation, params: &serde_json::Map<String, Value>) -> Value {
    let named = row.path_parameters().next().map_or(Value::Null, |name| params[name].clone());
    if named == DENIED { Value::Null } else { named }
}

/// S002-20, S002-97: every operation with a token that may not, and with one of another workspace than is named.
#[tokio::test]
async fn every_operation_that_is_not_granted_is_found_by_its_request() {
    let world = World::new().await;
    let stage = world.stage().await;
    let there = world.there.to_string();
    for row in OPERATIONS {
        let params = sample(row, &stage);
        let may_not = Role::ALL.iter().copied().filter(|role| !role.may(row.permission));
        for role in may_not {
            let ask = Ask::of(row, &params).token(&world.token(role)).header("traceparent", TRACE);
            let answer = ask.send(&world).await;
            answer.refused(Reason::RoleMissing);
            let denial = denial(&world, &answer).await;
            let id = denial["denial_id"].clone();
            let at = denial["at"].clone();
            let mut expected = json!({
                "denial_id": id, "request_id": answer.request_id(), "at": at, "workspace_id": world.here,
                "actor": role.as_str(), "role": role.as_str(), "operation": row.id, "code": "FORBIDDEN",
                "reason": "ROLE_MISSING", "object": object(row, &params),
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
            });
            if expected["object"].is_null() {
                expected.as_object_mut().unwrap().remove("object");
            }
            assert_eq!(denial, expected);
        }
        let ask = Ask::of(row, &params).token(&world.token(allowed(row)));
        let answer = ask.header("interlock-workspace", there.as_str()).send(&world).await;
        answer.refused(Reason::WorkspaceDiffers);
        let denial = denial(&world, &answer).await;
        let found = (&denial["code"], &denial["operation"], &denial["workspace_id"]);
        assert_eq!(found, (&json!("WORKSPACE_MISMATCH"), &json!(row.id), &json!(world.here)));
        // The workspace that was named is told nothing.
        let foreign = world.token_of("auditor", Role::Auditor, world.there);
        looked_up(&world, &foreign, answer.request_id()).await.refused(Reason::DenialNotFound);
    }
    let foreign = world.token_of("auditor", Role::Auditor, world.there);
    let list = Ask::new("GET", "/v1/denials").token(&foreign).send(&world).await.done();
    assert_eq!(list["denials"], json!([]));
}

/// S002-101: what is there and not for the caller reads like what is not there; only those who audit see the difference.
#[tokio::test]
async fn what_is_hidden_reads_like_what_is_not_there() {
    let world = World::new().await;
    let stage = world.stage().await;
    let outsider = world.token_of("outsider", Role::Participant, world.here);
    let before = count(&world).await;
    let absent = ThreadId::from_u128(99);
    let mut hidden_count = 0;
    let of_thread = OPERATIONS.iter().filter(|row| row.path_parameters().any(|name| name == "thread_id"));
    for row in of_thread.filter(|row| Role::Participant.may(row.permission)) {
        let mut texts = Vec::new();
        for thread in [stage.thread, absent] {
            let mut params = sample(row, &stage);
            params.insert("thread_id".into(), json!(thread));
            let answer = Ask::of(row, &params).token(&outsider).send(&world).await;
            answer.refused(Reason::ThreadNotFound);
            let text = answer.text().replace(&thread.to_string(), "THREAD");
            texts.push(text.replace(answer.request_id(), "REQUEST"));
            let found = looked_up(&world, &world.token(Role::Auditor), answer.request_id()).await;
            if thread == absent {
                found.refused(Reason::DenialNotFound);
            } else {
                let found = found.done();
                assert_eq!((&found["operation"], &found["object"]), (&json!(row.id), &json!(thread)));
                assert_eq!(
                    (&found["code"], &found["reason"]),
                    (&json!("NOT_FOUND"), &json!("THREAD_NOT_FOUND"))
                );
                hidden_count += 1;
            }
        }
        assert_eq!(texts[0], texts[1], "`{}`", row.id);
    }
    assert!(hidden_count > 8, "{hidden_count} operations of threads");
    let wake = |id: &str| Ask::new("GET", &format!("/v1/wakes/{id}")).token(&outsider);
    let answer = wake(&stage.wake.to_string()).send(&world).await;
    answer.refused(Reason::WakeNotFound);
    assert_eq!(denial(&world, &answer).await["object"], json!(stage.wake));
    for uri in [
        format!("/v1/messages/search?thread_id={}", stage.thread),
        format!("/v1/events?thread_id={}", stage.thread),
    ] {
        let answer = Ask::new("GET", &uri).token(&outsider).send(&world).await;
        answer.refused(Reason::ThreadNotFound);
        assert_eq!(denial(&world, &answer).await["object"], json!(stage.thread), "{uri}");
    }
    assert_eq!(count(&world).await, before + hidden_count + 3);
    // A thread of another workspace is not there at all: nothing tells one workspace what another has.
    let foreign = world.token_of("coordinator", Role::Coordinator, world.there);
    let answer = Ask::new("GET", &format!("/v1/threads/{}", stage.thread)).token(&foreign).send(&world).await;
    answer.refused(Reason::ThreadNotFound);
    let auditor = world.token_of("auditor", Role::Auditor, world.there);
    looked_up(&world, &auditor, answer.request_id()).await.refused(Reason::DenialNotFound);
}

/// A rule that says no inside the batch is a denial too; one that says that it cannot be done is none.
#[tokio::test]
async fn what_a_rule_forbids_is_a_denial_and_what_cannot_be_done_is_none() {
    let world = World::new().await;
    let stage = world.stage().await;
    let uri = format!("/v1/threads/{}/status", stage.thread);
    let participant = world.token(Role::Participant);
    let change = |status: &str| {
        let body = json!({"status": status, "reason": "PAUSED", "text": "my own words"});
        Ask::new("POST", &uri).key(&fresh("key")).json(&body)
    };
    let answer = change("blocked").token(&participant).send(&world).await;
    answer.refused(Reason::NotCoordinator);
    let denial = denial(&world, &answer).await;
    assert_eq!((&denial["reason"], &denial["object"]), (&json!("NOT_COORDINATOR"), &json!(stage.thread)));
    assert!(!denial.to_string().contains("my own words"));
    let before = count(&world).await;
    let lead = world.token(Role::Coordinator);
    for ask in [
        Ask::new("POST", &format!("/v1/threads/{}/ack", stage.thread))
            .token(&lead)
            .key("k")
            .json(&json!({"seq": 99})),
        change("blocked").token(&participant).without("idempotency-key"),
        Ask::new("GET", "/v1/threads?limit=1000").token(&participant),
        Ask::new("GET", &format!("/v1/threads/{}", ThreadId::from_u128(5))).token(&participant),
    ] {
        assert!(ask.send(&world).await.status.is_client_error());
    }
    assert_eq!(count(&world).await, before);
}

/// Whoever nobody knows leaves lines in the log and numbers in the metrics, and no row.
#[tokio::test]
async fn attempts_without_a_token_that_holds_are_not_in_the_table() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = listed(&world, "limit=200").await;
    let nowhere = interlock_core::id::WorkspaceId::from_u128(99);
    for row in OPERATIONS {
        let ask = Ask::of(row, &sample(row, &stage));
        ask.clone().send(&world).await.refused(Reason::TokenMissing);
        ask.clone().token("ilk_garbage").send(&world).await.refused(Reason::TokenInvalid);
        ask.clone()
            .token(&world.expired_token(allowed(row)))
            .send(&world)
            .await
            .refused(Reason::TokenExpired);
        let foreign = world.token_of("admin", allowed(row), nowhere);
        ask.token(&foreign).send(&world).await.refused(Reason::WorkspaceUnknown);
    }
    assert_eq!(listed(&world, "limit=200").await, before);
    let text = Ask::new("GET", "/metrics").send(&world).await;
    assert!(text.text().contains(r#"route="/v1/threads",method="GET",status="401"} 3"#), "{}", text.text());
}

/// Over MCP as over HTTP: tools, resources, sessions, the door.
#[tokio::test]
async fn what_mcp_denies_is_found_too() {
    let world = World::new().await;
    let stage = world.stage().await;
    let auditor = world.token(Role::Auditor);
    for era in [Era::Modern, Era::Legacy(LEGACY)] {
        let outsider = world.token_of("outsider", Role::Participant, world.here);
        let rpc = Rpc::open(&world, era, &outsider).await;
        for row in
            OPERATIONS.iter().filter(|row| row.tool.is_some() && !Role::Participant.may(row.permission))
        {
            let mut arguments = sample(row, &stage);
            if row.mutates {
                arguments.insert("idempotency_key".into(), json!(fresh("key")));
            }
            let (problem, is_error) = rpc.tool(row.id, Value::Object(arguments)).await;
            assert!(is_error && problem["reason"] == "ROLE_MISSING", "{problem}");
            let found = looked_up(&world, &auditor, problem["request_id"].as_str().unwrap()).await.done();
            assert_eq!((&found["operation"], &found["actor"]), (&json!(row.id), &json!("outsider")));
        }
        let (problem, _) = rpc.tool("read_messages", json!({"thread_id": stage.thread})).await;
        let found = looked_up(&world, &auditor, problem["request_id"].as_str().unwrap()).await.done();
        assert_eq!((&found["operation"], &found["object"]), (&json!("read_messages"), &json!(stage.thread)));
        let before = count(&world).await;
        let uri = |thread: ThreadId| json!({"uri": format!("interlock://threads/{thread}")});
        let hidden = rpc.request("resources/read", uri(stage.thread)).await;
        let absent = rpc.request("resources/read", uri(ThreadId::from_u128(9))).await;
        assert_eq!(hidden.error_code(), absent.error_code());
        let id = hidden.message["error"]["data"]["request_id"].as_str().unwrap();
        let found = looked_up(&world, &auditor, id).await.done();
        assert_eq!((&found["operation"], &found["object"]), (&json!("get_thread"), &json!(stage.thread)));
        if era == Era::Modern {
            assert_eq!(count(&world).await, before + 1);
        } else {
            let foreign = rpc.with_token(&world.token(Role::Coordinator));
            assert_eq!(foreign.request("tools/list", json!({})).await.status, StatusCode::NOT_FOUND);
            let newest = &listed(&world, "operation=mcp").await[0];
            assert_eq!(
                (&newest["actor"], &newest["reason"]),
                (&json!("coordinator"), &json!("ROUTE_NOT_FOUND"))
            );
            assert_eq!(count(&world).await, before + 2);
        }
    }
    let door = Ask::new("POST", "/mcp").token(&auditor).json(&json!({}));
    let answer = door.header("interlock-workspace", "another").send(&world).await;
    answer.refused(Reason::WorkspaceDiffers);
    assert_eq!(denial(&world, &answer).await["operation"], "mcp");
}

#[tokio::test]
async fn denials_are_listed_newest_first_by_caller_operation_and_time() {
    let world = World::new().await;
    let stage = world.stage().await;
    let mut requests = Vec::new();
    for (name, uri) in
        [("eve", "/v1/jobs"), ("mallory", "/v1/jobs"), ("eve", "/v1/webhooks"), ("eve", "/v1/jobs")]
    {
        world.advance(1_000);
        let token = world.token_of(name, Role::Participant, world.here);
        let answer = Ask::new("GET", uri).token(&token).send(&world).await;
        answer.refused(Reason::RoleMissing);
        requests.insert(0, answer.request_id().to_owned());
    }
    let ids = |rows: &[Value]| -> Vec<String> {
        rows.iter().map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = listed(&world, "limit=200").await;
    assert_eq!(ids(&all), [&requests[..], &[DENIED.to_owned()]].concat());
    let of = |query: &'static str| async { ids(&listed(&world, query).await) };
    let texts: Vec<&str> = requests.iter().map(String::as_str).collect();
    let [last, webhooks, mallory, first] = texts[..] else { panic!() };
    assert_eq!(of("actor=eve").await, [last, webhooks, first]);
    assert_eq!(of("actor=eve&operation=list_jobs").await, [last, first]);
    assert_eq!(of("operation=mcp").await, Vec::<String>::new());
    let since = format!("since={}", all[1]["at"].as_str().unwrap());
    assert_eq!(ids(&listed(&world, &since).await), [last, webhooks]);
    let auditor = world.token(Role::Auditor);
    let page = Ask::new("GET", "/v1/denials?limit=2").token(&auditor).send(&world).await.done();
    assert_eq!(ids(page["denials"].as_array().unwrap()), [last, webhooks]);
    let next = format!("limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&listed(&world, &next).await), [mallory, first, DENIED]);
    for wrong in ["operation=nothing", "operation=%00", "since=yesterday", "cursor=x", "actor=UPPER"] {
        let ask = Ask::new("GET", &format!("/v1/denials?{wrong}")).token(&auditor);
        ask.send(&world).await.refused(Reason::ParameterInvalid);
    }
    looked_up(&world, &auditor, "never").await.refused(Reason::DenialNotFound);
    for wrong in ["%00", "a%20b", &"x".repeat(65)] {
        looked_up(&world, &auditor, wrong).await.refused(Reason::ParameterInvalid);
    }
    // What operators may not do stands in the ledger, and does not depend on this table.
    assert!(
        !world.ledger().await.iter().any(|entry| entry.to_string().contains("denial")),
        "{}",
        stage.thread
    );
}

#[tokio::test]
async fn a_restart_keeps_denials_also_those_noted_last() {
    let world = World::new().await;
    let token = world.token_of("eve", Role::Participant, world.here);
    let answer = Ask::new("GET", "/v1/jobs").token(&token).send(&world).await;
    answer.refused(Reason::RoleMissing);
    let world = world.restart().await;
    assert_eq!(denial(&world, &answer).await["actor"], "eve");
}

/// However many come at once: nobody waits for them, what does not fit is counted, and work goes on.
#[tokio::test]
async fn a_burst_of_denials_costs_a_bounded_queue() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = count(&world).await;
    let held = world.store.hold_batches().await;
    let token = world.token_of("eve", Role::Participant, world.here);
    let surplus = 300;
    // The first group may be on its way already; it holds 256 at most.
    for _ in 0..DENIALS_WAITING_MAX + 256 + surplus {
        Ask::new("GET", "/v1/jobs").token(&token).send(&world).await.refused(Reason::RoleMissing);
    }
    assert_eq!(world.engine.waiting_denials(), DENIALS_WAITING_MAX);
    let lost = world.engine.lost_denials();
    assert!(lost >= surplus as u64, "{lost} were lost");
    let text = Ask::new("GET", "/metrics").send(&world).await.text().to_owned();
    assert!(text.contains(&format!("interlock_denials_lost_total {lost}\n")), "{text}");
    let noted = DENIALS_WAITING_MAX + 256 + surplus;
    assert!(
        text.contains(&format!("interlock_denials_total{{reason=\"ROLE_MISSING\"}} {noted}\n")),
        "{text}"
    );
    drop(held);
    assert!(world.engine.settle_denials().await);
    assert_eq!(world.engine.waiting_denials(), 0);
    let written = noted - usize::try_from(lost).unwrap();
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let query = format!("/v1/denials?actor=eve&limit=200{cursor}");
        let page = Ask::new("GET", &query).token(&world.token(Role::Auditor)).send(&world).await.done();
        seen += page["denials"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, written);
    assert!(before <= 1 && says(&world.client(Role::Coordinator), stage.thread, "on", "k").await.is_ok());
}

/// While the store is away denials wait, and are written when it is there again.
#[tokio::test]
async fn denials_outlast_a_store_that_is_away() {
    let world = World::new().await;
    world.stage().await;
    assert!(world.engine.settle_denials().await);
    let token = world.token_of("eve", Role::Participant, world.here);
    let ask = || Ask::new("GET", "/v1/jobs").token(&token);
    ask().send(&world).await.refused(Reason::RoleMissing);
    world.store.set_down(true);
    let answer = ask().send(&world).await;
    answer.refused(Reason::RoleMissing);
    assert!(!world.engine.settle_denials().await);
    assert_eq!((world.engine.waiting_denials(), world.engine.lost_denials()), (2, 0));
    let auditor = world.token(Role::Auditor);
    looked_up(&world, &auditor, answer.request_id()).await.refused(Reason::StoreUnavailable);
    world.store.heal();
    assert_eq!(denial(&world, &answer).await["actor"], "eve");
    assert_eq!(listed(&world, "actor=eve").await.len(), 2);
}

/// Who waits for a denial hears of it, here and on another server of the same database.
#[tokio::test]
async fn who_waits_hears_of_a_denial() {
    let world = World::new().await;
    let auditor = world.client(Role::Auditor);
    let token = world.token_of("eve", Role::Participant, world.here);
    let params = json!({"actor": "eve", "wait_ms": LONG_MS});
    let wait = tokio::spawn(async move { call::<op::ListDenials>(&auditor, &params, "").await });
    let answer = Ask::new("GET", "/v1/jobs").token(&token).send(&world).await;
    answer.refused(Reason::RoleMissing);
    let heard = soon(wait).await.unwrap().unwrap();
    assert_eq!(heard.denials[0].request_id, answer.request_id());
}
