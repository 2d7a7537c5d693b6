//! The ledger against an independent Merkle tree, fixed vectors, and everything hostile we could think of.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod checkpoint;
mod entry;
mod export;
mod hostile;
mod proof;
mod tree;
mod world;
