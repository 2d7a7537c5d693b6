//! The first thing wrong with an export, and where.

use std::fmt;

/// Why an export was rejected. The codes are stable: never renamed, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Bytes that we would not have written: a damaged header, a wrong length, padding that is not empty.
    ExportMalformed,
    /// The input ends before the log does.
    ExportTruncated,
    /// A file that does not belong there, such as one too many or one missing before it.
    ExportUnexpectedFile,
    /// Beyond what a verifier takes on: tree size, number or length of event kinds.
    ExportLimitExceeded,
    /// The input could not be read; says nothing about the log.
    ExportUnreadable,
    /// The verifier key that the caller gave is malformed.
    VerifierKeyInvalid,
    /// The export's own key is not the one the caller trusts, though the checkpoint is signed by the trusted one.
    VerifierKeyMismatch,
    /// No valid signature of the key over the checkpoint.
    CheckpointSignatureInvalid,
    /// The checkpoint is about another log.
    CheckpointOriginMismatch,
    /// A tile is not what the tile above it, or the entries below it, say.
    TileMismatch,
    /// Tiles and entries agree with each other but not with the signed root.
    RootMismatch,
    /// An entry is not the one the log holds at this position.
    EntryHashMismatch,
    /// An entry is not canonical JSON (RFC 8785).
    EntryNotCanonical,
    /// An entry has no well-formed list of events.
    EntryMalformed,
    /// An entry's `index` is not its position.
    EntryIndexMismatch,
    /// An entry's `prev` is not the leaf hash of the entry before it.
    EntryPrevMismatch,
}

impl Reason {
    /// All reasons, for documentation and the tests that compare it.
    pub const ALL: [Self; 16] = [
        Self::ExportMalformed,
        Self::ExportTruncated,
        Self::ExportUnexpectedFile,
        Self::ExportLimitExceeded,
        Self::ExportUnreadable,
        Self::VerifierKeyInvalid,
        Self::VerifierKeyMismatch,
        Self::CheckpointSignatureInvalid,
        Self::CheckpointOriginMismatch,
        Self::TileMismatch,
        Self::RootMismatch,
        Self::EntryHashMismatch,
        Self::EntryNotCanonical,
        Self::EntryMalformed,
        Self::EntryIndexMismatch,
        Self::EntryPrevMismatch,
    ];

    /// The code to look up, such as `ENTRY_HASH_MISMATCH`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ExportMalformed => "EXPORT_MALFORMED",
            Self::ExportTruncated => "EXPORT_TRUNCATED",
            Self::ExportUnexpectedFile => "EXPORT_UNEXPECTED_FILE",
            Self::ExportLimitExceeded => "EXPORT_LIMIT_EXCEEDED",
            Self::ExportUnreadable => "EXPORT_UNREADABLE",
            Self::VerifierKeyInvalid => "VERIFIER_KEY_INVALID",
            Self::VerifierKeyMismatch => "VERIFIER_KEY_MISMATCH",
            Self::CheckpointSignatureInvalid => "CHECKPOINT_SIGNATURE_INVALID",
            Self::CheckpointOriginMismatch => "CHECKPOINT_ORIGIN_MISMATCH",
            Self::TileMismatch => "TILE_MISMATCH",
            Self::RootMismatch => "ROOT_MISMATCH",
            Self::EntryHashMismatch => "ENTRY_HASH_MISMATCH",
            Self::EntryNotCanonical => "ENTRY_NOT_CANONICAL",
            Self::EntryMalformed => "ENTRY_MALFORMED",
            Self::EntryIndexMismatch => "ENTRY_INDEX_MISMATCH",
            Self::EntryPrevMismatch => "ENTRY_PREV_MISMATCH",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::ExportMalformed => "not in the form an export is written in",
            Self::ExportTruncated => "the export ends early",
            Self::ExportUnexpectedFile => "the file does not belong there",
            Self::ExportLimitExceeded => "beyond the limits of a verifier",
            Self::ExportUnreadable => "the export could not be read",
            Self::VerifierKeyInvalid => "the given verifier key is malformed",
            Self::VerifierKeyMismatch => "the export carries another key than the given one",
            Self::CheckpointSignatureInvalid => "no valid signature of the log's key",
            Self::CheckpointOriginMismatch => "the checkpoint is about another log",
            Self::TileMismatch => "the tile differs from what the log proves",
            Self::RootMismatch => "the log does not have the signed root",
            Self::EntryHashMismatch => "the entry differs from what the log proves",
            Self::EntryNotCanonical => "the entry is not canonical JSON",
            Self::EntryMalformed => "the entry has no well-formed events",
            Self::EntryIndexMismatch => "the entry's index is not its position",
            Self::EntryPrevMismatch => "the entry does not follow the one before it",
        }
    }
}

/// Where in an export something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The entry at this position of the log.
    Entry(u64),
    /// The file of this name.
    File(String),
    /// After the last file.
    End,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::File(path) => write!(f, "file `{}`", path.escape_debug()),
            Self::End => f.write_str("end of the export"),
        }
    }
}

/// The first thing wrong with an export. Everything before it was verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {sentence}", sentence = reason.sentence())]
pub struct VerifyError {
    /// What is wrong, with a stable code.
    pub reason: Reason,
    /// Where.
    pub at: At,
}
