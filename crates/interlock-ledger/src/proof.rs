//! Inclusion and consistency proofs (RFC 6962 2.1.1 and 2.1.2), made from tiles.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tlog_tiles::{Error as TlogError, HashReader as _, TileHashReader, TileReader};

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::source::LogSource;
use crate::tile::{TILE_HEIGHT, TileAt};
use crate::{LedgerError, TREE_SIZE_MAX};

/// Most hashes in a proof over 64-bit sizes; tlog-proof and tlog-witness allow 63.
const PROOF_HASHES_MAX: usize = 63;

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError<E> {
    /// The store failed.
    #[error("log could not be read")]
    Source(#[source] E),
    /// The question has no answer, or the stored tiles do not lead to the checkpoint's root.
    #[error(transparent)]
    Ledger(LedgerError),
}

/// Proves that the entry at `index` is in the log under `head`, any checkpoint of this log.
///
/// The tiles read are checked against the checkpoint's root first, so a damaged store gives no proof.
///
/// # Errors
/// [`LedgerError::IndexOutsideTree`], [`LedgerError::TilesInconsistent`] or what the source says.
pub fn inclusion_proof<S: LogSource>(
    source: &mut S,
    head: &Checkpoint,
    index: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    check_index(index, head.size).map_err(ProofError::Ledger)?;
    prove(source, head, |reader| {
        let proof = tlog_tiles::prove_record(head.size, index, reader)?;
        let leaf = first(reader.read_hashes(&[tlog_tiles::stored_hash_index(0, index)])?)?;
        tlog_tiles::check_record(&proof, head.size, head.root.to_tlog(), index, leaf)?;
        Ok(proof)
    })
}

/// Proves that the log of `old_size` entries is the beginning of the log under `head`. Empty for 0 and for all.
///
/// # Errors
/// [`LedgerError::IndexOutsideTree`] when the old log is longer, [`LedgerError::TilesInconsistent`] or what the
/// source says.
pub fn consistency_proof<S: LogSource>(
    source: &mut S,
    old_size: u64,
    head: &Checkpoint,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    check_growth(old_size, head.size).map_err(ProofError::Ledger)?;
    if old_size == 0 {
        return Ok(Vec::new());
    }
    prove(source, head, |reader| {
        let proof = tlog_tiles::prove_tree(head.size, old_size, reader)?;
        let old_root = tlog_tiles::tree_hash(old_size, reader)?;
        tlog_tiles::check_tree(&proof, head.size, head.root.to_tlog(), old_size, old_root)?;
        Ok(proof)
    })
}

/// Checks that the log under `head` has an entry of this leaf hash at `index`.
///
/// # Errors
/// [`LedgerError::IndexOutsideTree`], [`LedgerError::ProofInvalid`].
pub fn verify_inclusion(
    proof: &[Hash],
    head: &Checkpoint,
    index: u64,
    leaf: Hash,
) -> Result<(), LedgerError> {
    check_index(index, head.size)?;
    let proof = to_tlog(proof)?;
    tlog_tiles::check_record(&proof, head.size, head.root.to_tlog(), index, leaf.to_tlog())
        .map_err(|_| LedgerError::ProofInvalid)
}

/// Checks that the log under `new` begins with the log under `old`.
///
/// # Errors
/// [`LedgerError::CheckpointOriginMismatch`] for two different logs, [`LedgerError::IndexOutsideTree`] when the new
/// one is shorter, [`LedgerError::ProofInvalid`].
pub fn verify_consistency(proof: &[Hash], old: &Checkpoint, new: &Checkpoint) -> Result<(), LedgerError> {
    if old.origin != new.origin {
        let (expected, found) = (old.origin.clone(), new.origin.clone());
        return Err(LedgerError::CheckpointOriginMismatch { expected, found });
    }
    check_growth(old.size, new.size)?;
    let proof = to_tlog(proof)?;
    if old.size == 0 {
        let holds = proof.is_empty() && old.root == Hash::EMPTY_ROOT;
        return if holds { Ok(()) } else { Err(LedgerError::ProofInvalid) };
    }
    tlog_tiles::check_tree(&proof, new.size, new.root.to_tlog(), old.size, old.root.to_tlog())
        .map_err(|_| LedgerError::ProofInvalid)
}

/// Beyond these limits the tlog arithmetic would overflow, so nothing reaches it unchecked.
fn check_index(index: u64, size: u64) -> Result<(), LedgerError> {
    if size > TREE_SIZE_MAX {
        return Err(LedgerError::SizeBeyondLimit(size));
    }
    if index < size { Ok(()) } else { Err(LedgerError::IndexOutsideTree { index, size }) }
}

fn check_growth(old_size: u64, size: u64) -> Result<(), LedgerError> {
    match old_size.checked_sub(1) {
        Some(last) => check_index(last, size),
        None if size > TREE_SIZE_MAX => Err(LedgerError::SizeBeyondLimit(size)),
        None => Ok(()),
    }
}

fn to_tlog(proof: &[Hash]) -> Result<Vec<tlog_tiles::Hash>, LedgerError> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(LedgerError::ProofInvalid);
    }
    Ok(proof.iter().map(|hash| hash.to_tlog()).collect())
}

