//! Logs in memory: what a store would keep, and the envelopes an engine would write.

use std::collections::BTreeMap;

use interlock_ledger::{Checkpoint, Hash, LogKey, Tile, Tree, canonical, leaf_hash};
use serde_json::json;

pub(crate) const ORIGIN: &str = "interlock.test/ws_01";

pub(crate) fn key() -> LogKey {
    LogKey::from_seed([7; 32])
}

pub(crate) fn vkey() -> String {
    key().vkey(ORIGIN).unwrap()
}

/// A leaf that is different for every position.
pub(crate) fn leaf(position: u64) -> Hash {
    leaf_hash(&position.to_be_bytes())
}

/// What a store keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) tree: Tree,
    pub(crate) tiles: BTreeMap<(u8, u64), Tile>,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) checkpoint: String,
}

impl Log {
    /// A log of `size` chained entries, stored and signed in batches of `batch`.
    pub(crate) fn of(size: u64, batch: u64) -> Self {
        let mut log = Self::default();
        let mut prev = Hash::ZERO;
        for index in 0..size {
            let envelope = envelope(index, &prev);
            prev = leaf_hash(&envelope);
            log.push(envelope);
            if (index + 1).is_multiple_of(batch) {
                log.store();
            }
        }
        log.store();
        log.sign();
        log
    }

    /// A tree over plain leaves, for proofs that need no entries.
    pub(crate) fn of_leaves(size: u64) -> Self {
        let mut log = Self::default();
        for position in 0..size {
            log.tree.append(leaf(position));
        }
        log.store();
        log.sign();
        log
    }

    pub(crate) fn push(&mut self, envelope: Vec<u8>) {
        self.tree.append(leaf_hash(&envelope));
        self.entries.push(envelope);
    }

    pub(crate) fn store(&mut self) {
        for tile in self.tree.take_changed() {
            self.tiles.insert((tile.level, tile.index), tile);
        }
    }

    pub(crate) fn sign(&mut self) {
        self.checkpoint = key().sign_checkpoint(&self.head()).unwrap();
    }

    pub(crate) fn head(&self) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size: self.tree.size(), root: self.tree.root() }
    }
}

pub(crate) fn envelope(index: u64, prev: &Hash) -> Vec<u8> {
    canonical(&json!({
        "v": 1,
        "ws": "ws_01",
        "index": index,
        "prev": prev.hex(),
        "at": "2026-01-01T00:00:00Z",
        "actor": {"id": "agt_01", "kind": "agent"},
        "operation": "post_message",
        "events": [{"kind": "thread.message_posted/1", "digest": leaf(index).hex()}],
    }))
    .unwrap()
}
