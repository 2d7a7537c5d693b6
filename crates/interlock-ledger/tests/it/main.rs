//! The ledger against an independent Merkle tree, fixed vectors, and everything hostile we could think of.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod checkpoint;
mod entry;
mod tree;
mod world;
