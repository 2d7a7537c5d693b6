//! The engine on a real file: batches, failures of the store, and what callers are told.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, as tests do")]

mod batches;
mod faults;
mod frozen;
mod history;
mod isolation;
mod jobs;
mod killed;
mod known_defects;
mod snapshots;
mod supervisors;
mod waking;
mod world;
