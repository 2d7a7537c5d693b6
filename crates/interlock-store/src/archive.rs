//! Everything of a workspace, table by table: how it moves from one database to another with nothing lost.
//!
//! Both databases have the same tables and columns. What one keeps besides, its own keys and indexes, it makes itself.

use async_trait::async_trait;
use interlock_core::text::{Digest, fingerprint};

use crate::StoreError;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// None.
    Null,
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a table's columns, in their order.
pub type Cells = Vec<Cell>;

/// A table with everything that is the same in both databases: all columns but the workspace.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
    /// So many of the first columns are its key, in whose order it is read.
    pub key: usize,
}

const fn table(name: &'static str, key: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, columns, key }
}

use Kind::{Bytes, Flag, Number, Text};

/// Every table but that of the workspaces themselves.
pub const TABLES: [Table; 21] = [
    table("ledger_entry", 1, &[("idx", Number), ("leaf", Bytes), ("envelope", Bytes)]),
    table("ledger_tile", 2, &[("level", Number), ("n", Number), ("width", Number), ("hashes", Bytes)]),
    table("ledger_checkpoint", 1, &[("size", Number), ("note", Text)]),
    table("agent", 1, &[("name", Text), ("doc", Text), ("launch", Text), ("salt", Bytes)]),
    table("thread", 1, &[("id", Bytes), ("status", Text), ("doc", Text), ("title", Text), ("salt", Bytes)]),
    table("member", 2, &[("agent", Text), ("thread", Bytes)]),
    table(
        "message",
        2,
        &[
            ("thread", Bytes),
            ("seq", Number),
            ("id", Bytes),
            ("idx", Number),
            ("n", Number),
            ("head", Text),
            ("body", Text),
            ("data", Text),
            ("salt", Bytes),
            ("withdrawn", Text),
            ("withdrawn_text", Text),
            ("withdrawn_salt", Bytes),
            ("extra", Text),
        ],
    ),
    table("answer", 3, &[("thread", Bytes), ("target", Bytes), ("agent", Text), ("doc", Text)]),
    table("finding", 2, &[("thread", Bytes), ("id", Bytes), ("reported_seq", Number), ("doc", Text)]),
    table(
        "wake",
        1,
        &[
            ("id", Bytes),
            ("thread", Bytes),
            ("agent", Text),
            ("state", Text),
            ("result", Text),
            ("due_at", Number),
            ("held", Flag),
            ("urgent", Flag),
            ("doc", Text),
        ],
    ),
    table(
        "timeline",
        3,
        &[
            ("thread", Bytes),
            ("idx", Number),
            ("n", Number),
            ("at", Number),
            ("count", Number),
            ("event", Text),
        ],
    ),
    table("halt", 1, &[("doc", Text)]),
    table("idempotency", 1, &[("key", Bytes), ("fingerprint", Bytes), ("idx", Number)]),
    table("lease", 1, &[("wake", Bytes), ("doc", Text)]),
    table(
        "session",
        2,
        &[("agent", Text), ("session", Bytes), ("terminal", Flag), ("seen_at", Number), ("doc", Text)],
    ),
    table("supervisor", 1, &[("name", Text), ("doc", Text)]),
    table(
        "webhook",
        1,
        &[("id", Bytes), ("doc", Text), ("url", Text), ("salt", Bytes), ("seeds", Text), ("progress", Text)],
    ),
    table(
        "denial",
        1,
        &[("id", Bytes), ("request", Text), ("actor", Text), ("operation", Text), ("doc", Text)],
    ),
    table(
        "job",
        1,
        &[("id", Bytes), ("kind", Text), ("name", Text), ("state", Text), ("due_at", Number), ("doc", Text)],
    ),
    table("job_totals", 1, &[("doc", Text)]),
    table("snapshot", 1, &[("id", Bytes), ("stage", Text), ("doc", Text), ("text", Text), ("salt", Bytes)]),
];

