//! The transparency log: what an entry is, how the tree grows, who signed it, and how a stranger checks it.
//!
//! It exists so that history can be verified from exported bytes alone, by us or by any tool that speaks the
//! C2SP formats: [tlog-tiles](https://c2sp.org/tlog-tiles), [tlog-checkpoint](https://c2sp.org/tlog-checkpoint)
//! and [signed-note](https://c2sp.org/signed-note), over RFC 6962 SHA-256 trees of RFC 8785 JSON entries.
//!
//! The writing side is [`canonical`], [`leaf_hash`], [`Tree`] and [`LogKey`]; the reading side is [`write_export`],
//! [`verify_export`] and the proofs, all over a [`LogSource`].
//!
//! Deliberately absent: databases, files, sockets, clocks and randomness. Bytes come in through a [`LogSource`] or
//! a [`std::io::Read`], keys come in as seeds, and nothing here knows what an entry means beyond its `index`, its
//! `prev` and the `kind` of its events.

mod checkpoint;
mod container;
mod entry;
mod envelope;
mod error;
mod export;
mod frontier;
mod hash;
mod key;
mod proof;
mod sort;
mod source;
mod tile;
mod tree;
mod verify;
mod verify_error;

pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, ORIGIN_BYTES_MAX, open_checkpoint};
pub use entry::{ENTRY_BYTES_MAX, canonical};
pub use error::LedgerError;
pub use export::{ExportError, bundle_bytes, write_export};
pub use hash::{HASH_BYTES, Hash, leaf_hash};
pub use key::{LogKey, Zeroizing};
pub use proof::{ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use source::LogSource;
pub use tile::{Resource, TILE_WIDTH, Tile, TileAt};
pub use tree::{TREE_SIZE_MAX, Tree};
pub use verify::{Report, verify_export, verify_export_with};
pub use verify_error::{At, Reason, VerifyError};
