//! Where the reading side gets a log from, and in which order it is laid out.

use crate::tile::{Resource, TILE_HEIGHT, TILE_WIDTH, TileAt, edge_of, hashes_on};

/// Tile levels a tree within [`TREE_SIZE_MAX`](crate::TREE_SIZE_MAX) can have, with room to spare.
const LEVELS: u8 = 8;

/// A stored log. One call is outstanding at a time, and a reader keeps only what it still needs.
pub trait LogSource {
    /// What can go wrong in the store.
    type Error;

    /// The latest signed checkpoint, as [`LogKey::sign_checkpoint`](crate::LogKey::sign_checkpoint) wrote it.
    fn checkpoint(&mut self) -> Result<String, Self::Error>;

    /// The first `at.width` hashes of a tile, 32 bytes each. The stored tile may have grown wider since.
    fn tile(&mut self, at: TileAt) -> Result<Vec<u8>, Self::Error>;

    /// `count` envelopes, at most 256, from position `first` on.
    fn entries(&mut self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, Self::Error>;
}

/// Every tile and bundle of a log of `size` entries, in export order: what proves a file comes before it.
///
/// First the partial tiles of the right edge, which lead to the root; then each full tile after the tile above it, and
/// each bundle after the tile over it. So a verifier holds one tile per level and uses nothing it has not checked.
pub(crate) fn layout(size: u64) -> impl Iterator<Item = Resource> {
    let edge = edge_of(size).into_iter().map(Resource::Tile);
    let bundles = 0..size.div_ceil(u64::from(TILE_WIDTH));
    edge.chain(bundles.flat_map(move |index| bundle(size, index)))
}

/// A bundle, behind the full tiles whose first leaf is its first entry, highest first.
fn bundle(size: u64, index: u64) -> impl Iterator<Item = Resource> {
    let full = (0..LEVELS).rev().filter_map(move |level| full_tile_from(size, level, index));
    let left = size.saturating_sub(index << TILE_HEIGHT);
    let width = u16::try_from(left).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
    full.map(Resource::Tile).chain(std::iter::once(Resource::Entries { index, width }))
}

/// The full tile of a level that begins with bundle `bundle`, if there is one.
fn full_tile_from(size: u64, level: u8, bundle: u64) -> Option<TileAt> {
    let index = hashes_on(bundle, level);
    let is_first = index << (TILE_HEIGHT * u32::from(level)) == bundle;
    let is_full = index < hashes_on(size, level) >> TILE_HEIGHT;
    (is_first && is_full).then_some(TileAt { level, index, width: TILE_WIDTH })
}