/// What the tables' names begin with that hold nothing of their own: an index is made anew where it is.
pub const DERIVED: [&str; 2] = ["message_words", "search_index"];

/// A workspace's own row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveHead {
    /// The ledger's name.
    pub origin: String,
    /// Entries of the ledger.
    pub size: u64,
    /// The newest entry's leaf.
    pub last_leaf: Vec<u8>,
    /// The hybrid time of the newest entry.
    pub last_at: i64,
    /// Its counter.
    pub last_count: i64,
    /// The batch that wrote it.
    pub batch_id: Vec<u8>,
}

impl ArchiveHead {
    fn cells(&self) -> Cells {
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        vec![
            Cell::Text(self.origin.clone()),
            Cell::Number(size),
            Cell::Bytes(self.last_leaf.clone()),
            Cell::Number(self.last_at),
            Cell::Number(self.last_count),
            Cell::Bytes(self.batch_id.clone()),
        ]
    }
}

/// One workspace of one database, read or written in a single transaction that ends with [`Archive::commit`], or is as if
/// it had never been.
#[async_trait]
pub trait Archive: Send {
    /// The workspace's row, which nobody else changes from now on; `None` when it is not there.
    async fn head(&mut self) -> Result<Option<ArchiveHead>, StoreError>;

    /// Make the workspace.
    async fn begin(&mut self, head: &ArchiveHead) -> Result<(), StoreError>;

    /// A table's rows after a key, in its order, so many at most.
    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: u32,
    ) -> Result<Vec<Cells>, StoreError>;

    /// Add rows to a table.
    async fn put(&mut self, table: &'static Table, rows: &[Cells]) -> Result<(), StoreError>;

    /// Make it durable.
    async fn commit(&mut self) -> Result<(), StoreError>;
}

/// A digest of everything that was read, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// The digest so far.
    pub digest: Digest,
}

impl Summary {
    /// Of a workspace's row.
    pub fn begin(head: &ArchiveHead) -> Self {
        Self { rows: 0, digest: fingerprint("interlock archive 1", &[&bytes_of(&head.cells())]) }
    }

    /// And these rows of a table.
    pub fn add(&mut self, table: &Table, rows: &[Cells]) {
        for row in rows {
            let parts = [self.digest.as_bytes(), table.name.as_bytes(), &bytes_of(row)];
            self.digest = fingerprint("interlock archive row 1", &parts);
        }
        self.rows = self.rows.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    }
}

/// Different rows give different bytes.
fn bytes_of(row: &[Cell]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in row {
        let (kind, content) = match cell {
            Cell::Null => (0, Vec::new()),
            Cell::Number(number) => (1, number.to_be_bytes().to_vec()),
            Cell::Flag(flag) => (2, vec![u8::from(*flag)]),
            Cell::Text(text) => (3, text.clone().into_bytes()),
            Cell::Bytes(content) => (4, content.clone()),
        };
        bytes.push(kind);
        bytes.extend(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend(content);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_row_is_another_digest() {
        let head = ArchiveHead {
            origin: "o".into(),
            size: 1,
            last_leaf: vec![1],
            last_at: 2,
            last_count: 3,
            batch_id: vec![4],
        };
        let of = |table: &Table, row: Cells| {
            let mut summary = Summary::begin(&head);
            summary.add(table, &[row]);
            summary.digest
        };
        let [one, two, ..] = &TABLES;
        let text = |text: &str| Cell::Text(text.into());
        let all = [
            of(one, vec![text("ab"), text("c")]),
            of(one, vec![text("a"), text("bc")]),
            of(one, vec![text("ab"), Cell::Bytes(b"c".to_vec())]),
            of(one, vec![text("ab"), Cell::Null]),
            of(two, vec![text("ab"), text("c")]),
            Summary::begin(&head).digest,
            Summary::begin(&ArchiveHead { size: 2, ..head.clone() }).digest,
        ];
        for (n, digest) in all.iter().enumerate() {
            assert!(!all[..n].contains(digest), "{n}");
        }
    }
}
