//! Which handler answers which row.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodFilter, get, on};
use interlock_api::operations as op;
use interlock_api::{Method, Op, Operation};
use interlock_core::Refusal;
use interlock_engine::{Engine, Permit};
use tokio::sync::watch;

use crate::call::{Path, Shape, answer};
use crate::context::{Ctx, State};
use crate::ends::announcing;
use crate::events::Seats;
use crate::mcp::{Bare, Overlay, Run};
use crate::rate::{RateLimits, Rates};
use crate::webhooks::Webhooks;
use crate::{events, http, plain, protected};

/// Routes and tools being collected.
struct Table {
    router: Router<Arc<State>>,
    handled: Vec<&'static str>,
    tools: Vec<(Operation, Run)>,
}

impl Table {
    /// A handler for a JSON operation.
    fn json<O, F, H>(mut self, handler: H) -> Self
    where
        O: Op,
        H: Fn(Ctx, Permit<O>, O::Params) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<O::Response, Refusal>> + Send + 'static,
    {
        if O::ROW.tool.is_some() {
            self.tools.push((O::ROW, crate::mcp::run::<O, F, H>(handler.clone())));
        }
        let shape = Arc::new(Shape::of(O::ROW));
        let serve = move |axum::extract::State(state): axum::extract::State<Arc<State>>,
                          path: Path,
                          request: Request| {
            answer::<O, F, H>(state, Arc::clone(&shape), path, request, handler.clone())
        };
        let route = announcing(O::ROW, on(filter(O::ROW.method), serve));
        self.router = self.router.route(O::ROW.path, route);
        self.handled.push(O::ROW.id);
        self
    }

    /// A handler for an operation that answers with a stream of bytes.
    fn stream<O, F, H>(mut self, handler: H) -> Self
    where
        O: Op,
        H: Fn(Arc<State>, Arc<Shape>, Path, Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let row = O::ROW;
        let shape = Arc::new(Shape::of(row));
        let serve =
            move |axum::extract::State(state): axum::extract::State<Arc<State>>,
                  path: Path,
                  request: Request| { handler(state, Arc::clone(&shape), path, request) };
        let route = announcing(row, on(filter(row.method), serve));
        self.router = self.router.route(row.path, route);
        self.handled.push(row.id);
        self
    }
}

const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
    }
}

