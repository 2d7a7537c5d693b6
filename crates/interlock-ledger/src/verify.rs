//! Checking an export from its bytes alone.

use std::collections::BTreeMap;
use std::io::Read;

use crate::checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, open_checkpoint};
use crate::container::Files;
use crate::envelope::{Kinds, check_envelope};
use crate::export::VKEY_PATH;
use crate::frontier::root_of;
use crate::hash::{Hash, leaf_hash};
use crate::source::layout;
use crate::tile::{Resource, TILE_HEIGHT, TILE_WIDTH, Tile, TileAt, hashes_of};
use crate::verify_error::{At, Reason, VerifyError};
use crate::{ENTRY_BYTES_MAX, LedgerError, Tree};

/// Longest `vkey` file in bytes: an origin, a key id, a key in base64, a line end.
const VKEY_BYTES_MAX: u64 = 512;

/// What a verified export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// Entries in it.
    pub size: u64,
    /// Its signed root.
    pub root: Hash,
    /// The export vouched for itself: nobody said which key to trust, so it proves only that it is consistent.
    pub key_from_file: bool,
    /// How many events of each kind there are.
    pub kinds: BTreeMap<String, u64>,
}

/// Verifies an export written by [`write_export`](crate::write_export): the signed checkpoint, every tile up to its
/// root, every entry's leaf hash, canonical form, `index` and `prev`, and every other byte of the file.
///
/// `vkey` is the key to trust; without it the one in the export is used and the report says so. Memory is bounded
/// whatever the input: a tile per level, one entry, and a limited number of event kinds.
///
/// # Errors
/// [`VerifyError`] with the first thing wrong; what precedes it in the export is sound.
pub fn verify_export<R: Read>(input: R, vkey: Option<&str>) -> Result<Report, VerifyError> {
    verify_export_with(input, vkey, |_, _| {})
}

/// The same, and shows each entry with its index, as its bytes were hashed. What is shown counts only when all of the
/// export has verified.
///
/// # Errors
/// As [`verify_export`].
pub fn verify_export_with<R: Read>(
    input: R,
    vkey: Option<&str>,
    shown: impl FnMut(u64, &[u8]),
) -> Result<Report, VerifyError> {
    let mut files = Files::new(input);
    let head = read_head(&mut files, vkey)?;
    let mut verifier = Verifier::new(files, head, shown);
    for resource in layout(verifier.head.size) {
        match resource {
            Resource::Tile(at) => verifier.tile(at)?,
            Resource::Entries { index, width } => verifier.bundle(index, width)?,
            Resource::Checkpoint => {}
        }
    }
    verifier.finish(vkey.is_none())
}

fn read_head<R: Read>(files: &mut Files<R>, trusted: Option<&str>) -> Result<Checkpoint, VerifyError> {
    let at_key = |reason| VerifyError { reason, at: At::File(VKEY_PATH.to_owned()) };
    let line = read_text(files, VKEY_PATH, VKEY_BYTES_MAX)?;
    let carried = line.strip_suffix('\n').ok_or_else(|| at_key(Reason::ExportMalformed))?;
    let path = Resource::Checkpoint.path();
    let note = read_text(files, &path, CHECKPOINT_BYTES_MAX as u64)?;
    let head = open_checkpoint(&note, trusted.unwrap_or(carried)).map_err(|error| {
        let reason = match error {
            LedgerError::VerifierKeyInvalid if trusted.is_some() => Reason::VerifierKeyInvalid,
            LedgerError::VerifierKeyInvalid => return at_key(Reason::ExportMalformed),
            LedgerError::CheckpointSignatureInvalid(_) => Reason::CheckpointSignatureInvalid,
            LedgerError::CheckpointOriginMismatch { .. } => Reason::CheckpointOriginMismatch,
            LedgerError::SizeBeyondLimit(_) => Reason::ExportLimitExceeded,
            _ => Reason::ExportMalformed,
        };
        VerifyError { reason, at: At::File(path.clone()) }
    })?;
    // The trusted key has spoken; but a file that carries another one was not written by us.
    if trusted.is_some_and(|trusted| trusted != carried) {
        return Err(at_key(Reason::VerifierKeyMismatch));
    }
    Ok(head)
}

fn read_text<R: Read>(files: &mut Files<R>, path: &str, bytes_max: u64) -> Result<String, VerifyError> {
    files.open(path, 0..=bytes_max)?;
    let bytes = files.read_rest()?;
    files.close()?;
    String::from_utf8(bytes)
        .map_err(|_| VerifyError { reason: Reason::ExportMalformed, at: At::File(path.to_owned()) })
}

/// The hashes of one tile of the export.
struct Claimed {
    index: u64,
    hashes: Vec<Hash>,
}

/// A hash that a tile says something below it has.
struct Claim {
    hash: Hash,
    /// Whether a signature stands behind it.
    is_proved: bool,
}

struct Verifier<R, S> {
    files: Files<R>,
    /// Who is shown the entries.
    shown: S,
    head: Checkpoint,
    /// The partial tiles, lowest level first.
    edge: Vec<Tile>,
    /// Whether the edge leads to the signed root; `None` until all of it was read. If it does not, either an edge tile
    /// or more is wrong, and only the entries can tell: so they are read without it, and compared at the end.
    is_edge_proved: Option<bool>,
    /// The current tile of each level: the partial ones, and the full ones on the path to the current entry.
    partial: BTreeMap<u8, Claimed>,
    full: BTreeMap<u8, Claimed>,
    /// The tree over the entries as they are.
    rebuilt: Tree,
    prev: Hash,
    kinds: Kinds,
}

