//! What goes wrong again and again in programs that wake agents, as far as it is about who may come in: each test is named
//! after what must never happen. docs/known-defects.md has the whole list, with what is tested elsewhere.

use interlock_api::OPERATIONS;
use interlock_core::Reason;
use interlock_core::actor::Role;
use serde_json::{Value, json};

use crate::ask::{Ask, sample};
use crate::world::World;

/// What an auditor of each workspace is shown of denials.
async fn denials(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for workspace in [world.here, world.there] {
        let token = world.token_of("auditor", Role::Auditor, workspace);
        all.push(Ask::new("GET", "/v1/denials?limit=200").token(&token).send(world).await.done());
    }
    all
}

/// Whoever has no token names a workspace, in a header or in what is asked, and its record holds what a stranger wanted.
#[tokio::test]
async fn nobody_without_a_token_writes_into_a_workspace_of_their_choice() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = (denials(&world).await, world.dump().await);
    for row in OPERATIONS {
        for workspace in [world.here, world.there] {
            let mut params = sample(row, &stage);
            params.insert("workspace_id".into(), json!(workspace));
            let ask = Ask::of(row, &params).header("interlock-workspace", workspace.to_string());
            ask.clone().send(&world).await.refused(Reason::TokenMissing);
            ask.clone().token("ilk_garbage").send(&world).await.refused(Reason::TokenInvalid);
        }
    }
    assert_eq!((denials(&world).await, world.dump().await), before);
}
