//! What can go wrong while writing or opening a log.

/// Why a ledger operation was refused. Nothing here is retryable: the same input fails the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The canonical form is longer than [`ENTRY_BYTES_MAX`](crate::ENTRY_BYTES_MAX).
    #[error("entry of {bytes} bytes is longer than {max} bytes", max = crate::ENTRY_BYTES_MAX)]
    EntryTooLarge {
        /// Length of the canonical form.
        bytes: usize,
    },
    /// The value has no RFC 8785 form: a duplicate or non-text key, a number that is not finite.
    #[error("value has no canonical JSON form: {0}")]
    NotCanonicalizable(String),
    /// A number at or above 2^53, where doubles no longer hold every integer and RFC 8785 would round silently.
    #[error("number `{0}` cannot be held exactly in canonical JSON")]
    NumberInexact(String),
    /// The tiles handed to [`Tree::resume`](crate::Tree::resume) are not the right edge of a tree of that size.
    #[error("tiles are not the right edge of a tree of size {size}")]
    EdgeMismatch {
        /// The size asked for.
        size: u64,
    },
    /// A tree, or a position in one, beyond [`TREE_SIZE_MAX`](crate::TREE_SIZE_MAX).
    #[error("tree size {0} is beyond the limit")]
    SizeBeyondLimit(u64),
    /// A log's name must be non-empty, bounded, and free of white space, control characters and `+` (signed-note).
    #[error("origin `{0}` cannot name a log")]
    OriginInvalid(String),
    /// The private key is not an Ed25519 key in PKCS#8 PEM.
    #[error("log key is not an Ed25519 private key in PKCS#8 PEM")]
    KeyInvalid,
    /// The verifier key is not a well-formed Ed25519 `name+id+base64` (signed-note).
    #[error("verifier key is malformed")]
    VerifierKeyInvalid,
    /// The note or its text does not follow signed-note and tlog-checkpoint, or carries extension lines.
    #[error("checkpoint is malformed")]
    CheckpointMalformed,
    /// No signature of the expected key verifies over the note.
    #[error("checkpoint has no valid signature of `{0}`")]
    CheckpointSignatureInvalid(String),
    /// The signed text speaks for another log than the key that signed it.
    #[error("checkpoint is about `{found}`, not `{expected}`")]
    CheckpointOriginMismatch {
        /// The name in the verifier key.
        expected: String,
        /// The origin line of the checkpoint.
        found: String,
    },
    /// The position asked about is not in the tree.
    #[error("position {index} is not in a tree of size {size}")]
    IndexOutsideTree {
        /// The position asked for.
        index: u64,
        /// The tree it was looked up in.
        size: u64,
    },
    /// The proof does not lead from the claim to the root.
    #[error("proof does not verify")]
    ProofInvalid,
    /// Stored tiles do not lead to the root they were asked to prove.
    #[error("stored tiles do not match the tree")]
    TilesInconsistent,
}
