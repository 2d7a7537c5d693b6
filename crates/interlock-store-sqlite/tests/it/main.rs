//! The SQLite store: the conformance suite, and what only a file on a disk can do.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod archive;
mod copying;
mod crash;
mod file;
mod opening;

use file::Made;

interlock_testkit::store_conformance!(Made::new);
