//! MCP: both eras over plain HTTP, tools from the operation table, resources, and who may do what.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use interlock_api::{Method, OPERATIONS};
use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::limits::{REQUEST_BYTES_MAX, SUBSCRIPTIONS_MAX};
use interlock_core::thread::Status;
use serde_json::{Value, json};

use crate::ask::{Ask, fresh, needs, sample};
use crate::rpc::{Era, LEGACY, MODERN, Rpc};
use crate::world::{World, bodies, says};

const ERAS: [Era; 4] =
    [Era::Modern, Era::Legacy(LEGACY), Era::Legacy("2025-06-18"), Era::Legacy("2025-03-26")];

/// The era without sessions, from discovery to a refusal.
#[tokio::test]
async fn the_stateless_era_over_plain_http() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Participant).await;
    let said = rpc.request("server/discover", json!({})).await;
    let found = said.result();
    assert!(found["supportedVersions"].as_array().unwrap().contains(&MODERN.into()), "{found}");
    assert!(
        found["capabilities"]["tools"].is_object() && found["capabilities"]["resources"]["subscribe"] == true
    );
    assert!(found["instructions"].as_str().unwrap().contains("ack_read"));
    assert_eq!(said.session, None, "there are no sessions");
    plays_its_part(&world, &rpc, stage.thread).await;
    let unknown = rpc.request("nothing/known", json!({})).await;
    assert_eq!((unknown.status, unknown.error_code()), (StatusCode::NOT_FOUND, -32_601));
}

/// The eras with a handshake: Codex speaks 2025-06-18, Claude Code 2025-11-25.
#[tokio::test]
async fn the_eras_with_a_handshake_over_plain_http() {
    for version in [LEGACY, "2025-06-18"] {
        let world = World::new().await;
        let stage = world.stage().await;
        let rpc = Rpc::of(&world, Era::Legacy(version), Role::Participant).await;
        plays_its_part(&world, &rpc, stage.thread).await;
        let unknown = rpc.request("nothing/known", json!({})).await;
        assert_eq!(unknown.error_code(), -32_601);
        assert!(rpc.end().await.is_success());
        assert_eq!(rpc.request("tools/list", json!({})).await.status, StatusCode::NOT_FOUND, "over is over");
    }
}

/// Lists tools, changes something, repeats it, is refused.
async fn plays_its_part(world: &World, rpc: &Rpc<'_>, thread: interlock_core::id::ThreadId) {
    assert!(rpc.tools().await.contains(&"post_message".to_owned()));
    let post = json!({"thread_id": thread, "body": "done", "idempotency_key": "once"});
    let (first, is_error) = rpc.tool("post_message", post.clone()).await;
    assert!(!is_error && first["seq"].is_u64(), "{first}");
    let (again, _) = rpc.tool("post_message", post).await;
    assert_eq!(again, first, "the same key is the same message");
    assert_eq!(bodies(&world.client(Role::Coordinator), thread).await, ["please begin", "done"]);
    let other = json!({"thread_id": thread, "body": "other", "idempotency_key": "once"});
    refused(rpc.tool("post_message", other).await, Reason::KeyReused);
    refused(rpc.tool("post_message", json!({"thread_id": thread, "body": "x"})).await, Reason::KeyMissing);
    let seq = first["seq"].clone();
    let (acked, _) =
        rpc.tool("ack_read", json!({"thread_id": thread, "seq": seq, "idempotency_key": "ack"})).await;
    assert_eq!(acked["acked_seq"], seq);
}

/// Gemini CLI, which speaks 2025-06-18, ends a connection over an event without data; 2025-11-25 wants one first.
#[tokio::test]
async fn clients_that_do_not_know_events_without_data_get_none() {
    for (version, is_empty_first) in [(LEGACY, true), ("2025-06-18", false), ("2025-03-26", false)] {
        let world = World::new().await;
        let stage = world.stage().await;
        let rpc = Rpc::of(&world, Era::Legacy(version), Role::Participant).await;
        let listed = rpc.request("tools/list", json!({})).await;
        assert!(listed.result()["tools"].is_array());
        let is_empty = |text: &str| text.lines().any(|line| line.trim_end() == "data:");
        assert_eq!(is_empty(&listed.text), is_empty_first, "{version}: {}", listed.text);
        let mut stream = rpc.listen(&[format!("interlock://threads/{}", stage.thread)]).await;
        let posted =
            rpc.tool("post_message", json!({"thread_id": stage.thread, "body": "x", "idempotency_key": "k"}));
        assert!(!posted.await.1);
        let first = stream.chunk().await;
        assert_eq!(is_empty(&first), is_empty_first, "{version}: {first}");
        stream.next_of("notifications/resources/updated").await;
    }
}

