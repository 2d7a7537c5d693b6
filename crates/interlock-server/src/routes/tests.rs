use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request as HttpRequest, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use interlock_api::v1::thread::{
    CreateThreadParams, GetThreadParams, ListThreadsParams, ListThreadsResponse, ThreadView,
};
use interlock_api::{DeprecatedField, Deprecation, Op, Operation, Side, operations as op};
use interlock_core::Timestamp;
use interlock_core::actor::{Actor, AgentName, Guarded, Permission, Role};
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;
use interlock_engine::{Engine, EngineConfig, Issuer, Permit};
use interlock_ledger::LogKey;
use interlock_store::{Store as _, Workspace};
use interlock_store_sqlite::{Options, SqliteStore};
use jiff::civil::date;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::{Bare, RateLimits, Rates, Refusal, Router, State, Table};
use crate::context::Ctx;
use crate::ends::deprecation_faults;
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
        deprecated: Some(END),
        ..op::ListThreads::ROW
    };
    type Params = ListThreadsParams;
    type Response = ListThreadsResponse;
}

async fn list(_: Ctx, _: Permit<OldList>, _: ListThreadsParams) -> Result<ListThreadsResponse, Refusal> {
    Ok(ListThreadsResponse { threads: Vec::new(), next_cursor: None })
}

const END: Deprecation = Deprecation {
    since: date(2026, 11, 28),
    sunset: date(2027, 12, 1),
    page: "docs/compatibility.md#deprecation",
};

/// An operation that stays, with fields whose ends are announced.
struct OldFields;

impl Guarded for OldFields {
    const OPERATION: &'static str = "old_fields";
    const PERMISSION: Permission = Permission::ThreadRead;
}

impl Op for OldFields {
    const ROW: Operation = Operation {
        id: "old_fields",
        path: "/v1/fields",
        tool: Some("old_fields"),
        deprecated_fields: &[
            DeprecatedField { side: Side::Request, path: "cursor", deprecation: END },
            DeprecatedField { side: Side::Answer, path: "threads.title", deprecation: END },
        ],
        ..op::ListThreads::ROW
    };
    type Params = ListThreadsParams;
    type Response = ListThreadsResponse;
}

/// The same with one inside others, in a body.
struct OldParts;

impl Guarded for OldParts {
    const OPERATION: &'static str = "old_parts";
    const PERMISSION: Permission = Permission::ThreadRead;
}

impl Op for OldParts {
    const ROW: Operation = Operation {
        id: "old_parts",
        path: "/v1/parts",
        tool: Some("old_parts"),
        permission: Permission::ThreadRead,
        mutates: false,
        deprecated_fields: &[DeprecatedField {
            side: Side::Request,
            path: "participants.role",
            deprecation: END,
        }],
        response: op::ListThreads::ROW.response,
        ..op::CreateThread::ROW
    };
    type Params = CreateThreadParams;
    type Response = ListThreadsResponse;
}

/// Does what the field says, for as long as it is served.
async fn by_cursor(
    _: Ctx,
    _: Permit<OldFields>,
    p: ListThreadsParams,
) -> Result<ListThreadsResponse, Refusal> {
    Ok(ListThreadsResponse { threads: Vec::new(), next_cursor: p.cursor })
}

async fn by_role(_: Ctx, _: Permit<OldParts>, p: CreateThreadParams) -> Result<ListThreadsResponse, Refusal> {
    let roles: Vec<_> = p.participants.iter().map(|one| one.role.as_str()).collect();
    Ok(ListThreadsResponse { threads: Vec::new(), next_cursor: Some(roles.join(",")) })
}

async fn get(_: Ctx, _: Permit<op::GetThread>, _: GetThreadParams) -> Result<ThreadView, Refusal> {
    Err(Refusal::new(interlock_core::Reason::ThreadNotFound, "there is none here"))
}

struct World {
    router: Router,
    token: String,
    /// A server is about to stop when nobody could say so any more.
    _stop: watch::Sender<bool>,
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
        let (stop, stopping) = watch::channel(false);
        let metrics = crate::metrics::Metrics::new();
        let seats = crate::events::Seats::new(metrics.subscribers.clone());
        let rates = Rates::new(RateLimits::default());
        let webhooks = Webhooks::new(Arc::clone(&engine), WebhookOptions::default()).unwrap();
        let state = Arc::new(State { engine, metrics, seats, webhooks, rates, stopping });
        let table = Table { router: Router::new(), handled: Vec::new(), tools: Vec::new() };
        let table = table.json::<OldList, _, _>(list).json::<op::GetThread, _, _>(get);
        let table = table.json::<OldFields, _, _>(by_cursor).json::<OldParts, _, _>(by_role);
        let router = table.router.merge(crate::mcp::router(&state, table.tools, Bare));
        Self { router: router.with_state(state), token, _stop: stop, _folder: folder }
    }

    async fn get(&self, uri: &str, token: &str) -> Response {
        let request = HttpRequest::get(uri).header("authorization", format!("Bearer {token}"));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn post(&self, uri: &str, body: &Value) -> Response {
        let request = HttpRequest::post(uri).header("authorization", format!("Bearer {}", self.token));
        let request = request.header("content-type", "application/json");
        self.router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap()
    }

    /// What a tool's answer is, and what its metadata say of ends.
    async fn call(&self, tool: &str, arguments: &Value) -> (Value, Value) {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let request = HttpRequest::post("/mcp")
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        let request = request.body(Body::from(message.to_string())).unwrap();
        let mut said = body(self.router.clone().oneshot(request).await.unwrap()).await;
        let result = said["result"].take();
        (result["structuredContent"].clone(), result["_meta"]["interlock/deprecated"].clone())
    }
}

