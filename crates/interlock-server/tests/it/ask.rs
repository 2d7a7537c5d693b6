//! Requests as they go over the wire, right and wrong ones, and what must be true of every answer.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use interlock_api::{Method, Operation, operations as op};
use interlock_core::Reason;
use interlock_core::actor::Role;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::world::{DENIED, Stage, World, call};

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// A request, put together bit by bit.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: String,
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &str, uri: &str) -> Self {
        let headers = vec![("host".to_owned(), b"127.0.0.1".to_vec())];
        Self { method: method.into(), uri: uri.into(), headers, body: Vec::new() }
    }

    /// A row's request with these parameters, each where it belongs, and a key when it needs one.
    pub(crate) fn of(row: &Operation, params: &Map<String, Value>) -> Self {
        let mut rest = params.clone();
        let mut path = row.path.to_owned();
        for name in row.path_parameters() {
            let value = rest.remove(name).unwrap_or(Value::Null);
            path = path.replace(&format!("{{{name}}}"), &plain(&value));
        }
        let ask = match row.method {
            Method::Get => {
                let query: Vec<_> = rest.iter().map(|(name, v)| format!("{name}={}", plain(v))).collect();
                Self::new("GET", &format!("{path}?{}", query.join("&")))
            }
            Method::Post => Self::new("POST", &path).json(&Value::Object(rest)),
        };
        if row.mutates { ask.key(&fresh("key")) } else { ask }
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn uri(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.uri = change(&self.uri);
        self
    }

    /// This header with this value alone.
    pub(crate) fn header(self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).another(name, value)
    }

    /// One more header of this name.
    pub(crate) fn another(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// Sends it past the socket; every answer bears the request's id.
    pub(crate) async fn send(self, world: &World) -> Answer {
        let id = fresh("request");
        let what = format!("{} {}", self.method, self.uri);
        let ask = self.header("x-request-id", id.as_str());
        let mut request = Request::builder().method(ask.method.as_str()).uri(ask.uri.as_str());
        let headers = request.headers_mut().unwrap();
        for (name, value) in ask.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        let response =
            world.router.clone().oneshot(request.body(Body::from(ask.body)).unwrap()).await.unwrap();
        Answer::read(what, id, response).await
    }
}

/// A text that was not used before.
pub(crate) fn fresh(prefix: &str) -> String {
    format!("{prefix}-{}", REQUESTS.fetch_add(1, Ordering::SeqCst))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An answer with the request it answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) what: String,
    pub(crate) status: StatusCode,
    request_id: String,
    headers: axum::http::HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    async fn read(what: String, request_id: String, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let answer = Self { what, status: parts.status, request_id, headers: parts.headers, bytes };
        assert_eq!(answer.header("x-request-id"), answer.request_id, "{}", answer.what);
        answer
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The JSON of a success.
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}: {}", self.what, self.text());
        assert_eq!(self.header("content-type"), "application/json", "{}", self.what);
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The reason of a refusal; `None` for a success.
    pub(crate) fn reason(&self) -> Option<Reason> {
        if self.status.is_success() {
            return None;
        }
        let problem: Value = serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{}: {} {error}", self.what, self.status));
        let reason = Reason::parse(problem["reason"].as_str().unwrap()).unwrap();
        self.is_problem(reason, &problem);
        Some(reason)
    }

    /// It is a refusal for this reason, with everything a refusal has.
    pub(crate) fn refused(&self, reason: Reason) {
        assert_eq!(self.reason(), Some(reason), "{}: {} {}", self.what, self.status, self.text());
    }

    fn is_problem(&self, reason: Reason, problem: &Value) {
        let what = &self.what;
        assert_eq!(self.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(self.status.as_u16(), reason.status(), "{what}");
        let code = reason.code();
        for (name, value) in [
            ("type", json!(format!("docs/errors/{reason}.md"))),
            ("title", json!(reason.title())),
            ("status", json!(reason.status())),
            ("code", json!(code.as_str())),
            ("reason", json!(reason.as_str())),
            ("retryable", json!(code.is_retryable())),
            ("request_id", json!(self.request_id)),
        ] {
            assert_eq!(problem[name], value, "{what}: `{name}`");
        }
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.is_empty() && !detail.contains('\n'), "{what}: {detail}");
        let known = "type title status detail code reason hint retryable retry_after_ms request_id";
        for name in problem.as_object().unwrap().keys() {
            assert!(known.split(' ').any(|one| one == name), "{what}: unknown member `{name}`");
        }
        assert_eq!(problem.get("retry_after_ms").is_some(), code.is_retryable(), "{what}");
        assert_eq!(self.headers.contains_key("retry-after"), code.is_retryable(), "{what}");
        assert_eq!(self.headers.contains_key("www-authenticate"), self.status.as_u16() == 401, "{what}");
    }
}