fn refused((problem, is_error): (Value, bool), reason: Reason) {
    assert!(is_error, "{problem}");
    assert_eq!(problem["reason"], reason.as_str(), "{problem}");
    assert_eq!(problem["code"], reason.code().as_str());
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{problem}");
}

#[tokio::test]
async fn a_key_is_the_same_key_over_http_and_mcp() {
    let world = World::new().await;
    let stage = world.stage().await;
    let lead = world.client(Role::Coordinator);
    let rpc = Rpc::of(&world, Era::Modern, Role::Coordinator).await;
    let over_http = Ask::new("POST", &format!("/v1/threads/{}/messages", stage.thread))
        .token(&world.token(Role::Coordinator))
        .key("both")
        .json(&json!({"body": "one"}));
    let first = over_http.send(&world).await.done();
    let post = json!({"thread_id": stage.thread, "body": "one", "idempotency_key": "both"});
    assert_eq!(rpc.tool("post_message", post).await, (first, false));
    assert_eq!(bodies(&lead, stage.thread).await.len(), 2);
}

/// What each client's model is shown: everything it needs to choose a tool and to read its answer.
#[tokio::test]
async fn every_tool_says_what_it_takes_gives_and_does() {
    let world = World::new().await;
    for era in ERAS {
        let rpc = Rpc::of(&world, era, Role::Operator).await;
        let said = rpc.request("tools/list", json!({})).await;
        let tools = said.result()["tools"].as_array().unwrap().clone();
        let rows: Vec<_> = OPERATIONS.iter().filter(|row| row.tool.is_some()).collect();
        assert_eq!(tools.len(), rows.len());
        for tool in &tools {
            let name = tool["name"].as_str().unwrap();
            let row = rows.iter().find(|row| row.id == name).unwrap_or_else(|| panic!("{name}"));
            let hints = &tool["annotations"];
            assert_eq!(hints["readOnlyHint"], row.method == Method::Get, "{name}");
            assert_eq!((&hints["destructiveHint"], &hints["openWorldHint"]), (&false.into(), &false.into()));
            assert_eq!(hints["idempotentHint"], true, "{name}");
            assert!(tool["description"].as_str().unwrap().len() > 20, "{name}");
            let version = json!({"interlock/contract": "v1", "interlock/since": row.since});
            assert_eq!(tool["_meta"], version, "{name}");
            let required = tool["inputSchema"]["required"].to_string();
            assert_eq!(required.contains("idempotency_key"), row.mutates, "{name}");
            for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
                assert_eq!(schema["type"], "object", "{name}");
                assert_portable(name, schema);
            }
        }
    }
}

/// Whatever was frozen as a tool of version 1 is there under its name.
#[tokio::test]
async fn tools_of_version_1_stay() {
    let frozen = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/v1/tools.json");
    let frozen: Value = serde_json::from_slice(&std::fs::read(frozen).unwrap()).unwrap();
    let names = |tools: &Value| -> std::collections::BTreeSet<String> {
        let tools = tools.as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let frozen = names(&frozen["tools"]);
    assert!(frozen.contains("post_message"), "{frozen:?}");
    let world = World::new().await;
    for era in ERAS {
        let said = Rpc::of(&world, era, Role::Operator).await.request("tools/list", json!({})).await;
        assert!(names(&said.result()["tools"]).is_superset(&frozen));
    }
}

/// What stands in every conversation is worth its tokens, and a client that knows the tools from before the server was
/// renewed takes a name that came since.
#[tokio::test]
async fn tools_are_short_and_their_answers_open() {
    let world = World::new().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Operator).await;
    let said = rpc.request("tools/list", json!({})).await;
    for tool in said.result()["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let input = tool["inputSchema"].to_string();
        assert!(input.len() < 4_000, "{name} takes {} bytes to tell what it takes", input.len());
        let answer = tool["outputSchema"]["anyOf"][0].to_string();
        assert!(!answer.contains("\"const\"") && !answer.contains("\"enum\""), "{name}: {answer}");
    }
    let tools = said.result()["tools"].as_array().unwrap();
    let change = tools.iter().find(|tool| tool["name"] == "update_thread_status").unwrap();
    let reason = &change["inputSchema"]["properties"]["reason"];
    assert_eq!(reason["type"], "string", "{reason}");
    assert!(reason["description"].as_str().unwrap().contains("NOT_CONVERGED"), "{reason}");
    let state = &change["outputSchema"]["anyOf"][0]["properties"]["status"]["description"];
    assert!(state.as_str().unwrap().contains("active, blocked, resolved, closed"), "{state}");
}