async fn body(response: Response) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes)))
}

/// All that an answer says of ends.
fn ends(response: &Response) -> Vec<String> {
    let of = |name: &'static str| {
        let values = response.headers().get_all(name).iter();
        values.map(move |value| format!("{name}: {}", value.to_str().unwrap()))
    };
    ["deprecation", "sunset", "link"].into_iter().flat_map(of).collect()
}

const DATES: [&str; 2] = ["deprecation: @1795824000", "sunset: Wed, 01 Dec 2027 00:00:00 GMT"];
const LINK: &str = "link: <docs/compatibility.md#deprecation>; rel=\"deprecation\"; type=\"text/markdown\"";
const SENTENCE: &str =
    "Deprecated since 2026-11-28, served at least until 2027-12-01: see docs/compatibility.md#deprecation.";

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
        assert_eq!(ends(&response), [DATES[0], DATES[1], LINK]);
    }
}

#[tokio::test]
async fn an_operation_that_stays_says_nothing_of_an_end() {
    let world = World::new().await;
    let response = world.get("/v1/threads/thr_01KDYP6NVQ8M3R5T7V9X1Z3B5C", &world.token).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(ends(&response), [""; 0]);
}

#[test]
fn the_description_and_the_tool_say_so_too() {
    let mut generator = schemars::SchemaGenerator::default();
    let item = crate::openapi::operation(&OldList::ROW, &mut generator, &serde_json::json!({}));
    assert_eq!(item["deprecated"], true);
    assert_eq!(item["x-deprecated-since"], "2026-11-28");
    assert_eq!(item["x-sunset"], "2027-12-01");
    assert_eq!(item["description"], SENTENCE);
    let tool = crate::mcp::described(&OldList::ROW).unwrap();
    assert!(tool.description.unwrap().ends_with(SENTENCE));
    assert_eq!(tool.meta.unwrap()["interlock/sunset"], "2027-12-01");
    let stays = crate::openapi::operation(&op::GetThread::ROW, &mut generator, &serde_json::json!({}));
    assert!(stays.get("deprecated").is_none() && stays.get("x-sunset").is_none());
}

#[tokio::test]
async fn a_deprecated_field_does_what_it_did_and_whoever_uses_it_is_told() {
    let world = World::new().await;
    let used = world.get("/v1/fields?cursor=x", &world.token).await;
    let link = format!("{LINK}; title=\"cursor\"");
    assert_eq!(ends(&used), [DATES[0], DATES[1], &link]);
    assert_eq!(body(used).await["next_cursor"], "x");
    let refused = world.get("/v1/fields?cursor=x&limit=many", &world.token).await;
    assert_eq!((refused.status(), ends(&refused).len()), (StatusCode::BAD_REQUEST, 3));
    for uri in ["/v1/fields", "/v1/fields?limit=3", "/v1/fields?limit=many"] {
        assert_eq!(ends(&world.get(uri, &world.token).await), [""; 0], "{uri}");
    }
}

#[tokio::test]
async fn the_same_of_a_field_inside_others() {
    let world = World::new().await;
    let part = |part: Value| json!({"title": "t", "participants": [{"agent": "ben"}, part]});
    let used = world.post("/v1/parts", &part(json!({"agent": "eve", "role": "coordinator"}))).await;
    assert_eq!(ends(&used), [DATES[0], DATES[1], &format!("{LINK}; title=\"participants.role\"")]);
    assert_eq!(body(used).await["next_cursor"], "participant,coordinator");
    let without = world.post("/v1/parts", &part(json!({"agent": "eve"}))).await;
    assert_eq!((without.status(), ends(&without)), (StatusCode::OK, Vec::new()));
}

