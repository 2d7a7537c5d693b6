//! The PostgreSQL store: a pool of connections, a batch in one or two round trips, the workspace's head row as its lock.
//!
//! Of two the first begins, locks the head row and loads the facts; the second writes every row and commits. Where what a
//! batch needs was loaded or written by those before it, it is decided on that and written in one, on condition that the
//! head row is as this node left it; else nothing is written, and it goes on with two. A commit whose answer was lost is
//! looked up before anybody is answered. Deliberately absent: rules; the rows are what
//! core's `evolve` made them.

mod anchor;
mod apply;
mod archive;
mod batch;
mod clock;
mod denial;
mod error;
mod job;
mod kept;
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
mod statistics;
mod store;
mod tls;
mod webhook;
mod whole;

pub use anchor::Anchors;
pub use archive::PostgresArchive;
pub use look::{Looked, look, servers};
pub use open::{Options, application};
pub use store::PostgresStore;
