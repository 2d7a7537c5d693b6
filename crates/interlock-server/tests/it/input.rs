//! Malformed input on every route: refused with its reason, and nothing is written.

use interlock_api::{Method, OPERATIONS, Operation, operations as op};
use interlock_core::Reason;
use interlock_core::actor::Role;
use serde_json::{Map, Value, json};

use crate::access::allowed;
use crate::ask::{Ask, sample};
use crate::world::{Stage, World, call};

/// The routes beside the table.
const PLAIN: [&str; 5] = ["/health", "/ready", "/metrics", "/jwks", "/v1/openapi.json"];

/// A request of this row as it should be, by somebody who may.
fn right(world: &World, row: &Operation, params: &Map<String, Value>) -> Ask {
    Ask::of(row, params).token(&world.token(allowed(row)))
}

fn rows(method: Method) -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(move |row| row.method == method)
}

/// A world in which whatever the test does must not be written.
async fn unchanged<F: AsyncFn(&World, &Stage)>(test: F) {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    test(&world, &stage).await;
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_body_that_is_no_json_object() {
    unchanged(async |world, stage| {
        for row in rows(Method::Post) {
            let ask = right(world, row, &sample(row, stage));
            let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
            let bodies: [&[u8]; 9] = [
                b"{",
                b"nonsense",
                b"[]",
                b"[{}]",
                b"\"text\"",
                b"null",
                b"{\"title\":\"\xff\xfe\"}",
                b"{} {}",
                deep.as_bytes(),
            ];
            for body in bodies {
                ask.clone().body(body).send(world).await.refused(Reason::BodyMalformed);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_whole_number_is_an_integer_however_it_is_written() {
    let world = World::new().await;
    let stage = world.stage().await;
    let token = world.token(Role::Participant);
    let ack = |seq: &str| {
        let path = format!("/v1/threads/{}/ack", stage.thread);
        let ask = Ask::new("POST", &path).header("content-type", "application/json").token(&token).key("one");
        ask.body(format!("{{\"seq\": {seq}}}"))
    };
    assert_eq!(ack("1.0").send(&world).await.done()["acked_seq"], 1);
    // The same key with the same request, as it means the same.
    ack("1").send(&world).await.done();
    ack("1e0").send(&world).await.done();
    for wrong in ["0.5", "-1.0", "1e300", "9007199254740993.0"] {
        ack(wrong).send(&world).await.refused(Reason::ParameterInvalid);
    }
    // Inside an event's data a number stays as it was sent.
    let post = Ask::new("POST", &format!("/v1/threads/{}/messages", stage.thread)).token(&token).key("two");
    let event = json!({"kind": "event", "event_type": "x", "data": {"ratio": 2.0}});
    post.json(&event).send(&world).await.done();
    let read = Ask::new("GET", &format!("/v1/threads/{}/messages?after_seq=1", stage.thread)).token(&token);
    assert_eq!(read.send(&world).await.done()["messages"][0]["data"]["ratio"].to_string(), "2.0");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_of_another_type() {
    unchanged(async |world, stage| {
        for row in rows(Method::Post) {
            let ask = right(world, row, &sample(row, stage));
            let large = json!({"title": "x".repeat(64 * 1024)});
            ask.clone().json(&large).send(world).await.refused(Reason::BodyTooLarge);
            for media in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
                let ask = ask.clone().header("content-type", media);
                // Where there is no body there is no type either.
                ask.body("{}").send(world).await.refused(Reason::MediaTypeUnsupported);
            }
            let ask = ask.without("content-type").body("{}");
            ask.send(world).await.refused(Reason::MediaTypeUnsupported);
        }
    })
    .await;
}

/// Values that a property of this schema does not take.
fn wrong_values(schema: &Value) -> Vec<Value> {
    let text = schema["type"].to_string();
    if text.contains("integer") {
        return vec![json!("x"), json!(-1), json!(1.5), json!([]), json!(1e30)];
    }
    if text.contains("boolean") {
        return vec![json!(7.5), json!("x"), json!([[true]]), json!({"no": "such"})];
    }
    let mut wrong = vec![json!(7.5), json!(true), json!([[true]])];
    if !text.contains("object") && schema.get("$ref").is_none() && schema.get("anyOf").is_none() {
        wrong.push(json!({"no": "such"}));
    }
    wrong
}

fn schema(row: &Operation) -> Map<String, Value> {
    let schema = (row.request)(&mut schemars::SchemaGenerator::default());
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

#[tokio::test]
async fn every_field_of_the_wrong_type() {
    unchanged(async |world, stage| {
        for row in rows(Method::Post) {
            let in_path: Vec<_> = row.path_parameters().collect();
            for (name, schema) in schema(row) {
                for wrong in wrong_values(&schema) {
                    if in_path.contains(&name.as_str()) {
                        continue;
                    }
                    let mut params = sample(row, stage);
                    params.insert(name.clone(), wrong);
                    right(world, row, &params).send(world).await.refused(Reason::ParameterInvalid);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn query_values_that_do_not_parse() {
    unchanged(async |world, stage| {
        for row in rows(Method::Get) {
            let in_path: Vec<_> = row.path_parameters().collect();
            for (name, schema) in schema(row) {
                let is_integer = schema["type"].to_string().contains("integer");
                let is_free_text = matches!(name.as_str(), "cursor" | "after" | "text");
                if in_path.contains(&name.as_str()) || is_free_text {
                    continue;
                }
                let wrong: &[&str] = if is_integer {
                    &["x", "-1", "1.5", "99999999999999999999999", "", "0x10"]
                } else {
                    &["No-Such", "%00", ""]
                };
                for value in wrong {
                    let ask = right(world, row, &sample(row, stage));
                    let ask = ask.uri(|uri| format!("{uri}&{name}={value}"));
                    ask.send(world).await.refused(Reason::ParameterInvalid);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn fields_that_are_missing_or_given_twice() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            let right = |params: &Map<String, Value>| right(world, row, params);
            let given = sample(row, stage);
            for name in row.path_parameters() {
                let again = match row.method {
                    Method::Get => right(&given).uri(|uri| format!("{uri}&{name}=x")),
                    Method::Post => right(&given).json(&Value::Object(given.clone())),
                };
                again.send(world).await.refused(Reason::ParameterInvalid);
            }
            let schema = (row.request)(&mut schemars::SchemaGenerator::default());
            let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for name in required.iter().filter_map(Value::as_str) {
                if row.path_parameters().all(|other| other != name) {
                    let mut params = given.clone();
                    params.remove(name);
                    right(&params).send(world).await.refused(Reason::ParameterInvalid);
                }
            }
            if row.method == Method::Get {
                let twice = right(&given).uri(|uri| format!("{uri}&limit=1&limit=1"));
                twice.send(world).await.refused(Reason::ParameterInvalid);
            }
        }
    })
    .await;
}

/// A client of a later version is understood as far as this one goes; what it sends in `data` is kept.
#[tokio::test]
async fn fields_of_a_later_version_are_taken() {
    for row in OPERATIONS {
        let world = World::new().await;
        let stage = world.stage().await;
        let mut params = sample(row, &stage);
        params.insert("no_such_field".into(), json!("1"));
        let answer = right(&world, row, &params).send(&world).await;
        assert_ne!(answer.reason(), Some(Reason::ParameterInvalid), "{}: {}", row.id, answer.text());
    }
}

/// In every object inside a request too.
#[tokio::test]
async fn fields_of_a_later_version_inside_are_taken() {
    for (id, name, value) in [
        ("create_thread", "participants", json!([{"agent": "executor", "later": {"x": 1}}])),
        (
            "register_agent",
            "launch",
            json!({"command": ["true"], "later": 1, "environment": [{"name": "A", "later": 1}]}),
        ),
        (
            "renew_wakes",
            "wakes",
            json!([{"wake_id": "wak_00000000000000000000000001", "fence": 1, "later": 1}]),
        ),
        ("report_wake", "report", json!({"step": "started", "lane": "trigger", "later": [1]})),
        (
            "report_wake",
            "report",
            json!({"step": "ended", "outcome": {"kind": "exited", "code": 1, "later": 1}}),
        ),
    ] {
        let world = World::new().await;
        let stage = world.stage().await;
        let row = OPERATIONS.iter().find(|row| row.id == id).unwrap();
        let mut params = sample(row, &stage);
        params.insert(name.into(), value);
        if id == "register_agent" {
            params.insert("runtime".into(), json!("command"));
        }
        let answer = right(&world, row, &params).send(&world).await;
        assert_ne!(answer.reason(), Some(Reason::ParameterInvalid), "{id}: {}", answer.text());
    }
}

/// What a message holds of a later version comes back with it, however it is read; what only the server says of a
/// message nobody says for it.
#[tokio::test]
async fn what_a_later_version_says_in_a_message_is_kept() {
    let world = World::new().await;
    let stage = world.stage().await;
    let of = |id: &str| OPERATIONS.iter().find(|row| row.id == id).unwrap();
    let mut params = sample(of("post_message"), &stage);
    let later = json!({"mood": {"n": [1, 2.5, null, "\u{1F980}"]}, "Reply-By": "noon"});
    let forged = json!({"seq": 999, "from": "operator", "state": "cancelled", "posted_at": "1999-01-01T00:00:00Z",
                        "withdrawal": {"by": "x"}, "superseded_by": 1, "message_id": "mine"});
    for fields in [&later, &forged] {
        params.extend(fields.as_object().unwrap().clone());
    }
    let posted = right(&world, of("post_message"), &params).send(&world).await.done();
    let mut seen = Vec::new();
    for (id, list) in
        [("read_messages", "messages"), ("search_messages", "messages"), ("read_timeline", "items")]
    {
        let answer = right(&world, of(id), &sample(of(id), &stage)).send(&world).await.done();
        let found = answer[list].as_array().unwrap().iter().map(|one| one.get("message").unwrap_or(one));
        seen.extend(found.filter(|one| one["message_id"] == posted["message_id"]).cloned());
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    for message in seen {
        for (name, value) in later.as_object().unwrap() {
            assert_eq!(&message[name], value, "{message}");
        }
        assert_eq!(
            (&message["seq"], &message["posted_at"]),
            (&posted["seq"], &posted["posted_at"]),
            "{message}"
        );
        assert_ne!(message["from"], "operator", "{message}");
        assert!(
            ["state", "withdrawal", "superseded_by"].iter().all(|name| message.get(name).is_none()),
            "{message}"
        );
    }
    params.insert("large".into(), json!("x".repeat(17_000)));
    right(&world, of("post_message"), &params).send(&world).await.refused(Reason::LimitExceeded);
}

/// What 64 bits hold comes back as it was sent.
#[tokio::test]
async fn numbers_come_back_as_the_same_numbers() {
    let world = World::new().await;
    let stage = world.stage().await;
    let data = r#"{"most":18446744073709551615,"least":-9223372036854775808,"odd":9007199254740993,"one":1,
                   "third":0.3333333333333333,"tiny":5e-324,"huge":1.7976931348623157e308,"back":-0.1}"#;
    let post = Ask::new("POST", &format!("/v1/threads/{}/messages", stage.thread)).key("numbers");
    let post =
        post.header("content-type", "application/json").body(format!(r#"{{"body":"x","data":{data}}}"#));
    let token = world.token(Role::Coordinator);
    let seq = post.token(&token).send(&world).await.done()["seq"].as_u64().unwrap();
    let read = format!("/v1/threads/{}/messages?after_seq={}", stage.thread, seq - 1);
    let read = Ask::new("GET", &read).token(&token).send(&world).await.done();
    assert_eq!(read["messages"][0]["data"], serde_json::from_str::<Value>(data).unwrap());
    let most = u64::MAX;
    assert_eq!(read["messages"][0]["data"]["most"].as_u64(), Some(most), "to the last digit");
}

/// Nobody's field has the name of one that only the server writes.
#[test]
fn what_the_server_says_of_a_message_is_what_nobody_sends() {
    let names = |schema: schemars::Schema| -> std::collections::BTreeSet<String> {
        schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect()
    };
    let read = names(schemars::schema_for!(interlock_api::v1::message::MessageView));
    let sent = names(schemars::schema_for!(interlock_api::v1::message::PostMessageParams));
    let said: std::collections::BTreeSet<String> =
        interlock_api::v1::message::MessageView::SAID_BY_SERVER.map(str::to_owned).into();
    assert_eq!(read.difference(&sent).cloned().collect::<std::collections::BTreeSet<_>>(), said);
}

/// What a later version says of how an agent is started reaches its supervisor.
#[tokio::test]
async fn what_a_later_version_says_of_a_launch_is_handed_on() {
    let world = World::new().await;
    let stage = world.stage().await;
    let (operator, lead) = (world.client(Role::Operator), world.client(Role::Coordinator));
    let agent = json!({"name": "later", "runtime": "command", "launch": {"command": ["true"], "nice": 7}});
    call::<op::RegisterAgent>(&operator, &agent, "register").await.unwrap();
    let join = json!({"thread_id": stage.thread, "agent": "later"});
    call::<op::AddParticipant>(&lead, &join, "join").await.unwrap();
    let post = json!({"thread_id": stage.thread, "body": "go", "to": ["later"]});
    call::<op::PostMessage>(&lead, &post, "post").await.unwrap();
    let claim = json!({"supervisor": "keeper", "incarnation": "1", "limit": 8});
    let claimed = call::<op::ClaimWakes>(&world.client(Role::Supervisor), &claim, "").await.unwrap();
    let mine = claimed.wakes.iter().find(|claimed| claimed.wake.agent.as_str() == "later").unwrap();
    assert_eq!(serde_json::to_value(&mine.launch).unwrap()["nice"], 7);
}

#[tokio::test]
async fn a_later_shape_of_messages_is_refused_with_the_versions_that_are_known() {
    unchanged(async |world, stage| {
        let row = OPERATIONS.iter().find(|row| row.id == "post_message").unwrap();
        let mut params = sample(row, stage);
        params.insert("schema_version".into(), json!(2));
        let answer = right(world, row, &params).send(world).await;
        answer.refused(Reason::SchemaVersionUnsupported);
    })
    .await;
}

#[tokio::test]
async fn nested_values_that_are_wrong() {
    unchanged(async |world, stage| {
        for (id, name, value) in [
            ("create_thread", "participants", json!([{"no_such": 1}])),
            ("register_agent", "launch", json!({"command": "true"})),
            ("renew_wakes", "wakes", json!([{"wake_id": stage.wake, "no_such": 1}])),
            ("report_wake", "report", json!({"step": "vanished"})),
            ("report_wake", "report", json!({"step": "ended", "outcome": {"kind": "exited", "code": 1e12}})),
        ] {
            let row = OPERATIONS.iter().find(|row| row.id == id).unwrap();
            let mut params = sample(row, stage);
            params.insert(name.into(), value);
            right(world, row, &params).send(world).await.refused(Reason::ParameterInvalid);
        }
    })
    .await;
}

#[tokio::test]
async fn bad_percent_encoding() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            let ask = right(world, row, &sample(row, stage));
            if row.method == Method::Get {
                for bad in ["%", "%2", "%zz", "%ff", "%+f", "a=%c3%28", "%C3"] {
                    let ask = ask.clone().uri(|uri| format!("{uri}&{bad}"));
                    ask.send(world).await.refused(Reason::ParameterInvalid);
                }
            }
            for name in row.path_parameters() {
                for bad in ["%ff", "%zz", "%C3%28", "%00", "..%2f..", "%20"] {
                    let mut params = sample(row, stage);
                    params.insert(name.into(), json!(bad));
                    right(world, row, &params).send(world).await.refused(Reason::ParameterInvalid);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ids_that_are_none_and_ids_of_nothing() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            // What a caller may choose has a test of its own: denials.rs.
            for name in row.path_parameters().filter(|name| *name != "request_id") {
                let (prefix, wrong, reason) = match name {
                    "wake_id" => ("wak", "thr", Reason::WakeNotFound),
                    "webhook_id" => ("whk", "thr", Reason::WebhookNotFound),
                    "job_id" => ("job", "thr", Reason::JobNotFound),
                    "snapshot_id" => ("snp", "thr", Reason::SnapshotNotFound),
                    _ => ("thr", "wak", Reason::ThreadNotFound),
                };
                let of = |text: String| {
                    let mut params = sample(row, stage);
                    params.insert(name.into(), json!(text));
                    right(world, row, &params)
                };
                let digits = "0".repeat(26);
                for bad in [
                    "x".to_owned(),
                    format!("{prefix}_"),
                    format!("{wrong}_{digits}"),
                    format!("{prefix}_8{}", "Z".repeat(25)),
                    format!("{prefix}_{}", "U".repeat(26)),
                    format!("{prefix}_{digits}0"),
                    "0".repeat(5_000),
                ] {
                    of(bad).send(world).await.refused(Reason::ParameterInvalid);
                }
                // What a rule refuses an operator is an entry of the ledger, see below.
                if row.method == Method::Get || Role::Coordinator.may(row.permission) {
                    of(format!("{prefix}_{digits}")).send(world).await.refused(reason);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn pages_beyond_the_limit_and_cursors_of_nobody() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            let fields = schema(row);
            let ask = |name: &str, value: Value| {
                let mut params = sample(row, stage);
                params.insert(name.to_owned(), value);
                right(world, row, &params)
            };
            if fields.contains_key("limit") {
                for limit in [201_u32, 1_000_000, u32::MAX] {
                    ask("limit", json!(limit)).send(world).await.refused(Reason::LimitExceeded);
                }
                ask("limit", json!(u64::from(u32::MAX) + 1))
                    .send(world)
                    .await
                    .refused(Reason::ParameterInvalid);
            }
            for name in ["cursor", "after"].into_iter().filter(|name| fields.contains_key(*name)) {
                for bad in ["No-Such", "1", "1.", "x.y", "-1.0", ".", ""] {
                    // Agents are listed by name, and these are names.
                    if row.id == "list_agents" && matches!(bad, "1" | "1." | "x.y") {
                        continue;
                    }
                    ask(name, json!(bad)).send(world).await.refused(Reason::ParameterInvalid);
                }
            }
            for name in ["from", "after_seq"].into_iter().filter(|name| fields.contains_key(*name)) {
                ask(name, json!(u64::MAX)).send(world).await.done();
            }
        }
        let claim = OPERATIONS.iter().find(|row| row.id == "claim_wakes").unwrap();
        for (limit, reason) in [(0, Reason::ParameterInvalid), (33, Reason::LimitExceeded)] {
            let mut params = sample(claim, stage);
            params.insert("limit".into(), json!(limit));
            right(world, claim, &params).send(world).await.refused(reason);
        }
        let far = format!("/v1/threads/{}/timeline?after={}.{}", stage.thread, u64::MAX, u32::MAX);
        let token = world.token(Role::Auditor);
        assert_eq!(Ask::new("GET", &far).token(&token).send(world).await.done()["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn methods_a_route_does_not_take_and_routes_that_are_not_there() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            let ask = right(world, row, &sample(row, stage));
            for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "GET", "POST"] {
                let is_taken = |other: &&Operation| other.path == row.path && other.method.as_str() == method;
                if !OPERATIONS.iter().any(|other| is_taken(&other)) {
                    ask.clone().method(method).send(world).await.refused(Reason::MethodUnsupported);
                }
            }
        }
        for path in PLAIN {
            for method in ["POST", "DELETE"] {
                Ask::new(method, path).send(world).await.refused(Reason::MethodUnsupported);
            }
        }
        let token = world.token(Role::Admin);
        for path in ["/", "/v1", "/v1/", "/v2/threads", "/v1/threads/", "/v1//threads", "/v1/Threads", "/%ff"]
        {
            for method in ["GET", "POST"] {
                let answer = Ask::new(method, path).token(&token).send(world).await;
                assert!(
                    matches!(answer.reason(), Some(Reason::RouteNotFound | Reason::ParameterInvalid)),
                    "{path}: {}",
                    answer.text()
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn headers_that_are_too_large() {
    unchanged(async |world, stage| {
        for row in OPERATIONS {
            let ask = right(world, row, &sample(row, stage)).header("x-large", "x".repeat(16 * 1024));
            ask.send(world).await.refused(Reason::HeadersTooLarge);
        }
        for path in PLAIN {
            let ask = Ask::new("GET", path).header("x-large", "x".repeat(16 * 1024));
            ask.send(world).await.refused(Reason::HeadersTooLarge);
        }
    })
    .await;
}

#[tokio::test]
async fn what_rules_refuse_is_in_the_ledger_for_operators_alone() {
    let world = World::new().await;
    let stage = world.stage().await;
    let size = world.ledger().await.len();
    let twin = |role| Ask::new("POST", "/v1/agents").token(&world.token(role)).key("twin");
    let ask = twin(Role::Operator).json(&json!({"name": "executor"}));
    ask.send(&world).await.refused(Reason::AgentExists);
    let ledger = world.ledger().await;
    assert_eq!(ledger.len(), size + 1);
    assert_eq!(ledger[size]["events"][0]["kind"], "operator.action_refused/1");
    let uri = format!("/v1/threads/{}/status", stage.thread);
    let ask = Ask::new("POST", &uri).token(&world.token(Role::Participant)).key("x");
    ask.json(&json!({"status": "closed"})).send(&world).await.refused(Reason::NotCoordinator);
    assert_eq!(world.ledger().await.len(), size + 1);
}
