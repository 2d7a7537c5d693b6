//! The PostgreSQL store: the conformance suite, and what only a server with several users can do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, as tests do")]

mod alike;
mod archive;
mod cut;
mod errors;
mod lost;
mod made;
mod neighbours;
mod opening;
mod tls;
mod trips;
mod wire;
mod young;

use made::Made;

interlock_testkit::store_conformance!(optional Made::new);
