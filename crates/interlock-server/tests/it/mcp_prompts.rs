//! Prompts of MCP, and the thread ids that are completed while a person types.

use interlock_core::actor::Role;
use serde_json::{Value, json};

use crate::rpc::{Era, LEGACY, Rpc};
use crate::world::World;

const ERAS: [Era; 3] = [Era::Modern, Era::Legacy(LEGACY), Era::Legacy("2025-06-18")];

/// What is declared is there, and what is there is declared: clients ask only for what was declared.
#[tokio::test]
async fn prompts_are_declared_listed_and_given() {
    for era in ERAS {
        let world = World::new().await;
        let stage = world.stage().await;
        let rpc = Rpc::of(&world, era, Role::Participant).await;
        if era == Era::Modern {
            let declared = rpc.request("server/discover", json!({})).await.result()["capabilities"].clone();
            assert!(declared["prompts"].is_object() && declared["completions"].is_object(), "{declared}");
        }
        let listed = rpc.request("prompts/list", json!({})).await;
        let names: Vec<&Value> =
            listed.result()["prompts"].as_array().unwrap().iter().map(|prompt| &prompt["name"]).collect();
        assert_eq!(names, ["inbox", "thread"]);
        let inbox = rpc.request("prompts/get", json!({"name": "inbox"})).await;
        let text = inbox.result()["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(text.contains("`inbox`") && text.contains("acknowledge"), "{text}");
        let wanted = json!({"name": "thread", "arguments": {"thread_id": stage.thread}});
        let thread = rpc.request("prompts/get", wanted).await;
        let messages = thread.result()["messages"].as_array().unwrap();
        let embedded: Value =
            serde_json::from_str(messages[0]["content"]["resource"]["text"].as_str().unwrap()).unwrap();
        assert_eq!(embedded["thread"]["thread_id"], json!(stage.thread));
        assert!(embedded["summary"].is_object());
        assert!(messages[1]["content"]["text"].as_str().unwrap().contains("read_messages"));
    }
}

#[tokio::test]
async fn prompts_that_are_not_there_are_refused_and_threads_of_others_are_not_there() {
    let world = World::new().await;
    let stage = world.stage().await;
    let rpc = Rpc::of(&world, Era::Modern, Role::Participant).await;
    let outsider =
        Rpc::open(&world, Era::Modern, &world.token_of("outsider", Role::Participant, world.here)).await;
    let thread = |id: &Value| json!({"name": "thread", "arguments": {"thread_id": id}});
    let cases = [
        (&rpc, json!({"name": "nothing"}), "PARAMETER_INVALID"),
        (&rpc, json!({"name": "thread"}), "PARAMETER_INVALID"),
        (&rpc, thread(&json!("thr_x")), "PARAMETER_INVALID"),
        (&rpc, thread(&json!("thr_00000000000000000000000009")), "THREAD_NOT_FOUND"),
        (&outsider, thread(&json!(stage.thread)), "THREAD_NOT_FOUND"),
    ];
    for (rpc, params, reason) in cases {
        let said = rpc.request("prompts/get", params.clone()).await;
        assert_eq!(said.error_code(), -32_602, "{params}");
        assert_eq!(said.message["error"]["data"]["reason"], reason, "{params}");
    }
}

#[tokio::test]
async fn ids_of_threads_are_completed_by_their_beginning_and_by_their_title() {
    for era in ERAS {
        let world = World::new().await;
        let stage = world.stage().await;
        let lead = world.client(Role::Coordinator);
        let params = json!({"title": "Broken Totals", "participants": [{"agent": "participant"}]});
        let totals =
            crate::world::call::<interlock_api::operations::CreateThread>(&lead, &params, "totals").await;
        let totals = totals.unwrap().thread_id;
        let params = json!({"title": "totals of others", "participants": []});
        crate::world::call::<interlock_api::operations::CreateThread>(&lead, &params, "others")
            .await
            .unwrap();
        let rpc = Rpc::of(&world, era, Role::Participant).await;
        let prompt = json!({"type": "ref/prompt", "name": "thread"});
        let template = json!({"type": "ref/resource", "uri": "interlock://threads/{thread_id}"});
        let whole = stage.thread.to_string();
        for reference in [&prompt, &template] {
            let offered = async |name: &str, typed: &str| {
                let params = json!({"ref": reference, "argument": {"name": name, "value": typed}});
                rpc.request("completion/complete", params).await.result()["completion"]["values"].clone()
            };
            assert_eq!(offered("thread_id", "").await, json!([totals, stage.thread]), "newest first");
            assert_eq!(offered("thread_id", "totals").await, json!([totals]), "not what others speak of");
            assert_eq!(offered("thread_id", &whole).await, json!([stage.thread]));
            assert_eq!(offered("thread_id", "nothing like it").await, json!([]));
            assert_eq!(offered("other", "").await, json!([]));
        }
        let unknown = json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "thread_id", "value": ""}});
        let said = rpc.request("completion/complete", unknown).await;
        assert_eq!(said.result()["completion"]["values"], json!([]));
    }
}