fn first(hashes: Vec<tlog_tiles::Hash>) -> Result<tlog_tiles::Hash, TlogError> {
    hashes.into_iter().next().ok_or(TlogError::IndexesNotInTree)
}

/// Makes a proof from tiles. The callers check what they made: `TileHashReader` authenticates the tiles it reads, but
/// skips as many of them as there are peaks when several peaks share a tile (`tlog_tiles` 0.2.0, `read_hashes`).
fn prove<S: LogSource>(
    source: &mut S,
    head: &Checkpoint,
    prove: impl FnOnce(&TileHashReader<'_>) -> Result<Vec<tlog_tiles::Hash>, TlogError>,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    let tiles =
        SourceTiles { source: RefCell::new(source), read: RefCell::default(), failure: RefCell::new(None) };
    let proof = prove(&TileHashReader::new(head.size, head.root.to_tlog(), &tiles));
    if let Some(failure) = tiles.failure.into_inner() {
        return Err(ProofError::Source(failure));
    }
    match proof {
        Ok(hashes) => Ok(hashes.into_iter().map(Hash::from_tlog).collect()),
        Err(_) => Err(ProofError::Ledger(LedgerError::TilesInconsistent)),
    }
}

/// Lends a source to the tlog code, which reads through a shared reference and knows only its own errors.
struct SourceTiles<'a, S: LogSource> {
    source: RefCell<&'a mut S>,
    /// Making and checking a proof ask for the same few tiles.
    read: RefCell<BTreeMap<TileAt, Vec<u8>>>,
    failure: RefCell<Option<S::Error>>,
}

impl<S: LogSource> SourceTiles<'_, S> {
    fn tile(&self, tile: &tlog_tiles::Tile) -> Result<Vec<u8>, TlogError> {
        let width = u16::try_from(tile.width()).map_err(|_| TlogError::InvalidTile)?;
        let at = TileAt { level: tile.level(), index: tile.level_index(), width };
        if let Some(hashes) = self.read.borrow().get(&at) {
            return Ok(hashes.clone());
        }
        let hashes = self.source.borrow_mut().tile(at).map_err(|failure| {
            self.failure.replace(Some(failure));
            TlogError::InvalidTile
        })?;
        self.read.borrow_mut().insert(at, hashes.clone());
        Ok(hashes)
    }
}

impl<S: LogSource> TileReader for SourceTiles<'_, S> {
    fn height(&self) -> u8 {
        u8::try_from(TILE_HEIGHT).unwrap_or(u8::MAX)
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        tiles.iter().map(|tile| self.tile(tile)).collect()
    }

    fn save_tiles(&self, _tiles: &[tlog_tiles::Tile], _data: &[Vec<u8>]) {}
}
