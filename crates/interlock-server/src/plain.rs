//! Routes outside the operation table: health, readiness, metrics, keys, the OpenAPI document.

use std::sync::Arc;

use axum::extract::{Request, State as AxumState};
use axum::http::StatusCode;
use axum::response::Response;
use interlock_core::{Reason, Refusal};

use crate::call::{json, refuse, request_id, with_body};
use crate::context::{State, failed};
use crate::metrics::Counted;

/// The process lives, whatever its store does (S002-63).
pub(crate) async fn health() -> Response {
    json(StatusCode::OK, &serde_json::json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// A real query against the store (S002-64).
pub(crate) async fn ready(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.engine.store().ping().await.map_err(failed) {
        Ok(()) => json(StatusCode::OK, &serde_json::json!({"status": "ready"})),
        Err(refusal) => refuse(&refusal, &request_id(&request)),
    }
}

pub(crate) async fn metrics(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let engine = &state.engine;
    // What is counted in memory is told also while the store is away.
    let jobs = told(engine.job_counts().await, "metrics.without_jobs");
    let standing = told(state.webhooks.standing().await, "metrics.without_webhooks");
    let oldest_due_ms = told(engine.oldest_due_ms().await, "metrics.without_due_wakes");
    let counted = Counted {
        now: engine.now(),
        lost_denials: engine.lost_denials(),
        trips: engine.store().trips(),
        jobs: (engine.job_tally(), jobs.as_ref()),
        wakes: engine.wake_tally(),
        deferred: engine.wakes_deferred(),
        oldest_due_ms,
        attempts: state.webhooks.attempts(),
        standing: standing.as_ref(),
        write_ahead: engine.store().write_ahead(),
    };
    match state.metrics.text(&counted) {
        Ok(text) => {
            with_body(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
        }
        Err(error) => refuse(&Refusal::new(Reason::Defect, error.to_string()), &request_id(&request)),
    }
}

fn told<T>(counted: Result<T, Refusal>, otherwise: &'static str) -> Option<T> {
    counted.inspect_err(|refusal| tracing::warn!(%refusal, otherwise, "metrics.not_whole")).ok()
}

pub(crate) async fn jwks(AxumState(state): AxumState<Arc<State>>) -> Response {
    json(StatusCode::OK, &state.engine.issuer().jwks())
}

pub(crate) async fn openapi() -> Response {
    json(StatusCode::OK, &crate::openapi::document())
}

/// No such route.
pub(crate) async fn not_found(request: Request) -> Response {
    let refusal = Refusal::new(Reason::RouteNotFound, "there is no such route")
        .hint("see /v1/openapi.json for the routes");
    refuse(&refusal, &request_id(&request))
}

/// A route that does not take this method.
pub(crate) async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("the route does not take {}", request.method());
    refuse(&Refusal::new(Reason::MethodUnsupported, detail), &request_id(&request))
}
