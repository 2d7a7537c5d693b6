//! The wire contract: request and response types, and the one operation table that every surface follows from.
//!
//! It stands apart from core because the wire is frozen and the domain is not. A row of
//! [`operations`] drives the router, OpenAPI, authorization and its tests, and the reference docs;
//! the typed client calls by row. Deliberately absent: rules, storage, the server.

#[cfg(feature = "client")]
pub mod client;
pub mod deprecation;
pub mod operation;
pub mod operations;
pub mod problem;
#[cfg(feature = "client")]
mod sse;
#[cfg(feature = "client")]
mod told;
pub mod v1;

pub use deprecation::{DeprecatedField, Deprecation, Notice, Side};
pub use operation::{Media, Method, Op, Operation};
pub use operations::OPERATIONS;
pub use problem::Problem;
