//! The SQLite store: one file, one writer thread with group commit, reader threads with their own connections.
//!
//! `synchronous=FULL` in WAL mode: an acknowledged batch has been synced. Deliberately absent: rules; the
//! rows are what core's `evolve` made them.

mod anchor;
mod apply;
mod archive;
mod denial;
mod error;
mod job;
mod load;
mod lock;
mod open;
mod query;
mod reader;
mod search;
mod session;
mod snapshot;
mod store;
mod timeline;
mod webhook;
mod writer;

pub use anchor::Anchor;
pub use archive::SqliteArchive;
pub use lock::{Holder, InstanceLock};
pub use open::Options;
pub use store::SqliteStore;
