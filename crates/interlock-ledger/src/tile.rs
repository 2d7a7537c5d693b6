//! Tiles, entry bundles and where they live (C2SP tlog-tiles).

use crate::LedgerError;
use crate::hash::{HASH_BYTES, Hash};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// log2 of [`TILE_WIDTH`]: tree levels covered by one tile level.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Highest tile level tlog-tiles can name.
const LEVEL_MAX: u8 = 63;

/// A run of hashes of complete subtrees: leaves on level 0, roots of full lower tiles above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Tile level; each is eight tree levels.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
    /// Hashes present, 1 to [`TILE_WIDTH`]; fewer than that only at the right edge.
    pub width: u16,
    /// `width` hashes of 32 bytes each.
    pub hashes: Vec<u8>,
}

impl Tile {
    /// Where this tile lives.
    pub fn at(&self) -> TileAt {
        TileAt { level: self.level, index: self.index, width: self.width }
    }
}

/// The coordinates of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileAt {
    /// Tile level; each is eight tree levels.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
    /// Hashes wanted, 1 to [`TILE_WIDTH`]. A wider stored tile serves a narrower one by its first hashes.
    pub width: u16,
}

impl TileAt {
    /// The C2SP path, such as `tile/0/x001/234.p/17`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.index, self.width))
    }

    /// Bytes in this tile.
    pub fn bytes(&self) -> usize {
        usize::from(self.width) * HASH_BYTES
    }
}

/// A file of a log as C2SP tlog-tiles names it, below the log's base URL or the root of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `checkpoint`: the signed tree head.
    Checkpoint,
    /// `tile/<L>/<N>[.p/<W>]`: hashes.
    Tile(TileAt),
    /// `tile/entries/<N>[.p/<W>]`: the entries under a level 0 tile, each behind its 16-bit length.
    Entries {
        /// Position of the bundle; its first entry is `index * 256`.
        index: u64,
        /// Entries in it, 1 to [`TILE_WIDTH`].
        width: u16,
    },
}

impl Resource {
    /// The path, without a leading slash.
    pub fn path(&self) -> String {
        match self {
            Self::Checkpoint => "checkpoint".to_owned(),
            Self::Tile(at) => at.path(),
            Self::Entries { index, width } => format!("tile/entries/{}", numbered(*index, *width)),
        }
    }

    /// Reads a path; `None` for anything [`Resource::path`] would not write, so one file has one name.
    pub fn parse(path: &str) -> Option<Self> {
        let parsed = match path.strip_prefix("tile/") {
            None => Self::Checkpoint,
            Some(rest) => {
                let (level, number) = rest.split_once('/')?;
                let (index, width) = parse_numbered(number)?;
                match level {
                    "entries" => Self::Entries { index, width },
                    _ => Self::Tile(TileAt { level: parse_level(level)?, index, width }),
                }
            }
        };
        (parsed.path() == path).then_some(parsed)
    }
}

fn parse_level(text: &str) -> Option<u8> {
    text.parse().ok().filter(|level| *level <= LEVEL_MAX)
}

/// Three digits per path element keep directories small (tlog-tiles): 1234067 is `x001/x234/067`.
fn numbered(index: u64, width: u16) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width == TILE_WIDTH { text } else { format!("{text}.p/{width}") }
}

fn parse_numbered(text: &str) -> Option<(u64, u16)> {
    let (digits, width) = match text.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok()?),
        None => (text, TILE_WIDTH),
    };
    let index = digits.split('/').try_fold(0_u64, |index, element| {
        let value: u64 = element.trim_start_matches('x').parse().ok()?;
        index.checked_mul(1000)?.checked_add(value)
    })?;
    (1..=TILE_WIDTH).contains(&width).then_some((index, width))
}

/// The partial tiles of a tree of `size` leaves, lowest level first: one per level that is not a multiple of 256.
pub(crate) fn edge_of(size: u64) -> Vec<TileAt> {
    let widths = (0_u8..).map_while(|level| match hashes_on(size, level) {
        0 => None,
        count => Some((level, count)),
    });
    widths.filter_map(|(level, count)| edge_tile(level, count)).collect()
}

fn edge_tile(level: u8, count: u64) -> Option<TileAt> {
    let width = u16::try_from(count % u64::from(TILE_WIDTH)).ok()?;
    (width > 0).then_some(TileAt { level, index: count >> TILE_HEIGHT, width })
}

/// Hashes of complete subtrees that a tree of `size` leaves has on a tile level.
pub(crate) fn hashes_on(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// Splits tile bytes into hashes.
///
/// # Errors
/// [`LedgerError::TilesInconsistent`] when the length is not that of `width` hashes.
pub(crate) fn hashes_of(bytes: &[u8], width: u16) -> Result<Vec<Hash>, LedgerError> {
    if bytes.len() != usize::from(width) * HASH_BYTES {
        return Err(LedgerError::TilesInconsistent);
    }
    bytes
        .chunks_exact(HASH_BYTES)
        .map(|chunk| Hash::from_slice(chunk).ok_or(LedgerError::TilesInconsistent))
        .collect()
}
