//! The PostgreSQL store: a pool of connections, a batch in two round trips, the workspace's head row as its lock.
//!
//! The first round trip begins, locks the head row and loads the facts; the second writes every row and commits. A
//! commit whose answer was lost is looked up before anybody is answered. Deliberately absent: rules; the rows are what
//! core's `evolve` made them.

mod anchor;
mod apply;
mod archive;
mod batch;
mod clock;
mod denial;
mod error;
mod job;
mod load;
mod look;
mod neighbours;
mod open;
mod pool;
mod query;
mod row;
mod search;
mod session;
mod snapshot;
mod store;
mod tls;
mod webhook;

pub use anchor::Anchors;
pub use archive::PostgresArchive;
pub use look::{Looked, look, servers};
pub use open::{Options, application};
pub use store::PostgresStore;
