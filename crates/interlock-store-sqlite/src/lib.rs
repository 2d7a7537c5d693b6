//! The SQLite store: one file, one writer thread with group commit, reader threads with their own connections, and one that
//! copies the write-ahead log into the file.
//!
//! `synchronous=FULL` in WAL mode: an acknowledged batch has been synced. Deliberately absent: rules; the
//! rows are what core's `evolve` made them.

mod anchor;
mod apply;
mod archive;
mod copier;
mod denial;
mod error;
mod job;
mod load;
mod lock;
mod log;
mod open;
mod query;
mod reader;
mod search;
mod seat;
mod session;
mod snapshot;
mod store;
mod timeline;
mod webhook;
mod writer;

pub use anchor::Anchor;
pub use archive::SqliteArchive;
pub use lock::{Holder, InstanceLock};
pub use log::{LOG_BYTES_MAX, LogLimits};
pub use open::Options;
pub use store::SqliteStore;