/// What has to be so that the sample of an operation changes something, besides what stands there anyway.
pub(crate) async fn needs(world: &World, row: &Operation, stage: &Stage) {
    let lead = world.client(Role::Coordinator);
    match row.id {
        "assign_escalation_owner" | "unblock_thread" => {
            let blocked = json!({"thread_id": stage.thread, "status": "blocked"});
            call::<op::UpdateThreadStatus>(&lead, &blocked, "needs").await.unwrap();
        }
        "retry_wake" => {
            let ended = json!({"wake_id": stage.wake, "text": "first this"});
            call::<op::CancelWake>(&lead, &ended, "needs").await.unwrap();
        }
        "resume_agents" => {
            call::<op::HaltAgents>(&world.client(Role::Operator), &json!({}), "needs").await.unwrap();
        }
        _ => {}
    }
}

/// Parameters with which an operation can be called on the stage; every row of the table must have some.
pub(crate) fn sample(row: &Operation, stage: &Stage) -> Map<String, Value> {
    let (thread_id, wake_id, message_id) = (stage.thread, stage.wake, stage.message);
    let webhook_id = stage.webhook;
    let value = match row.id {
        "create_thread" => json!({"title": "another job", "participants": [{"agent": "executor"}]}),
        "update_thread_status" => json!({"thread_id": thread_id, "status": "blocked", "reason": "PAUSED"}),
        "post_message" => json!({"thread_id": thread_id, "body": "hello"}),
        "cancel_message" | "get_delivery" | "collect_verdicts" => {
            json!({"thread_id": thread_id, "message_id": message_id})
        }
        "ack_read" => json!({"thread_id": thread_id, "seq": 1}),
        "get_thread" | "read_messages" | "read_timeline" | "summarize_thread" | "explain_wakes"
        | "get_escalation" => {
            json!({"thread_id": thread_id})
        }
        "add_participant" | "remove_participant" | "trigger_participant" => {
            json!({"thread_id": thread_id, "agent": "executor"})
        }
        "assign_task" => json!({"thread_id": thread_id, "agent": "executor", "task": "mend the build"}),
        "request_review" => json!({"thread_id": thread_id, "commit": "abcdef1"}),
        "assign_escalation_owner" => {
            json!({"thread_id": thread_id, "owner": "executor", "text": "knows best"})
        }
        "escalate_thread" => json!({"thread_id": thread_id, "text": "stuck"}),
        "unblock_thread" => {
            json!({"thread_id": thread_id, "text": "coordinator_override: it was a false alarm"})
        }
        "override_close_thread" => json!({"thread_id": thread_id, "text": "human_override: a false alarm"}),
        "retry_wake" | "cancel_wake" => json!({"wake_id": wake_id, "text": "a person wishes it"}),
        "observe_session" => json!({"observed": "opened"}),
        "register_agent" => json!({"name": "newcomer"}),
        "get_job" => json!({"job_id": stage.job}),
        "requeue_job" => json!({"job_id": stage.job, "text": "it is mended"}),
        "take_snapshot" => json!({"stage": "after", "text": "to be sure"}),
        "get_snapshot" => json!({"snapshot_id": stage.snapshot}),
        "compare_snapshots" => json!({"snapshot_id": stage.snapshot, "with": stage.snapshot}),
        "get_wake" => json!({"wake_id": wake_id}),
        "claim_wakes" => json!({"supervisor": "keeper", "incarnation": "1", "limit": 1}),
        "renew_wakes" => {
            let held = json!([{"wake_id": wake_id, "fence": 1}]);
            json!({"supervisor": "keeper", "incarnation": "1", "wakes": held})
        }
        "report_wake" => {
            let report = json!({"step": "started", "lane": "trigger"});
            json!({"wake_id": wake_id, "incarnation": "1", "fence": 1, "report": report})
        }
        "create_webhook" => json!({"url": "https://receiver.example/"}),
        "get_denial" => json!({"request_id": DENIED}),
        "get_webhook" | "rotate_webhook_secret" | "delete_webhook" | "test_webhook" => {
            json!({"webhook_id": webhook_id})
        }
        "update_webhook" => json!({"webhook_id": webhook_id, "state": "paused"}),
        // A stream that waits would not end.
        "follow_events" => json!({"until_now": true}),
        "list_threads" | "search_messages" | "inbox" | "heartbeat_session" | "list_agents" | "list_wakes"
        | "list_jobs" | "list_denials" | "list_snapshots" | "list_webhooks" | "get_status" | "get_policy"
        | "halt_agents" | "resume_agents" | "renew_token" | "list_entries" | "get_checkpoint"
        | "export_ledger" => json!({}),
        other => panic!("give `{other}` sample parameters, and the tests of all rows cover it"),
    };
    value.as_object().unwrap().clone()
}