impl<R: Read, S: FnMut(u64, &[u8])> Verifier<R, S> {
    fn new(files: Files<R>, head: Checkpoint, shown: S) -> Self {
        Self {
            files,
            shown,
            head,
            edge: Vec::new(),
            is_edge_proved: None,
            partial: BTreeMap::new(),
            full: BTreeMap::new(),
            rebuilt: Tree::empty(),
            prev: Hash::ZERO,
            kinds: Kinds::default(),
        }
    }

    fn tile(&mut self, at: TileAt) -> Result<(), VerifyError> {
        let path = at.path();
        let size = at.bytes() as u64;
        self.files.open(&path, size..=size)?;
        let bytes = self.files.read_rest()?;
        self.files.close()?;
        let malformed = |_| VerifyError { reason: Reason::ExportMalformed, at: At::File(path.clone()) };
        let hashes = hashes_of(&bytes, at.width).map_err(malformed)?;
        if at.width < TILE_WIDTH {
            self.partial.insert(at.level, Claimed { index: at.index, hashes });
            self.edge.push(Tile { level: at.level, index: at.index, width: at.width, hashes: bytes });
            return Ok(());
        }
        let parent = self.claim(at.level.saturating_add(1), at.index);
        let is_sound = match parent {
            Some(claim) => !claim.is_proved || claim.hash == root_of(&hashes),
            None => false,
        };
        if !is_sound {
            return Err(VerifyError { reason: Reason::TileMismatch, at: At::File(path) });
        }
        self.full.insert(at.level, Claimed { index: at.index, hashes });
        Ok(())
    }

    /// What the tiles say about the hash at `position` of a level.
    fn claim(&mut self, level: u8, position: u64) -> Option<Claim> {
        let slot = usize::try_from(position % u64::from(TILE_WIDTH)).ok()?;
        let holds = |tile: &&Claimed| tile.index == position >> TILE_HEIGHT;
        if let Some(tile) = self.full.get(&level).filter(holds) {
            return Some(Claim { hash: *tile.hashes.get(slot)?, is_proved: true });
        }
        let is_proved = self.is_edge_proved();
        let tile = self.partial.get(&level).filter(holds)?;
        Some(Claim { hash: *tile.hashes.get(slot)?, is_proved })
    }

    fn is_edge_proved(&mut self) -> bool {
        *self.is_edge_proved.get_or_insert_with(|| {
            Tree::resume(self.head.size, &self.edge).is_ok_and(|tree| tree.root() == self.head.root)
        })
    }

    fn bundle(&mut self, index: u64, width: u16) -> Result<(), VerifyError> {
        let path = Resource::Entries { index, width }.path();
        let count = u64::from(width);
        self.files.open(&path, 2 * count..=(2 + ENTRY_BYTES_MAX as u64) * count)?;
        let first = index << TILE_HEIGHT;
        for position in first..first + count {
            self.entry(position)?;
        }
        self.files.close()?;
        // Completed tiles were compared hash by hash; only the right edge is still needed.
        drop(self.rebuilt.take_changed());
        Ok(())
    }

    fn entry(&mut self, position: u64) -> Result<(), VerifyError> {
        let fail = |reason| Err(VerifyError { reason, at: At::Entry(position) });
        let Some(envelope) = self.envelope()? else { return fail(Reason::ExportMalformed) };
        let leaf = leaf_hash(&envelope);
        match self.claim(0, position) {
            Some(claim) if claim.is_proved && claim.hash != leaf => return fail(Reason::EntryHashMismatch),
            Some(_) => {}
            None => return fail(Reason::TileMismatch),
        }
        if let Err(reason) = check_envelope(&envelope, position, self.prev, &mut self.kinds) {
            return fail(reason);
        }
        (self.shown)(position, &envelope);
        self.rebuilt.append(leaf);
        self.prev = leaf;
        Ok(())
    }

    /// The next entry of the bundle; `None` when its length leads beyond the bundle.
    fn envelope(&mut self) -> Result<Option<Vec<u8>>, VerifyError> {
        let mut length = [0; 2];
        if self.files.left() < 2 {
            return Ok(None);
        }
        self.files.read(&mut length)?;
        let length = u16::from_be_bytes(length);
        if u64::from(length) > self.files.left() {
            return Ok(None);
        }
        let mut envelope = vec![0; usize::from(length)];
        self.files.read(&mut envelope)?;
        Ok(Some(envelope))
    }

    fn finish(self, key_from_file: bool) -> Result<Report, VerifyError> {
        if self.rebuilt.root() != self.head.root {
            return Err(VerifyError {
                reason: Reason::RootMismatch,
                at: At::File(Resource::Checkpoint.path()),
            });
        }
        // The entries have the signed root, so an edge tile that says otherwise is the one that is wrong.
        let rebuilt = self.rebuilt.edge_tiles();
        if let Some(bad) = self.edge.iter().find(|tile| !rebuilt.contains(tile)) {
            return Err(VerifyError { reason: Reason::TileMismatch, at: At::File(bad.at().path()) });
        }
        self.files.finish()?;
        let Checkpoint { origin, size, root } = self.head;
        Ok(Report { origin, size, root, key_from_file, kinds: self.kinds.counts })
    }
}
