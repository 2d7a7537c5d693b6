//! Signed tree heads (C2SP tlog-checkpoint in a signed-note).

use signed_note::{Note, StandardVerifier, Verifier as _, VerifierList};

use crate::hash::Hash;
use crate::{LedgerError, TREE_SIZE_MAX};

/// Longest signed checkpoint in bytes. Ours has 200 or so; the rest is room for witnesses' signatures.
pub const CHECKPOINT_BYTES_MAX: usize = 65_536;

/// Longest name of a log in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// What a log says about itself at one moment: so many entries, with this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, unique and unchanging; also the name of its key.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub(crate) fn text(&self) -> Result<Vec<u8>, LedgerError> {
        check_origin(&self.origin)?;
        check_size(self.size)?;
        tlog_tiles::Checkpoint::new(&self.origin, self.size, self.root.to_tlog(), "")
            .map(|checkpoint| checkpoint.to_bytes())
            .map_err(|_| LedgerError::CheckpointMalformed)
    }
}

/// Opens a signed checkpoint with the log's verifier key, and trusts nothing in it before the signature held.
///
/// Signatures of other keys, such as witnesses', are ignored, as signed-note demands. Extension lines are refused: we
/// could not carry them on.
///
/// # Errors
/// [`LedgerError::VerifierKeyInvalid`], [`LedgerError::CheckpointMalformed`],
/// [`LedgerError::CheckpointSignatureInvalid`], [`LedgerError::CheckpointOriginMismatch`],
/// [`LedgerError::SizeBeyondLimit`].
pub fn open_checkpoint(note: &str, vkey: &str) -> Result<Checkpoint, LedgerError> {
    let verifier = parse_vkey(vkey)?;
    let name = verifier.name().to_owned();
    if note.len() > CHECKPOINT_BYTES_MAX {
        return Err(LedgerError::CheckpointMalformed);
    }
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| LedgerError::CheckpointMalformed)?;
    if note.verify(&VerifierList::new(vec![Box::new(verifier)])).is_err() {
        return Err(unsigned(&note, name));
    }
    let signed =
        tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|_| LedgerError::CheckpointMalformed)?;
    if signed.origin() != name {
        let found = signed.origin().to_owned();
        return Err(LedgerError::CheckpointOriginMismatch { expected: name, found });
    }
    if !signed.extension().is_empty() {
        return Err(LedgerError::CheckpointMalformed);
    }
    check_size(signed.size())?;
    Ok(Checkpoint { origin: name, size: signed.size(), root: Hash::from_tlog(*signed.hash()) })
}

/// Why a note that the key did not sign is refused. Its text is not trusted, but may tell which log was mistaken for
/// which.
fn unsigned(note: &Note, name: String) -> LedgerError {
    match tlog_tiles::Checkpoint::from_bytes(note.text()) {
        Ok(claimed) if claimed.origin() != name => {
            let found = claimed.origin().chars().take(ORIGIN_BYTES_MAX).collect();
            LedgerError::CheckpointOriginMismatch { expected: name, found }
        }
        _ => LedgerError::CheckpointSignatureInvalid(name),
    }
}

/// Reads a verifier key in its one canonical spelling; the parser alone would also take upper-case digits.
fn parse_vkey(vkey: &str) -> Result<StandardVerifier, LedgerError> {
    let verifier = StandardVerifier::new(vkey).map_err(|_| LedgerError::VerifierKeyInvalid)?;
    check_origin(verifier.name()).map_err(|_| LedgerError::VerifierKeyInvalid)?;
    let prefix = format!("{}+{:08x}+", verifier.name(), verifier.key_id());
    if vkey.starts_with(&prefix) { Ok(verifier) } else { Err(LedgerError::VerifierKeyInvalid) }
}

/// Refuses names that signed-note cannot carry, and control characters and lengths that nobody means.
pub(crate) fn check_origin(origin: &str) -> Result<(), LedgerError> {
    let is_valid = signed_note::is_key_name_valid(origin)
        && origin.len() <= ORIGIN_BYTES_MAX
        && !origin.chars().any(char::is_control);
    if is_valid { Ok(()) } else { Err(LedgerError::OriginInvalid(origin.chars().take(80).collect())) }
}

fn check_size(size: u64) -> Result<(), LedgerError> {
    if size <= TREE_SIZE_MAX { Ok(()) } else { Err(LedgerError::SizeBeyondLimit(size)) }
}
