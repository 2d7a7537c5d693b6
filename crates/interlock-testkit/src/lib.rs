//! What tests share: the conformance suite that every store passes, a small engine to drive it with, and a
//! store with faults.
//!
//! A new store implements [`Database`] in its tests and adds one line:
//! `interlock_testkit::store_conformance!(NewDatabase::new);`.
//! Deliberately absent: anything that a shipped crate needs. Helpers here fail by panicking, as tests do.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "helpers of tests fail by panicking, as tests do"
)]

pub mod conformance;
pub mod faults;
mod mirror;
mod model;
pub mod postgres;
pub mod real;
mod sequencer;
mod story;

pub use mirror::Mirror;
pub use sequencer::{Done, Outcome, Sequencer, envelope};
pub use story::Story;

use std::sync::Arc;

use interlock_store::Store;

/// One database of a store's kind, empty at first, which can be opened again and again.
#[async_trait::async_trait]
pub trait Database: Send + Sync {
    /// Open it; what an earlier opening committed is there.
    async fn open(&self) -> Arc<dyn Store>;
}
