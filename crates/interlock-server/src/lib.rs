//! HTTP: the operation table as routes, with authentication, limits, problem details and metrics.
//!
//! A route exists because the table has a row and this crate has a handler for it; the handler's type asks
//! for the permit of that very operation. Deliberately absent: SQL, rules, processes.
//!
//! To add an operation: a row and its two types in `interlock-api`, a handler here in `http/<noun>.rs`, a
//! line in `routes.rs`.

mod call;
mod context;
mod denied;
mod ends;
mod events;
mod guard;
mod http;
mod mcp;
mod metrics;
mod openapi;
mod plain;
mod protected;
mod rate;
mod routes;
mod serve;
mod view;
mod webhooks;

pub use ends::deprecation_faults;
pub use mcp::{Bare, Overlay, authenticated, tools_document};
pub use openapi::document as openapi_document;
pub use rate::{RateLimits, RequestBytes};
pub use routes::{handled_operations, router};
pub use serve::{Server, ServerConfig};
pub use webhooks::{WebhookOptions, Webhooks};
