//! MCP on `/mcp`: the operation table's tools, threads as resources, and their updates, for both protocol eras.
//!
//! One endpoint serves 2026-07-28 (stateless) and the revisions with a handshake (2025-11-25 and older); the SDK in
//! [`handler`] tells them apart. A tool is a row of the operation table with the very handler that HTTP uses, so
//! permissions, limits, idempotency and errors are the same. No tool needs a session. Deliberately absent: rules, and
//! anything that trusts what a client says of itself: who calls is known by the bearer token alone.

mod events;
mod expiry;
mod handler;
mod instructions;
mod overlay;
mod prompts;
mod resources;
mod schema;
mod sessions;
mod subscriptions;
mod tools;
mod worded;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as AxumState};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use interlock_api::{Op, Operation};
use interlock_core::actor::Actor;
use interlock_core::{Reason, Refusal};
use interlock_engine::{Permit, authorize};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;

use crate::call::{Call, caller, refuse, request_id, typed};
use crate::context::{Ctx, State};
use crate::denied::{self, Asked};
use crate::protected;
use handler::Handler;
pub use overlay::{Bare, Overlay, authenticated};
use sessions::{SESSION, Sessions};
use tools::Tools;
#[cfg(test)]
pub(crate) use tools::described;

/// Where MCP is served.
const PATH: &str = "/mcp";

/// Pages that a browser on this machine may show; others are refused.
const ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

type Answer = Pin<Box<dyn Future<Output = Result<Value, Refusal>> + Send>>;

/// An operation's handler without its types: authorizes, reads the parameters, answers with JSON.
pub(crate) type Run = Arc<dyn Fn(Arc<State>, Call) -> Answer + Send + Sync>;

/// The tools as clients are told of them, for the reference and for checks of what was promised.
pub fn tools_document() -> Value {
    serde_json::json!({"tools": tools::all_described()})
}

/// The handler that HTTP uses for an operation, callable by name.
pub(crate) fn run<O, F, H>(handler: H) -> Run
where
    O: Op,
    H: Fn(Ctx, Permit<O>, O::Params) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<O::Response, Refusal>> + Send + 'static,
{
    Arc::new(move |state, call| {
        let handler = handler.clone();
        Box::pin(async move {
            let (actor, attempt) = (call.actor.clone(), denied::attempt(&O::ROW, &call));
            let answered = async {
                let permit = authorize::<O>(&actor)?;
                let (ctx, params) = typed::<O>(&state, &O::ROW, call)?;
                handler(ctx, permit, params).await
            };
            let response =
                answered.await.inspect_err(|refusal| denied::note(&state, &actor, &attempt, refusal))?;
            serde_json::to_value(response).map_err(|error| Refusal::new(Reason::Defect, error.to_string()))
        })
    })
}

/// The endpoint over these tools, with this laid over.
pub(crate) fn router(
    state: &Arc<State>,
    tools: Vec<(Operation, Run)>,
    overlay: impl Overlay,
) -> Router<Arc<State>> {
    let tools = Arc::new(Tools::of(tools));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(ORIGINS)
        .with_json_response(true)
        .with_max_request_body_bytes(state.rates.request_bytes_max());
    let (stop, mut stopping) = (config.cancellation_token.clone(), state.stopping.clone());
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            // Streams have no end of their own: they end when the server does, and when nobody could say so any more.
            drop(stopping.wait_for(|is_stopping| *is_stopping).await);
            stop.cancel();
        });
    }
    let manager = Arc::new(sessions::manager());
    let sessions = Arc::new(Sessions::new(Arc::clone(&manager)));
    let for_handlers = Arc::clone(state);
    let service = StreamableHttpService::new(
        move || Ok(overlay.over(Handler::new(Arc::clone(&for_handlers), Arc::clone(&tools)))),
        manager,
        config,
    );
    let door = Arc::new(Door { state: Arc::clone(state), sessions });
    Router::new().route_service(PATH, service).layer(from_fn_with_state(door, enter))
}

/// What stands before the protocol.
struct Door {
    state: Arc<State>,
    sessions: Arc<Sessions>,
}

/// Every request is authenticated, whatever its session; a session belongs to whoever opened it.
async fn enter(AxumState(door): AxumState<Arc<Door>>, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let (mut parts, body) = request.into_parts();
    let actor = match admit(&door, &parts.headers, &id).await {
        Ok(actor) => actor,
        Err(refusal) => return protected::challenged(refuse(&refusal, &id), &parts.headers, &refusal),
    };
    let given = sessions::named(&parts.headers);
    let ends = parts.method == Method::DELETE;
    // A session's own stream; with every other request the answer is the end.
    let end = (parts.method == Method::GET).then(|| expiry::expired(&door.state, &parts.headers));
    let is_old = !events::knows_empty_events(&parts.headers);
    parts.extensions.insert(actor.clone());
    let has_sent_json = worded::is_json(&parts.headers);
    let response = next.run(Request::from_parts(parts, body)).await;
    let mut response = worded::worded(response, has_sent_json, &id).await;
    if let Some(end) = end {
        response = expiry::until(end, response);
    }
    if is_old {
        response = events::without_empty_events(response);
    }
    match given {
        Some(session) if ends => door.sessions.forget(&session),
        Some(_) => {}
        None => {
            if let Some(session) = sessions::named(response.headers()) {
                door.sessions.belongs_to(session, &actor).await;
            }
        }
    }
    response
}

async fn admit(door: &Door, headers: &HeaderMap, request_id: &str) -> Result<Actor, Refusal> {
    let asked = Asked { operation: denied::MCP, path: None, headers, request_id };
    let actor = caller(&door.state, asked).await?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes_max = door.state.rates.request_bytes_max();
    if length.is_some_and(|length: usize| length > bytes_max) {
        let detail = format!("the body is larger than {bytes_max} bytes");
        return Err(Refusal::new(Reason::BodyTooLarge, detail));
    }
    match sessions::named(headers) {
        Some(session) if !door.sessions.may_use(&session, &actor) => {
            let detail = format!("the session named by `{SESSION}` is not yours, or over");
            let refusal = Refusal::new(Reason::RouteNotFound, detail).hint("begin a new session");
            Err(asked.refused(&door.state, &actor, refusal.hiding(session)))
        }
        _ => Ok(actor),
    }
}
