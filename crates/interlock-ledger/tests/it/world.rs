//! Logs in memory: what a store would keep, and the envelopes an engine would write.

use std::collections::BTreeMap;

use interlock_ledger::{
    Checkpoint, Hash, LogKey, LogSource, Report, Tile, TileAt, Tree, VerifyError, canonical, leaf_hash,
    verify_export, write_export,
};
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

    /// The log as a file.
    pub(crate) fn export(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(write_export(self, &vkey(), &mut bytes).unwrap(), self.head());
        bytes
    }

    /// What a verifier says about this log as it is stored.
    pub(crate) fn verify(&mut self) -> Result<Report, VerifyError> {
        let mut bytes = Vec::new();
        write_export(self, &vkey(), &mut bytes).unwrap();
        verify_export(bytes.as_slice(), Some(&vkey()))
    }

    /// Keeps the checkpoint, as somebody without the key must, and makes the tiles fit the entries.
    pub(crate) fn rebuild_tiles(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.tree = Tree::empty();
        for envelope in entries {
            self.push(envelope);
        }
        self.store();
    }

    pub(crate) fn head(&self) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size: self.tree.size(), root: self.tree.root() }
    }
}

/// A store that does not have what it is asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not stored")]
pub(crate) struct NotStored;

impl LogSource for Log {
    type Error = NotStored;

    fn checkpoint(&mut self) -> Result<String, NotStored> {
        Ok(self.checkpoint.clone())
    }

    fn tile(&mut self, at: TileAt) -> Result<Vec<u8>, NotStored> {
        let tile = self.tiles.get(&(at.level, at.index)).ok_or(NotStored)?;
        tile.hashes.get(..at.bytes()).map(<[u8]>::to_vec).ok_or(NotStored)
    }

    fn entries(&mut self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, NotStored> {
        let first = usize::try_from(first).unwrap();
        let last = first + usize::try_from(count).unwrap();
        self.entries.get(first..last).map(<[Vec<u8>]>::to_vec).ok_or(NotStored)
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
