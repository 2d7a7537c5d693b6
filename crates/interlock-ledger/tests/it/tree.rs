//! The append side against `ct-merkle`, which shares no code with it.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use interlock_ledger::{Hash, LedgerError, TREE_SIZE_MAX, Tile, Tree, leaf_hash};
use proptest::prelude::*;
use sha2_oracle::Sha256;

use crate::world::{Log, leaf};

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

/// Sizes around every boundary of tiles and of powers of two.
pub(crate) const SIZES: &[u64] =
    &[1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 65_800];

pub(crate) fn oracle(size: u64) -> Oracle {
    let mut oracle = Oracle::new();
    (0..size).for_each(|position| oracle.push(position.to_be_bytes().to_vec()));
    oracle
}

fn oracle_root(oracle: &Oracle) -> Hash {
    Hash::from_bytes((*oracle.root().as_bytes()).into())
}

#[test]
fn empty_tree_has_the_root_of_nothing() {
    let tree = Tree::empty();
    assert_eq!((tree.size(), tree.root()), (0, Hash::EMPTY_ROOT));
    assert_eq!(tree.root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(Tree::edge(0), vec![]);
    assert_eq!(Tree::resume(0, &[]).unwrap().root(), Hash::EMPTY_ROOT);
}

#[test]
fn root_equals_the_oracle_at_every_small_size() {
    let (mut tree, mut oracle) = (Tree::empty(), Oracle::new());
    for position in 0..1_100_u64 {
        tree.append(leaf(position));
        oracle.push(position.to_be_bytes().to_vec());
        assert_eq!(tree.root(), oracle_root(&oracle), "size {}", position + 1);
    }
}

#[test]
fn root_equals_the_oracle_at_boundaries() {
    for &size in SIZES {
        assert_eq!(Log::of_leaves(size).tree.root(), oracle_root(&oracle(size)), "size {size}");
    }
}

#[test]
fn resuming_at_every_size_changes_nothing() {
    let mut tiles: BTreeMap<(u8, u64), Tile> = BTreeMap::new();
    let mut whole = Tree::empty();
    let mut resumed = Tree::empty();
    for position in 0..600 {
        whole.append(leaf(position));
        resumed.append(leaf(position));
        let changed = resumed.take_changed();
        assert_eq!(changed, whole.take_changed(), "size {}", position + 1);
        tiles.extend(changed.into_iter().map(|tile| ((tile.level, tile.index), tile)));
        let edge: Vec<Tile> = Tree::edge(position + 1)
            .into_iter()
            .map(|at| {
                let tile = tiles.get(&(at.level, at.index)).unwrap().clone();
                assert_eq!(tile.at(), at);
                tile
            })
            .collect();
        resumed = Tree::resume(position + 1, &edge).unwrap();
        assert_eq!((resumed.size(), resumed.root()), (whole.size(), whole.root()));
        assert_eq!(resumed.take_changed(), vec![]);
    }
}

#[test]
fn upper_tiles_hold_only_complete_subtrees() {
    let log = Log::of_leaves(65_536 + 300);
    let widths = |level| log.tiles.values().filter(move |tile| tile.level == level).map(|tile| tile.width);
    assert_eq!(widths(0).filter(|width| *width == 256).count(), 257);
    assert_eq!(widths(0).filter(|width| *width == 44).count(), 1);
    assert_eq!(widths(1).collect::<Vec<_>>(), vec![256, 1]);
    assert_eq!(widths(2).collect::<Vec<_>>(), vec![1]);
    let at_boundary = Log::of_leaves(255);
    assert_eq!(at_boundary.tiles.len(), 1, "an incomplete subtree was hashed upwards");
}

#[test]
fn resume_refuses_tiles_of_another_tree() {
    let log = Log::of_leaves(300);
    let edge: Vec<Tile> = Tree::edge(300).iter().map(|at| log.tiles[&(at.level, at.index)].clone()).collect();
    let refused = |size, edge: &[Tile]| {
        assert_eq!(Tree::resume(size, edge).err(), Some(LedgerError::EdgeMismatch { size }));
    };
    refused(301, &edge);
    refused(300, &edge[..1]);
    refused(300, &[]);
    let mut short = edge.clone();
    short[0].hashes.pop();
    refused(300, &short);
    assert_eq!(Tree::resume(u64::MAX, &[]).err(), Some(LedgerError::SizeBeyondLimit(u64::MAX)));
    assert_eq!(
        Tree::resume(TREE_SIZE_MAX, &[]).err(),
        Some(LedgerError::EdgeMismatch { size: TREE_SIZE_MAX })
    );
}

proptest! {
    #[test]
    fn batching_and_resuming_never_change_tiles(batches in prop::collection::vec((1_u64..400, any::<bool>()), 1..8)) {
        let mut log = Log::default();
        for (count, restarts) in batches {
            let first = log.tree.size();
            (first..first + count).for_each(|position| log.tree.append(leaf(position)));
            log.store();
            if restarts {
                let size = log.tree.size();
                let edge: Vec<Tile> =
                    Tree::edge(size).iter().map(|at| log.tiles[&(at.level, at.index)].clone()).collect();
                log.tree = Tree::resume(size, &edge).unwrap();
            }
        }
        let whole = Log::of_leaves(log.tree.size());
        prop_assert_eq!(log.tree.root(), whole.tree.root());
        prop_assert_eq!(log.tiles, whole.tiles);
    }

    #[test]
    fn root_equals_the_oracle(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..600)) {
        let (mut tree, mut oracle) = (Tree::empty(), Oracle::new());
        for bytes in leaves {
            tree.append(leaf_hash(&bytes));
            oracle.push(bytes);
        }
        prop_assert_eq!(tree.root(), oracle_root(&oracle));
    }
}
