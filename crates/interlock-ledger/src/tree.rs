//! The append side of the log.

use crate::LedgerError;
use crate::frontier::Frontier;
use crate::hash::{HASH_BYTES, Hash};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileAt, edge_of, hashes_of};

/// Most leaves in a tree. Positions are JSON numbers, exact up to 2^53, and tlog tile arithmetic is safe below it.
pub const TREE_SIZE_MAX: u64 = 1 << 53;

/// An RFC 6962 tree that holds only its right edge: at most 255 hashes per tile level.
///
/// Append, take what changed, store it with the new size; later [`Tree::resume`] from the tiles that
/// [`Tree::edge`] names. Two trees fed the same leaves produce the same tiles and root, however often they are resumed.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    frontier: Frontier,
    levels: Vec<Level>,
    completed: Vec<Tile>,
}

/// The current partial tile of one level.
#[derive(Debug, Clone, Default)]
struct Level {
    index: u64,
    hashes: Vec<u8>,
    is_changed: bool,
}

impl Tree {
    /// The tree without leaves.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The partial tiles needed to [`resume`](Self::resume) at `size`, lowest level first; at most one per level.
    pub fn edge(size: u64) -> Vec<TileAt> {
        edge_of(size)
    }

    /// Continues a tree of `size` leaves from the tiles [`Tree::edge`] names, in that order.
    ///
    /// The tiles are trusted: compare [`Tree::root`] with the signed checkpoint afterwards.
    ///
    /// # Errors
    /// [`LedgerError::EdgeMismatch`] when they are other tiles, [`LedgerError::SizeBeyondLimit`] above
    /// [`TREE_SIZE_MAX`].
    pub fn resume(size: u64, edge: &[Tile]) -> Result<Self, LedgerError> {
        if size > TREE_SIZE_MAX {
            return Err(LedgerError::SizeBeyondLimit(size));
        }
        if !edge.iter().map(Tile::at).eq(edge_of(size)) {
            return Err(LedgerError::EdgeMismatch { size });
        }
        let mut tree = Self::empty();
        for tile in edge.iter().rev() {
            let hashes =
                hashes_of(&tile.hashes, tile.width).map_err(|_| LedgerError::EdgeMismatch { size })?;
            tree.frontier.push_subtrees(&hashes, TILE_HEIGHT * u32::from(tile.level));
        }
        tree.levels = (0_u8..).map_while(|level| resumed_level(size, level, edge)).collect();
        Ok(tree)
    }

    /// Adds a leaf. Amortised two hashes; never fails.
    pub fn append(&mut self, leaf: Hash) {
        let Self { frontier, levels, completed } = self;
        frontier.push(leaf, |height, hash| {
            if height % TILE_HEIGHT == 0 {
                push_to_level(levels, completed, height / TILE_HEIGHT, hash);
            }
        });
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The RFC 6962 root; at most one hash per set bit of the size.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Every tile that changed since the last take: the ones that became full in the order they did, then the
    /// partial ones, lowest level first. Storing them by (level, index), wider replacing narrower, is enough.
    pub fn take_changed(&mut self) -> Vec<Tile> {
        let mut changed = std::mem::take(&mut self.completed);
        for (level, state) in (0_u8..).zip(&mut self.levels) {
            if std::mem::take(&mut state.is_changed) && !state.hashes.is_empty() {
                changed.push(state.tile(level, state.hashes.clone()));
            }
        }
        changed
    }

    /// The current partial tiles: those that [`Tree::edge`] names, lowest level first.
    pub(crate) fn edge_tiles(&self) -> Vec<Tile> {
        let partial = (0_u8..).zip(&self.levels).filter(|(_, state)| !state.hashes.is_empty());
        partial.map(|(level, state)| state.tile(level, state.hashes.clone())).collect()
    }
}

impl Level {
    fn tile(&self, level: u8, hashes: Vec<u8>) -> Tile {
        // At most 256 hashes, so the fallback is never taken.
        let width = u16::try_from(hashes.len() / HASH_BYTES).unwrap_or(TILE_WIDTH);
        Tile { level, index: self.index, width, hashes }
    }

    fn is_full(&self) -> bool {
        self.hashes.len() >= usize::from(TILE_WIDTH) * HASH_BYTES
    }
}

/// The state of a level in a tree of `size` leaves, `None` above its top.
fn resumed_level(size: u64, level: u8, edge: &[Tile]) -> Option<Level> {
    let count = crate::tile::hashes_on(size, level);
    let partial = edge.iter().find(|tile| tile.level == level);
    (count > 0).then(|| Level {
        index: count >> TILE_HEIGHT,
        hashes: partial.map(|tile| tile.hashes.clone()).unwrap_or_default(),
        is_changed: false,
    })
}

fn push_to_level(levels: &mut Vec<Level>, completed: &mut Vec<Tile>, level: u32, hash: Hash) {
    // Levels appear one at a time from the bottom, and a 64-bit size has eight of them.
    let (Ok(position), Ok(number)) = (usize::try_from(level), u8::try_from(level)) else { return };
    if levels.len() <= position {
        levels.resize_with(position + 1, Level::default);
    }
    let Some(state) = levels.get_mut(position) else { return };
    state.hashes.extend_from_slice(hash.as_bytes());
    state.is_changed = true;
    if state.is_full() {
        let hashes = std::mem::take(&mut state.hashes);
        completed.push(state.tile(number, hashes));
        state.index += 1;
        state.is_changed = false;
    }
}
