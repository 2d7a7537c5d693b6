//! Every row of the table: who gets in, and what the others are told.

use axum::http::StatusCode;
use interlock_api::{OPERATIONS, Operation};
use interlock_core::Reason;
use interlock_core::actor::{Permission, Role};
use serde_json::json;

use crate::ask::{Ask, needs, sample};
use crate::world::{Stage, World};

/// A role that may call this row.
pub(crate) fn allowed(row: &Operation) -> Role {
    Role::ALL.iter().copied().find(|role| role.may(row.permission)).expect("some role may")
}

#[tokio::test]
async fn without_a_token_that_holds_nobody_gets_in() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    for row in OPERATIONS {
        let ask = Ask::of(row, &sample(row, &stage));
        let role = allowed(row);
        let good = world.token(role);
        ask.clone().send(&world).await.refused(Reason::TokenMissing);
        for scheme in ["Bearer", "Basic dXNlcjpwYXNz", good.as_str()] {
            ask.clone().header("authorization", scheme).send(&world).await.refused(Reason::TokenMissing);
        }
        let tampered = format!("{}{}", &good[..good.len() - 4], "AAAA");
        let huge = format!("ilk_{}", "x".repeat(10_000));
        for garbage in ["garbage", "ilk_", "ilk_a.b.c", &good[4..], &tampered, &huge] {
            ask.clone().token(garbage).send(&world).await.refused(Reason::TokenInvalid);
        }
        let twice = ask.clone().token(&good).another("authorization", format!("Bearer {good}"));
        twice.send(&world).await.refused(Reason::TokenInvalid);
        ask.clone().token(&world.expired_token(role)).send(&world).await.refused(Reason::TokenExpired);
        let nowhere = world.token_of("admin", role, interlock_core::id::WorkspaceId::from_u128(99));
        ask.token(&nowhere).send(&world).await.refused(Reason::WorkspaceUnknown);
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn a_role_may_exactly_what_its_permissions_say() {
    for row in OPERATIONS {
        let world = World::new().await;
        let stage = world.stage().await;
        let (may, may_not): (Vec<Role>, Vec<Role>) =
            Role::ALL.iter().partition(|role| role.may(row.permission));
        assert!(!may.is_empty(), "nobody may `{}`", row.id);
        let before = world.dump().await;
        for role in may_not {
            let ask = Ask::of(row, &sample(row, &stage)).token(&world.token(role));
            ask.send(&world).await.refused(Reason::RoleMissing);
        }
        assert_eq!(world.dump().await, before, "`{}`", row.id);
        for role in may {
            let ask = Ask::of(row, &sample(row, &stage)).token(&world.token(role));
            let answer = ask.send(&world).await;
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "`{}` as {role}", row.id);
            assert!(answer.status.is_success() || answer.reason() != Some(Reason::RoleMissing), "{answer:?}");
            assert!(!answer.status.is_server_error(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn every_sample_is_a_request_that_is_done() {
    for row in OPERATIONS {
        let world = World::new().await;
        let stage = world.stage().await;
        if row.id == "report_wake" {
            let claim = OPERATIONS.iter().find(|row| row.id == "claim_wakes").unwrap();
            let claim = Ask::of(claim, &sample(claim, &stage)).token(&world.token(Role::Supervisor));
            claim.send(&world).await.done();
        }
        needs(&world, row, &stage).await;
        // The coordinator leads the stage's thread.
        let role = if Role::Coordinator.may(row.permission) { Role::Coordinator } else { allowed(row) };
        let answer = Ask::of(row, &sample(row, &stage)).token(&world.token(role)).send(&world).await;
        assert_eq!(answer.status, StatusCode::OK, "`{}`: {}", row.id, answer.text());
        assert_eq!(answer.header("content-type"), row.media.as_str(), "`{}`", row.id);
    }
}

/// What of the stage must never reach another workspace.
fn secrets(stage: &Stage) -> [String; 5] {
    [
        stage.thread.to_string(),
        stage.wake.to_string(),
        stage.job.to_string(),
        "\"a job\"".into(),
        "please begin".into(),
    ]
}

#[tokio::test]
async fn another_workspace_sees_nothing_and_changes_nothing() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.store_of_here().await;
    for row in OPERATIONS {
        for role in Role::ALL.iter().copied().filter(|role| role.may(row.permission)) {
            // The very names that are known here.
            for name in [role.as_str(), "executor", "coordinator"] {
                let token = world.token_of(name, role, world.there);
                let answer = Ask::of(row, &sample(row, &stage)).token(&token).send(&world).await;
                if row.path_parameters().next().is_some() || (row.id == "create_thread" && name != "executor")
                {
                    assert_eq!(answer.status, StatusCode::NOT_FOUND, "`{}`: {}", row.id, answer.text());
                }
                if answer.status.is_success() && row.media != interlock_api::Media::Tar {
                    for secret in secrets(&stage) {
                        assert!(!answer.text().contains(&secret), "`{}`: {}", row.id, answer.text());
                    }
                }
            }
        }
    }
    assert_eq!(world.store_of_here().await, before);
    assert!(!world.engine.is_halted(world.here).await);
}

#[tokio::test]
async fn lists_of_another_workspace_are_empty() {
    let world = World::new().await;
    world.stage().await;
    for (uri, role, list) in [
        ("/v1/threads", Role::Coordinator, "threads"),
        ("/v1/inbox", Role::Coordinator, "threads"),
        ("/v1/agents", Role::Coordinator, "agents"),
        ("/v1/wakes", Role::Supervisor, "wakes"),
        ("/v1/jobs", Role::Auditor, "jobs"),
        ("/v1/status", Role::Auditor, "supervisors"),
        ("/v1/ledger/entries", Role::Auditor, "entries"),
    ] {
        let token = world.token_of("participant", role, world.there);
        let body = Ask::new("GET", uri).token(&token).send(&world).await.done();
        assert_eq!(body[list], serde_json::json!([]), "{uri}");
    }
    let token = world.token_of("auditor", Role::Auditor, world.there);
    for uri in ["/v1/ledger/checkpoint", "/v1/ledger/export"] {
        Ask::new("GET", uri).token(&token).send(&world).await.refused(Reason::LedgerEmpty);
    }
}

#[tokio::test]
async fn a_request_that_names_another_workspace_than_its_token_is_refused() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    let (here, there) = (world.here.to_string(), world.there.to_string());
    for row in OPERATIONS {
        let ask = Ask::of(row, &sample(row, &stage)).token(&world.token(allowed(row)));
        for other in [there.as_str(), "nonsense", ""] {
            let ask = ask.clone().header("interlock-workspace", other);
            ask.send(&world).await.refused(Reason::WorkspaceDiffers);
        }
        let both =
            ask.header("interlock-workspace", here.as_str()).another("interlock-workspace", there.as_str());
        both.send(&world).await.refused(Reason::WorkspaceDiffers);
    }
    assert_eq!(world.dump().await, before);
    let token = world.token(Role::Coordinator);
    Ask::new("GET", "/v1/status").token(&token).header("interlock-workspace", here).send(&world).await.done();
}

#[tokio::test]
async fn a_mutation_needs_a_key_of_sound_shape() {
    let world = World::new().await;
    let stage = world.stage().await;
    let before = world.dump().await;
    for row in OPERATIONS.iter().filter(|row| row.mutates) {
        let ask = Ask::of(row, &sample(row, &stage)).token(&world.token(allowed(row)));
        ask.clone().without("idempotency-key").send(&world).await.refused(Reason::KeyMissing);
        for key in [String::new(), "k".repeat(201), "schlüssel".into()] {
            ask.clone().key(&key).send(&world).await.refused(Reason::ParameterInvalid);
        }
        ask.another("idempotency-key", "second").send(&world).await.refused(Reason::ParameterInvalid);
    }
    assert_eq!(world.dump().await, before);
}

#[tokio::test]
async fn only_our_own_host_and_origin_are_answered() {
    let world = World::new().await;
    let health = || Ask::new("GET", "/health");
    for host in ["interlock.example", "127.0.0.1.example", "", "localhost:80x", "[::2]:80"] {
        health().header("host", host).send(&world).await.refused(Reason::CrossOrigin);
    }
    for origin in ["https://localhost", "http://evil.example", "null", "http://localhost.evil:80"] {
        health().header("origin", origin).send(&world).await.refused(Reason::CrossOrigin);
    }
    for host in ["localhost", "127.0.0.1:7070", "[::1]:7070"] {
        health().header("host", host).header("origin", format!("http://{host}")).send(&world).await.done();
    }
}

impl World {
    async fn store_of_here(&self) -> Vec<String> {
        use interlock_engine::read::Store as _;
        self.store.dump(self.here).await.unwrap()
    }
}

/// Everything that says how an agent is started is for those who manage agents; values of its variables for nobody.
#[tokio::test]
async fn how_an_agent_is_started_is_shown_to_those_who_manage_agents() {
    let world = World::new().await;
    let launch = json!({
        "command": ["claude"], "directory": "/srv/w", "repository": "/srv/r", "sandbox": "workspace-write",
        "model": "m", "allowed_tools": ["Bash(make:*)"], "writable": ["/srv/more"],
        "environment": [{"name": "SECRET", "value": "hush-hush"}],
    });
    let agent = json!({"name": "looker", "runtime": "claude", "launch": launch});
    let register = Ask::new("POST", "/v1/agents").key("looker").json(&agent);
    register.token(&world.token(Role::Admin)).send(&world).await.done();
    let row = OPERATIONS.iter().find(|row| row.id == "list_agents").unwrap();
    for role in Role::ALL.iter().copied().filter(|role| role.may(row.permission)) {
        let answer = Ask::new("GET", "/v1/agents").token(&world.token(role)).send(&world).await.done();
        let agents = answer["agents"].as_array().unwrap();
        let shown = agents.iter().find(|agent| agent["name"] == "looker").unwrap();
        let may = role.may(Permission::AgentManage);
        for field in ["directory", "repository", "sandbox", "model", "allowed_tools", "writable"] {
            assert_eq!(shown[field], if may { launch[field].clone() } else { json!(null) }, "{role} {field}");
        }
        assert_eq!(shown["command"], if may { launch["command"].clone() } else { json!([]) }, "{role}");
        assert!(!answer.to_string().contains("hush-hush"));
    }
}
