//! SHA-256 values and the two RFC 6962 hashes.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Bytes in a [`Hash`](struct@Hash).
pub const HASH_BYTES: usize = 32;

/// A SHA-256 value: a leaf, a node or a root.
///
/// `Display` is standard base64, the form a checkpoint uses; `Debug` and [`Hash::hex`] are lower-case hex, the form
/// an entry's `prev` uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// All zero bytes: what the first entry of a log names as its `prev`.
    pub const ZERO: Self = Self([0; HASH_BYTES]);

    /// The root of the empty tree: SHA-256 of nothing (RFC 6962 2.1).
    pub const EMPTY_ROOT: Self = Self(tlog_tiles::EMPTY_HASH.0);

    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads [`HASH_BYTES`] bytes; `None` for any other length.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) const fn to_tlog(self) -> tlog_tiles::Hash {
        tlog_tiles::Hash(self.0)
    }

    pub(crate) const fn from_tlog(hash: tlog_tiles::Hash) -> Self {
        Self(hash.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// The leaf hash of an entry: SHA-256 over a zero byte and the envelope (RFC 6962 2.1).
pub fn leaf_hash(envelope: &[u8]) -> Hash {
    Hash::from_tlog(tlog_tiles::record_hash(envelope))
}

/// The hash of an inner node: SHA-256 over a one byte and both children (RFC 6962 2.1).
pub(crate) fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash::from_tlog(tlog_tiles::node_hash(left.to_tlog(), right.to_tlog()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
