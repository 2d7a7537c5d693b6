//! The one write verb: what a batch is given and gives back.

use interlock_core::facts::{Facts, Keys, RowChange};
use interlock_core::{Hybrid, Timestamp};
use interlock_ledger::{Hash, Tile};

/// The state of a workspace's ledger inside a batch's transaction.
#[derive(Debug, Clone)]
pub struct Head {
    /// Entries so far.
    pub size: u64,
    /// The leaf hash of the last entry; zeros when there is none.
    pub last_leaf: Hash,
    /// The hybrid clock of the last entry.
    pub last_at: Hybrid,
    /// The wall clock: the database's where it has one.
    pub wall_now: Timestamp,
    /// The batch that wrote last; in a database maybe what stands in its place after one that was lost.
    pub batch_id: [u8; 16],
    /// The right edge of the tree; only when the work does not know it.
    pub edge: Option<Vec<Tile>>,
}

/// One ledger entry to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The canonical envelope.
    pub envelope: Vec<u8>,
}

/// Everything a batch writes; empty = nothing, the transaction is rolled back.
#[derive(Debug, Clone, Default)]
pub struct WriteSet {
    /// Entries, in order.
    pub entries: Vec<NewEntry>,
    /// Tiles that changed.
    pub tiles: Vec<Tile>,
    /// The signed checkpoint over the new size; with entries only.
    pub checkpoint: Option<String>,
    /// Rows that follow from the entries, and operational rows.
    pub rows: Vec<RowChange>,
    /// The hybrid clock of the last entry.
    pub last_at: Hybrid,
    /// Names the batch, so that a commit of unknown outcome can be looked up.
    pub batch_id: [u8; 16],
}

impl WriteSet {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.rows.is_empty()
    }
}

/// What the work wants next.
#[derive(Debug)]
pub enum Step {
    /// More facts; at most once.
    Load(Keys),
    /// This written.
    Write(WriteSet),
    /// Nothing written: stored rows contradict an event.
    Abort(String),
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Ledger entries now.
    pub size: u64,
}

/// Batches of a store by their round trips to the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trips {
    /// Written in one.
    pub one: u64,
    /// Loaded in one and written in another.
    pub two: u64,
    /// Tried in one, and found that somebody else had written; done in two then.
    pub moved: u64,
}

/// A batch of commands, decided inside the transaction. Synchronous and pure; may be run again from the start.
pub trait BatchWork: Send {
    /// What to load first, and the facts to load it into. Starts clean: called again when the batch is.
    fn start(&mut self) -> (Keys, Facts);

    /// The size at which the work knows the tree; the store loads the edge when it is another.
    fn tree_size(&self) -> Option<u64>;

    /// Decide on what was loaded.
    fn decide(&mut self, facts: &mut Facts, head: &Head) -> Step;

    /// The work itself again, to take the replies out of.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send>;
}
