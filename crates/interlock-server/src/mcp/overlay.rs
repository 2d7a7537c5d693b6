//! The seam for what a program lays over the protocol's handler, such as the fixtures that outside testers ask for.
//!
//! The product lays nothing over it. What is laid over it stands behind authentication, origin and host checks, limits
//! and sessions, none of which it can change.

use axum::http::request::Parts;
use interlock_core::actor::Actor;
use rmcp::handler::server::ServerHandler;
use rmcp::service::{RequestContext, RoleServer};

/// Something that is laid over the handler: it answers what is its own and passes the rest on.
pub trait Overlay: Clone + Send + Sync + 'static {
    /// A handler with this laid over.
    type Over<H: ServerHandler>: ServerHandler;

    /// Lay it over the handler of one session, or of one request of a revision without sessions.
    fn over<H: ServerHandler>(&self, handler: H) -> Self::Over<H>;
}

/// Nothing is laid over: what the product serves.
#[derive(Debug, Clone, Copy)]
pub struct Bare;

impl Overlay for Bare {
    type Over<H: ServerHandler> = H;

    fn over<H: ServerHandler>(&self, handler: H) -> H {
        handler
    }
}

/// Who asks: put into the request by the door, never taken from what the client says.
pub fn authenticated(context: &RequestContext<RoleServer>) -> Option<&Actor> {
    context.extensions.get::<Parts>()?.extensions.get::<Actor>()
}