/// No nulls, no formats, no references: what the narrowest dialect takes.
fn assert_portable(name: &str, value: &Value) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| assert_portable(name, one)),
        Value::Object(map) => {
            assert!(!map.contains_key("$ref") && !map.contains_key("format"), "{name}: {value}");
            assert!(
                map.get("type").is_none_or(|kind| kind.is_string() || kind.is_object()),
                "{name}: {value}"
            );
            map.values().for_each(|one| assert_portable(name, one));
        }
        _ => {}
    }
}

/// The answer of every tool is what its output schema says, and holds nothing that the schema does not name.
#[tokio::test]
async fn every_tool_of_the_table_can_be_called() {
    for row in OPERATIONS.iter().filter(|row| row.tool.is_some()) {
        let world = World::new().await;
        let stage = world.stage().await;
        needs(&world, row, &stage).await;
        let rpc = Rpc::of(&world, Era::Modern, Role::Coordinator).await;
        let said = rpc.request("tools/list", json!({})).await;
        let tools = said.result()["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == row.id).unwrap();
        let mut arguments = sample(row, &stage);
        if row.mutates {
            arguments.insert("idempotency_key".into(), fresh("key").into());
        }
        let (answer, is_error) = rpc.tool(row.id, Value::Object(arguments)).await;
        assert!(!is_error, "{}: {answer}", row.id);
        let schema = &tool["outputSchema"]["anyOf"][0];
        let known: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().collect();
        for name in answer.as_object().unwrap().keys() {
            assert!(known.contains(name), "{}: `{name}` is in no schema", row.id);
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(answer.get(name.as_str().unwrap()).is_some(), "{}: {name} is missing", row.id);
        }
        assert_eq!(tool["outputSchema"]["anyOf"].as_array().unwrap().len(), 2, "and a problem: {}", row.id);
    }
}

#[tokio::test]
async fn tools_are_shown_and_run_by_role() {
    let world = World::new().await;
    let stage = world.stage().await;
    for role in Role::ALL {
        let rpc = Rpc::of(&world, Era::Modern, *role).await;
        let shown: BTreeSet<_> = rpc.tools().await.into_iter().collect();
        for row in OPERATIONS.iter().filter(|row| row.tool.is_some()) {
            assert_eq!(shown.contains(row.id), role.may(row.permission), "{role}: {}", row.id);
            if !role.may(row.permission) {
                let arguments = Value::Object(sample(row, &stage));
                refused(rpc.tool(row.id, arguments).await, Reason::RoleMissing);
            }
        }
    }
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Legacy(LEGACY), Role::Coordinator).await;
    for (arguments, named) in [
        (json!({}), "thread_id"),
        (
            json!({"thread_id": stage.thread, "after_seq": "eleven"}),
            "`after_seq`: invalid type: string \"eleven\"",
        ),
        (json!({"thread_id": "thr_nothing"}), "thr_nothing"),
        (json!({"thread_id": stage.thread, "limit": 100_000}), "limit"),
    ] {
        let (problem, is_error) = rpc.tool("read_messages", arguments).await;
        assert!(is_error && problem["code"] == "INVALID_ARGUMENT", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
    // Which reasons there are is told in a hint, and the whole of a long list nowhere.
    for (given, named) in [("NO_SUCH", "`NO_SUCH`"), ("NO_PROGRESS", "`NO_PROGRESS`")] {
        let change = json!({"thread_id": stage.thread, "status": "blocked", "reason": given, "idempotency_key": given});
        let (problem, is_error) = rpc.tool("update_thread_status", change).await;
        assert!(is_error && problem["reason"] == "PARAMETER_INVALID", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(named) && detail.len() < 200, "{problem}");
        assert_eq!(problem["hint"].as_str().unwrap().contains("OPEN_FINDINGS"), given == "NO_PROGRESS");
    }
    let key = json!({"thread_id": stage.thread, "body": "x", "idempotency_key": 7});
    refused(rpc.tool("post_message", key).await, Reason::ParameterInvalid);
    let unknown = rpc.request("tools/call", json!({"name": "launch_missiles", "arguments": {}})).await;
    assert_eq!(unknown.error_code(), -32_602);
    assert_eq!(unknown.message["error"]["data"]["reason"], "PARAMETER_INVALID");
}

/// Whatever a client says of itself: its token alone says who it is.
#[tokio::test]
async fn an_agent_is_who_its_token_says() {
    let world = World::new().await;
    let stage = world.stage().await;
    for era in [Era::Modern, Era::Legacy(LEGACY)] {
        let rpc = Rpc::of(&world, era, Role::Participant).await;
        let meta = json!({"agent": "coordinator", "threadId": "x", "interlock/agent": "coordinator"});
        let arguments =
            json!({"thread_id": stage.thread, "body": "it is me", "idempotency_key": fresh("key")});
        let params = json!({"name": "post_message", "arguments": arguments, "_meta": meta});
        let said = rpc.request("tools/call", params).await;
        assert_eq!(said.result()["isError"], false, "{}", said.message);
        let read = json!({"thread_id": stage.thread, "after_seq": 1});
        let (messages, _) = rpc.tool("read_messages", read).await;
        assert_eq!(messages["messages"][0]["from"], "participant");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_said() {
    let world = World::new().await;
    for method in ["POST", "GET", "DELETE"] {
        let bare = Ask::new(method, "/mcp").json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        bare.clone().send(&world).await.refused(Reason::TokenMissing);
        bare.clone().token("nonsense").send(&world).await.refused(Reason::TokenInvalid);
        let expired = world.expired_token(Role::Participant);
        bare.token(&expired).send(&world).await.refused(Reason::TokenExpired);
    }
}

/// Where to read on is told with the refusal, by the name under which the client has reached us.
#[tokio::test]
async fn a_client_without_a_token_learns_what_asks_for_one() {
    let world = World::new().await;
    let call = || Ask::new("POST", "/mcp").header("host", "localhost:7070");
    let about = "Bearer resource_metadata=\"http://localhost:7070/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(call().send(&world).await.header("www-authenticate"), about);
    let wrong = call().token("nonsense").send(&world).await;
    assert_eq!(wrong.header("www-authenticate"), format!("{about}, error=\"invalid_token\""));

    let path = about.split_once("7070").unwrap().1.trim_end_matches('"');
    for (path, resource) in
        [(path, "http://localhost:7070/mcp"), (path.strip_suffix("/mcp").unwrap(), "http://localhost:7070")]
    {
        let told = Ask::new("GET", path).header("host", "localhost:7070").send(&world).await.done();
        assert_eq!(told["resource"], resource);
        assert_eq!(told["bearer_methods_supported"], json!(["header"]));
        assert_eq!(told.get("authorization_servers"), None, "tokens are issued by no such server");
    }
    let foreign = Ask::new("GET", path).header("host", "evil.example");
    foreign.send(&world).await.refused(Reason::CrossOrigin);
}

#[tokio::test]
async fn pages_of_others_are_kept_out() {
    let world = World::new().await;
    let token = world.token(Role::Participant);
    let ping =
        || Ask::new("POST", "/mcp").token(&token).json(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
    ping().header("host", "evil.example").send(&world).await.refused(Reason::CrossOrigin);
    ping().header("origin", "http://evil.example").send(&world).await.refused(Reason::CrossOrigin);
    let near = ping()
        .header("origin", "http://localhost:3000")
        .header("accept", "application/json, text/event-stream");
    assert_ne!(near.send(&world).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let world = World::new().await;
    let token = world.token(Role::Participant);
    let length = (REQUEST_BYTES_MAX + 1).to_string();
    let big = vec![b' '; REQUEST_BYTES_MAX + 1];
    let ask = Ask::new("POST", "/mcp").token(&token).header("content-type", "application/json").body(big);
    ask.header("content-length", length).send(&world).await.refused(Reason::BodyTooLarge);
}

/// Its notifications are for whoever opened it.
#[tokio::test]
async fn a_session_belongs_to_whoever_opened_it() {
    let world = World::new().await;
    let rpc = Rpc::of(&world, Era::Legacy(LEGACY), Role::Participant).await;
    let thief = rpc.with_token(&world.token(Role::Coordinator));
    assert_eq!(thief.request("tools/list", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(rpc.request("tools/list", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn threads_are_resources_for_those_who_may_see_them() {
    let world = World::new().await;
    let stage = world.stage().await;
    let uri = format!("interlock://threads/{}", stage.thread);
    for era in [Era::Modern, Era::Legacy(LEGACY)] {
        let mine = Rpc::of(&world, era, Role::Participant).await;
        let said = mine.request("resources/list", json!({})).await;
        assert_eq!(said.result()["resources"][0]["uri"], uri.as_str());
        let read = mine.request("resources/read", json!({"uri": uri})).await;
        let text = read.result()["contents"][0]["text"].as_str().unwrap();
        let content: Value = serde_json::from_str(text).unwrap();
        assert_eq!(content["thread"]["title"], "a job");
        assert_eq!(content["summary"]["task"], "please begin");
        let template = mine.request("resources/templates/list", json!({})).await;
        let shape = &template.result()["resourceTemplates"][0]["uriTemplate"];
        assert_eq!(shape, "interlock://threads/{thread_id}");

        let outsider =
            Rpc::open(&world, era, &world.token_of("stranger", Role::Participant, world.here)).await;
        let said = outsider.request("resources/list", json!({})).await;
        assert_eq!(said.result()["resources"], json!([]));
        for wrong in [uri.as_str(), "interlock://threads/thr_x", "file:///etc/passwd"] {
            let said = outsider.request("resources/read", json!({"uri": wrong})).await;
            assert_eq!(said.error_code(), -32_602, "{wrong}");
            assert_eq!(said.message["error"]["data"]["reason"], "THREAD_NOT_FOUND");
            assert_eq!(said.message["error"]["data"]["uri"], wrong);
        }
    }
}

#[tokio::test]
async fn a_subscriber_hears_of_its_threads_and_of_no_other() {
    for era in [Era::Modern, Era::Legacy(LEGACY)] {
        let world = World::new().await;
        let stage = world.stage().await;
        let lead = world.client(Role::Coordinator);
        let params = json!({"title": "without the participant", "participants": [{"agent": "executor"}]});
        let hidden =
            crate::world::call::<interlock_api::operations::CreateThread>(&lead, &params, "hidden").await;
        let hidden = hidden.unwrap().thread_id;
        let rpc = Rpc::of(&world, era, Role::Participant).await;
        let uri = format!("interlock://threads/{}", stage.thread);
        let mut uris = vec![uri.clone()];
        if era == Era::Modern {
            // Where subscribing says nothing, a thread that may not be seen is passed over in silence.
            uris.push(format!("interlock://threads/{hidden}"));
        } else {
            let foreign = format!("interlock://threads/{hidden}");
            let said = rpc.request("resources/subscribe", json!({"uri": foreign})).await;
            assert_eq!(said.error_code(), -32_602);
        }
        let mut stream = rpc.listen(&uris).await;
        if era == Era::Modern {
            stream.next_of("notifications/subscriptions/acknowledged").await;
        }
        says(&lead, hidden, "behind the door", "hidden-post").await.unwrap();
        says(&lead, stage.thread, "in the open", "open-post").await.unwrap();
        let update = stream.next_of("notifications/resources/updated").await;
        assert_eq!(update["params"]["uri"], uri.as_str());
    }
}

/// A token that ends takes its stream with it; a new one opens the next, of the same session where there is one.
#[tokio::test]
async fn a_stream_ends_with_its_token() {
    for era in [Era::Modern, Era::Legacy(LEGACY)] {
        let world = World::new().await;
        let stage = world.stage().await;
        let uris = [format!("interlock://threads/{}", stage.thread)];
        let rpc = Rpc::of(&world, era, Role::Participant).await;
        drop(rpc.listen(&uris).await);
        let mut short = None;
        // Long enough to be let in with, on however slow a machine.
        for seconds in 0..15 {
            let token = world.ending_token(Role::Participant, seconds);
            short = rpc.listen_with(&token, &uris).await;
            if short.is_some() {
                break;
            }
        }
        short.expect("it was let in").ended().await;
        let lasting = world.token(Role::Participant);
        let mut again = rpc.listen_with(&lasting, &uris).await.expect("a new token opens the next");
        if era == Era::Modern {
            again.next_of("notifications/subscriptions/acknowledged").await;
        }
        says(&world.client(Role::Coordinator), stage.thread, "still there", "post").await.unwrap();
        let update = again.next_of("notifications/resources/updated").await;
        assert_eq!(update["params"]["uri"], uris[0].as_str());
    }
}

#[tokio::test]
async fn a_session_has_a_bounded_number_of_subscriptions() {
    let world = World::new().await;
    let lead = world.client(Role::Coordinator);
    let rpc = Rpc::of(&world, Era::Legacy(LEGACY), Role::Coordinator).await;
    for number in 0..=SUBSCRIPTIONS_MAX {
        let params = json!({"title": format!("{number}"), "participants": []});
        let made =
            crate::world::call::<interlock_api::operations::CreateThread>(&lead, &params, &fresh("k")).await;
        let uri = format!("interlock://threads/{}", made.unwrap().thread_id);
        let said = rpc.request("resources/subscribe", json!({"uri": uri})).await;
        if number < SUBSCRIPTIONS_MAX {
            said.result();
        } else {
            assert_eq!(said.message["error"]["data"]["reason"], "LIMIT_EXCEEDED");
        }
    }
}

/// A call waits at the server, as it does over HTTP, and ends with what it waited for.
#[tokio::test]
async fn a_tool_may_wait_for_a_message() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Participant).await;
    let lead = world.client(Role::Coordinator);
    let wait =
        rpc.tool("read_messages", json!({"thread_id": stage.thread, "after_seq": 1, "wait_ms": 50_000}));
    let (read, posted) = tokio::join!(wait, says(&lead, stage.thread, "here it is", "late"));
    posted.unwrap();
    assert_eq!(read.0["messages"][0]["body"], "here it is");
}

#[tokio::test]
async fn a_trigger_is_one_wake_and_says_so() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Coordinator).await;
    let trigger = |key: &str| json!({"thread_id": stage.thread, "agent": "executor", "idempotency_key": key});
    let (answer, is_error) = rpc.tool("trigger_participant", trigger("one")).await;
    assert!(!is_error, "{answer}");
    assert_eq!(answer["wake"]["wake_id"], stage.wake.to_string(), "the wake that waits already");
    assert_eq!(answer.get("result"), None);
    let unmanaged = json!({"thread_id": stage.thread, "agent": "participant", "idempotency_key": "two"});
    refused(rpc.tool("trigger_participant", unmanaged).await, Reason::RuntimeUnmanaged);
    let absent = json!({"thread_id": stage.thread, "agent": "nobody", "idempotency_key": "three"});
    refused(rpc.tool("trigger_participant", absent).await, Reason::ParticipantMissing);
    let block = json!({"thread_id": stage.thread, "status": Status::Blocked, "idempotency_key": "four"});
    rpc.tool("update_thread_status", block).await;
    refused(rpc.tool("trigger_participant", trigger("five")).await, Reason::ThreadWrongStatus);
}

#[tokio::test]
async fn a_heartbeat_is_seen_by_the_operator_and_tells_what_waits() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Participant).await;
    let before = world.dump().await;
    let (answer, _) = rpc.tool("heartbeat_session", json!({"state": "idle"})).await;
    assert_eq!((&answer["agent"], &answer["unread_threads"]), (&"participant".into(), &1.into()), "{answer}");
    assert_eq!(world.dump().await, before, "nothing of it is in the ledger");
    let ack = json!({"thread_id": stage.thread, "seq": 1, "idempotency_key": "ack"});
    rpc.tool("ack_read", ack).await;
    let (answer, _) = rpc.tool("heartbeat_session", json!({})).await;
    assert_eq!(answer["unread_threads"], 0);
    let operator = world.client(Role::Operator);
    let status =
        crate::world::call::<interlock_api::operations::GetStatus>(&operator, &json!({}), "").await.unwrap();
    let mut agents = status.agents.into_iter();
    let seen = agents.find(|agent| agent.name.as_str() == "participant").unwrap().presence.unwrap();
    assert_eq!(seen.state, interlock_api::v1::session::SessionState::Active);
}
