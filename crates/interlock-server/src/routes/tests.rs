use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request as HttpRequest, StatusCode};
use axum::response::Response;
use interlock_api::v1::thread::{GetThreadParams, ListThreadsParams, ListThreadsResponse, ThreadView};
use interlock_api::{Deprecation, Op, Operation, operations as op};
use interlock_core::Timestamp;
use interlock_core::actor::{Actor, AgentName, Guarded, Permission, Role};
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;
use interlock_engine::{Engine, EngineConfig, Issuer, Permit};
use interlock_ledger::LogKey;
use interlock_store::{Store as _, Workspace};
use interlock_store_sqlite::{Options, SqliteStore};
use jiff::civil::date;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::{RateLimits, Rates, Refusal, Router, State, Table};
use crate::context::Ctx;
use crate::webhooks::{WebhookOptions, Webhooks};

/// An operation whose end is announced. The product has none.
struct OldList;

impl Guarded for OldList {
    const OPERATION: &'static str = "old_list";
    const PERMISSION: Permission = Permission::ThreadRead;
}

impl Op for OldList {
    const ROW: Operation = Operation {
        id: "old_list",
        path: "/v1/old",
        tool: Some("old_list"),
        deprecated: Some(Deprecation {
            since: date(2026, 11, 28),
            sunset: date(2027, 12, 1),
            page: "docs/compatibility.md#deprecation",
        }),
        ..op::ListThreads::ROW
    };
    type Params = ListThreadsParams;
    type Response = ListThreadsResponse;
}

async fn list(_: Ctx, _: Permit<OldList>, _: ListThreadsParams) -> Result<ListThreadsResponse, Refusal> {
    Ok(ListThreadsResponse { threads: Vec::new(), next_cursor: None })
}

async fn get(_: Ctx, _: Permit<op::GetThread>, _: GetThreadParams) -> Result<ThreadView, Refusal> {
    Err(Refusal::new(interlock_core::Reason::ThreadNotFound, "there is none here"))
}

struct World {
    router: Router,
    token: String,
    _folder: tempfile::TempDir,
}

impl World {
    /// The old operation beside one that stays.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap());
        let workspace_id = WorkspaceId::from_u128(1);
        store.create_workspace(Workspace { workspace_id, origin: "interlock.test/1".into() }).await.unwrap();
        let issuer = Issuer::from_pem(&Issuer::generate_pem().unwrap()).unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let now = Timestamp::from_millis(i64::try_from(now).unwrap());
        let clock = Arc::new(move || now);
        let ledger_key = LogKey::from_seed([7; 32]);
        let config = EngineConfig {
            store,
            policy: Policy::default(),
            policy_set: BTreeSet::new(),
            ledger_key,
            issuer,
            clock,
        };
        let engine = Engine::new(config).unwrap();
        let name = AgentName::parse("ann").unwrap();
        let actor = Actor {
            name,
            role: Role::Participant,
            workspace_id,
            session_id: None,
            wake_id: None,
            fence: None,
        };
        let token = engine.issuer().mint(&actor, now, 60_000).unwrap();
        let (_, stopping) = watch::channel(false);
        let metrics = crate::metrics::Metrics::new();
        let seats = crate::events::Seats::new(metrics.subscribers.clone());
        let rates = Rates::new(RateLimits::default());
        let webhooks = Webhooks::new(Arc::clone(&engine), WebhookOptions::default()).unwrap();
        let state = Arc::new(State { engine, metrics, seats, webhooks, rates, stopping });
        let table = Table { router: Router::new(), handled: Vec::new(), tools: Vec::new() };
        let table = table.json::<OldList, _, _>(list).json::<op::GetThread, _, _>(get);
        Self { router: table.router.with_state(state), token, _folder: folder }
    }

    async fn get(&self, uri: &str, token: &str) -> Response {
        let request = HttpRequest::get(uri).header("authorization", format!("Bearer {token}"));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_answer_of_a_deprecated_operation_says_so() {
    let world = World::new().await;
    for (uri, token, status) in [
        ("/v1/old", world.token.as_str(), StatusCode::OK),
        ("/v1/old?limit=x", world.token.as_str(), StatusCode::BAD_REQUEST),
        ("/v1/old", "nonsense", StatusCode::UNAUTHORIZED),
    ] {
        let response = world.get(uri, token).await;
        assert_eq!(response.status(), status, "{uri}");
        assert_eq!(header(&response, "deprecation"), "@1795824000");
        assert_eq!(header(&response, "sunset"), "Wed, 01 Dec 2027 00:00:00 GMT");
        let page = "<docs/compatibility.md#deprecation>; rel=\"deprecation\"; type=\"text/markdown\"";
        assert_eq!(header(&response, "link"), page);
    }
}

#[tokio::test]
async fn an_operation_that_stays_says_nothing_of_an_end() {
    let world = World::new().await;
    let response = world.get("/v1/threads/thr_01KDYP6NVQ8M3R5T7V9X1Z3B5C", &world.token).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    for name in ["deprecation", "sunset", "link"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[test]
fn the_description_and_the_tool_say_so_too() {
    let mut generator = schemars::SchemaGenerator::default();
    let item = crate::openapi::operation(&OldList::ROW, &mut generator, &serde_json::json!({}));
    assert_eq!(item["deprecated"], true);
    assert_eq!(item["x-deprecated-since"], "2026-11-28");
    assert_eq!(item["x-sunset"], "2027-12-01");
    let sentence = "Deprecated since 2026-11-28, served at least until 2027-12-01: see docs/compatibility.md#deprecation.";
    assert_eq!(item["description"], sentence);
    let tool = crate::mcp::described(&OldList::ROW).unwrap();
    assert!(tool.description.unwrap().ends_with(sentence));
    let stays = crate::openapi::operation(&op::GetThread::ROW, &mut generator, &serde_json::json!({}));
    assert!(stays.get("deprecated").is_none() && stays.get("x-sunset").is_none());
}