fn table() -> Table {
    Table { router: Router::new(), handled: Vec::new(), tools: Vec::new() }
        .json::<op::CreateThread, _, _>(http::thread::create)
        .json::<op::ListThreads, _, _>(http::thread::list)
        .json::<op::GetThread, _, _>(http::thread::get)
        .json::<op::UpdateThreadStatus, _, _>(http::thread::update_status)
        .json::<op::AddParticipant, _, _>(http::thread::add_participant)
        .json::<op::RemoveParticipant, _, _>(http::thread::remove_participant)
        .json::<op::AssignTask, _, _>(http::review::assign_task)
        .json::<op::RequestReview, _, _>(http::review::request)
        .json::<op::CollectVerdicts, _, _>(http::review::verdicts)
        .json::<op::ExplainWakes, _, _>(http::explain::get)
        .json::<op::GetEscalation, _, _>(http::escalation::get)
        .json::<op::AssignEscalationOwner, _, _>(http::escalation::assign_owner)
        .json::<op::EscalateThread, _, _>(http::escalation::escalate)
        .json::<op::UnblockThread, _, _>(http::escalation::unblock)
        .json::<op::OverrideCloseThread, _, _>(http::escalation::override_close)
        .json::<op::ReadTimeline, _, _>(http::timeline::read)
        .json::<op::SummarizeThread, _, _>(http::summary::summarize)
        .json::<op::HeartbeatSession, _, _>(http::session::heartbeat)
        .json::<op::ObserveSession, _, _>(http::session::observe)
        .json::<op::TriggerParticipant, _, _>(http::wake::trigger)
        .json::<op::PostMessage, _, _>(http::message::post)
        .json::<op::CancelMessage, _, _>(http::message::cancel)
        .json::<op::ReadMessages, _, _>(http::message::read)
        .json::<op::SearchMessages, _, _>(http::search::search)
        .json::<op::GetDelivery, _, _>(http::delivery::get)
        .json::<op::AckRead, _, _>(http::message::ack)
        .json::<op::Inbox, _, _>(http::message::inbox)
        .json::<op::RegisterAgent, _, _>(http::agent::register)
        .json::<op::ListAgents, _, _>(http::agent::list)
        .json::<op::ListWakes, _, _>(http::wake::list)
        .json::<op::GetWake, _, _>(http::wake::get)
        .json::<op::RetryWake, _, _>(http::wake::retry)
        .json::<op::CancelWake, _, _>(http::wake::cancel)
        .json::<op::ClaimWakes, _, _>(http::wake::claim)
        .json::<op::RenewWakes, _, _>(http::wake::renew)
        .json::<op::ReportWake, _, _>(http::wake::report)
        .json::<op::RenewToken, _, _>(http::token::renew)
        .json::<op::ListJobs, _, _>(http::job::list)
        .json::<op::GetJob, _, _>(http::job::get)
        .json::<op::RequeueJob, _, _>(http::job::requeue)
        .json::<op::ListDenials, _, _>(http::denial::list)
        .json::<op::GetDenial, _, _>(http::denial::get)
        .json::<op::TakeSnapshot, _, _>(http::snapshot::take)
        .json::<op::ListSnapshots, _, _>(http::snapshot::list)
        .json::<op::GetSnapshot, _, _>(http::snapshot::get)
        .json::<op::CompareSnapshots, _, _>(http::snapshot::compare)
        .json::<op::GetStatus, _, _>(http::workspace::status)
        .json::<op::GetPolicy, _, _>(http::policy::get)
        .json::<op::HaltAgents, _, _>(http::workspace::halt)
        .json::<op::ResumeAgents, _, _>(http::workspace::resume)
        .json::<op::CreateWebhook, _, _>(http::webhook::create)
        .json::<op::ListWebhooks, _, _>(http::webhook::list)
        .json::<op::GetWebhook, _, _>(http::webhook::get)
        .json::<op::UpdateWebhook, _, _>(http::webhook::update)
        .json::<op::RotateWebhookSecret, _, _>(http::webhook::rotate)
        .json::<op::DeleteWebhook, _, _>(http::webhook::delete)
        .json::<op::TestWebhook, _, _>(http::webhook::test)
        .json::<op::ListEntries, _, _>(http::ledger::entries)
        .json::<op::GetCheckpoint, _, _>(http::ledger::checkpoint)
        .stream::<op::ExportLedger, _, _>(http::ledger::export)
        .stream::<op::FollowEvents, _, _>(events::follow)
}

/// The ids of the operations that have a handler; a test compares them with the table.
pub fn handled_operations() -> Vec<&'static str> {
    table().handled
}

/// All routes, with this laid over MCP.
fn router_of(state: Arc<State>, overlay: impl Overlay) -> Router {
    let Table { router, tools, .. } = table();
    router
        .merge(crate::mcp::router(&state, tools, overlay))
        .route("/health", get(plain::health))
        .route("/ready", get(plain::ready))
        .route("/metrics", get(plain::metrics))
        .route("/jwks", get(plain::jwks))
        .route(protected::OF_SERVER, get(protected::server))
        .route(protected::OF_MCP, get(protected::mcp))
        .route("/v1/openapi.json", get(plain::openapi))
        .fallback(plain::not_found)
        .method_not_allowed_fallback(plain::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), crate::guard::guard))
        .with_state(state)
}

/// All routes over an engine, without a socket; for tests.
pub fn router(
    engine: Arc<Engine>,
    limits: RateLimits,
    webhooks: Arc<Webhooks>,
    stopping: watch::Receiver<bool>,
) -> Router {
    router_with(engine, limits, webhooks, Bare, stopping)
}

/// The same with this laid over MCP.
pub(crate) fn router_with(
    engine: Arc<Engine>,
    limits: RateLimits,
    webhooks: Arc<Webhooks>,
    overlay: impl Overlay,
    stopping: watch::Receiver<bool>,
) -> Router {
    let metrics = crate::metrics::Metrics::new();
    let seats = Seats::new(metrics.subscribers.clone());
    let rates = Rates::new(limits);
    router_of(Arc::new(State { engine, metrics, seats, webhooks, rates, stopping }), overlay)
}

#[cfg(test)]
mod tests;
