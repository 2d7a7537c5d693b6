//! The compact form of a tree: the roots of its largest complete subtrees, left to right.

use crate::hash::{Hash, node_hash};

/// One peak per set bit of `size`, the largest first. Enough to append and to compute the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and reports every subtree it completes, by height, the leaf itself first.
    pub(crate) fn push(&mut self, leaf: Hash, mut completed: impl FnMut(u32, Hash)) {
        let mut hash = leaf;
        completed(0, hash);
        // Each trailing set bit of the size is a peak of the same height as what was just built.
        for height in 1..=self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(left, hash);
            completed(height, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Adds complete subtrees of `1 << height` leaves, as stored in an edge tile. Only for levels top down: each
    /// call must add fewer leaves than the smallest peak already there.
    pub(crate) fn push_subtrees(&mut self, hashes: &[Hash], height: u32) {
        let mut level = Self::default();
        for hash in hashes {
            level.push(*hash, |_, _| {});
        }
        self.size += level.size << height;
        self.peaks.append(&mut level.peaks);
    }

    /// The RFC 6962 root.
    pub(crate) fn root(&self) -> Hash {
        let right_to_left = self.peaks.iter().copied().rev();
        right_to_left.reduce(|right, left| node_hash(left, right)).unwrap_or(Hash::EMPTY_ROOT)
    }
}

/// The root over a run of hashes, such as those of a full tile.
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    frontier.push_subtrees(hashes, 0);
    frontier.root()
}