#[tokio::test]
async fn a_tools_answer_tells_of_ends_in_its_metadata() {
    let world = World::new().await;
    let end = json!({
        "since": "2026-11-28", "sunset": "2027-12-01", "page": "docs/compatibility.md#deprecation",
    });
    let of_field = json!([{
        "argument": "cursor", "since": "2026-11-28", "sunset": "2027-12-01",
        "page": "docs/compatibility.md#deprecation",
    }]);
    let (answer, told) = world.call("old_fields", &json!({"cursor": "x"})).await;
    assert_eq!((&answer["next_cursor"], &told), (&json!("x"), &of_field));
    let (refused, told) = world.call("old_fields", &json!({"cursor": "x", "limit": "many"})).await;
    assert_eq!((&refused["reason"], &told), (&json!("PARAMETER_INVALID"), &of_field));
    let (answer, told) = world.call("old_fields", &json!({"limit": 3})).await;
    assert_eq!((answer["threads"].is_array(), told), (true, Value::Null));
    assert_eq!(world.call("old_list", &json!({})).await.1, json!([end]), "operations do as well");
}

#[test]
fn the_description_and_the_tool_say_it_of_fields() {
    let mut generator = schemars::SchemaGenerator::default();
    let item = crate::openapi::operation(&OldFields::ROW, &mut generator, &json!({}));
    assert!(item.get("deprecated").is_none(), "the operation stays");
    let marked = |field: &Value| {
        assert_eq!(field["deprecated"], true, "{field}");
        assert_eq!(
            (&field["x-deprecated-since"], &field["x-sunset"]),
            (&json!("2026-11-28"), &json!("2027-12-01"))
        );
        assert!(field["description"].as_str().unwrap().ends_with(SENTENCE), "{field}");
    };
    let mut parameters = item["parameters"].as_array().unwrap().iter();
    let parameter = parameters.find(|parameter| parameter["name"] == "cursor").unwrap();
    marked(parameter);
    assert!(parameter["schema"].get("deprecated").is_none(), "said once: {parameter}");
    assert!(parameters.all(|parameter| parameter.get("deprecated").is_none()));
    marked(&generator.definitions()["ThreadView"]["properties"]["title"]);
    crate::openapi::operation(&OldParts::ROW, &mut generator, &json!({}));
    marked(&generator.definitions()["ParticipantParams"]["properties"]["role"]);

    let tool = crate::mcp::described(&OldFields::ROW).unwrap();
    marked(&tool.input_schema["properties"]["cursor"]);
    assert!(tool.input_schema["properties"]["limit"].get("deprecated").is_none());
    let answer = &tool.output_schema.unwrap()["anyOf"];
    marked(&answer[0]["properties"]["threads"]["items"]["properties"]["title"]);
    assert!(answer[1]["properties"]["title"].get("deprecated").is_none(), "a problem's title stays");
    assert!(tool.description.unwrap().ends_with(&format!("`cursor`: {SENTENCE}")));
    let tool = crate::mcp::described(&OldParts::ROW).unwrap();
    marked(&tool.input_schema["properties"]["participants"]["items"]["properties"]["role"]);
}

/// The faults of an announcement of this field's end, in place of the ones above.
fn faults(row: Operation, side: Side, path: &'static str, deprecation: Deprecation) -> Vec<String> {
    let fields = Vec::leak(vec![DeprecatedField { side, path, deprecation }]);
    deprecation_faults(&[Operation { deprecated_fields: fields, ..row }])
}

#[test]
fn an_announcement_is_of_something_that_can_be_done_without() {
    let (list, parts) = (OldFields::ROW, OldParts::ROW);
    assert_eq!(deprecation_faults(&[OldList::ROW, parts]), [""; 0]);
    for (row, side, path, deprecation, fault) in [
        (list, Side::Request, "cursr", END, "`cursr`: there is no such field"),
        (list, Side::Answer, "threads.naem", END, "`threads.naem`: there is no such field"),
        (parts, Side::Request, "participants.agent", END, "nobody can do without it"),
        (op::GetThread::ROW, Side::Request, "thread_id", END, "is in the path"),
        (list, Side::Request, "cursor", Deprecation { sunset: date(2027, 1, 1), ..END }, "34 days"),
        (list, Side::Request, "cursor", Deprecation { page: "elsewhere.md", ..END }, "no page"),
    ] {
        let found = faults(row, side, path, deprecation);
        assert!(matches!(&found[..], [one] if one.contains(fault)), "{path}: {found:?}");
    }
}

/// A shape is described once, so whoever has it has the end too.
#[test]
fn the_end_of_a_shared_shapes_field_is_announced_wherever_it_is() {
    let fault = "get_thread: has `ThreadView` too, whose `title` ends on 2027-12-01";
    assert_eq!(deprecation_faults(&[OldFields::ROW, op::GetThread::ROW]), [fault]);
    let fields = &[DeprecatedField { side: Side::Answer, path: "title", deprecation: END }];
    let said = Operation { deprecated_fields: fields, ..op::GetThread::ROW };
    assert_eq!(deprecation_faults(&[OldFields::ROW, said]), [""; 0]);
}
