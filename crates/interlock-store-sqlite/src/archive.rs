//! A workspace of a file, as it moves: one transaction for everything.

use std::path::Path;

use async_trait::async_trait;
use interlock_core::id::WorkspaceId;
use interlock_store::StoreError;
use interlock_store::archive::{Archive, ArchiveHead, Cell, Cells, Kind, Table};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use crate::error::{corrupt, store};
use crate::query::place;
use crate::{Options, open};

/// The table whose key is one number, made of workspace and index.
const ENTRIES: &str = "ledger_entry";

/// A workspace of a file. Whoever opens it holds the instance's lock.
pub struct SqliteArchive {
    connection: Connection,
    ws: WorkspaceId,
    pk: Option<i64>,
}

impl SqliteArchive {
    /// Open the file, made or migrated when needed.
    ///
    /// # Errors
    /// As opening the store.
    pub fn open(path: &Path, ws: WorkspaceId) -> Result<Self, StoreError> {
        let connection = open::writer(&Options::at(path))?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| store(&error))?;
        Ok(Self { connection, ws, pk: None })
    }

    fn pk(&self) -> Result<i64, StoreError> {
        self.pk.ok_or(StoreError::NoWorkspace)
    }
}

#[async_trait]
impl Archive for SqliteArchive {
    async fn head(&mut self) -> Result<Option<ArchiveHead>, StoreError> {
        let sql =
            "SELECT pk, origin, size, last_leaf, last_at, last_count, batch_id FROM workspace WHERE id = ?";
        let found = self.connection.query_row(sql, params![self.ws.to_bytes()], |row| {
            let head = ArchiveHead {
                origin: row.get(1)?,
                size: row.get(2)?,
                last_leaf: row.get(3)?,
                last_at: row.get(4)?,
                last_count: row.get(5)?,
                batch_id: row.get(6)?,
            };
            Ok((row.get(0)?, head))
        });
        let found: Option<(i64, ArchiveHead)> = found.optional().map_err(|error| store(&error))?;
        self.pk = found.as_ref().map(|(pk, _)| *pk);
        Ok(found.map(|(_, head)| head))
    }

    async fn begin(&mut self, head: &ArchiveHead) -> Result<(), StoreError> {
        let sql = "INSERT INTO workspace (id, origin, size, last_leaf, last_at, last_count, batch_id)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let ArchiveHead { origin, size, last_leaf, last_at, last_count, batch_id } = head;
        let values = params![self.ws.to_bytes(), origin, size, last_leaf, last_at, last_count, batch_id];
        self.connection.execute(sql, values).map_err(|error| store(&error))?;
        self.pk = Some(self.connection.last_insert_rowid());
        Ok(())
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: u32,
    ) -> Result<Vec<Cells>, StoreError> {
        let (sql, mut values) = asked(table, self.pk()?, after);
        values.push(Value::Integer(limit.into()));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| store(&error))?;
        let mut rows = statement.query(params_from_iter(values)).map_err(|error| store(&error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| store(&error))? {
            let cells = table.columns.iter().enumerate().map(|(n, (_, kind))| cell(row, n, *kind));
            found.push(cells.collect::<Result<Cells, StoreError>>()?);
        }
        Ok(found)
    }

    async fn put(&mut self, table: &'static Table, rows: &[Cells]) -> Result<(), StoreError> {
        let pk = self.pk()?;
        let (mut columns, mut marks) = (String::from("ws"), String::from("?"));
        for (name, _) in table.columns {
            columns = format!("{columns}, {name}");
            marks += ", ?";
        }
        let mut sql = format!("INSERT INTO {} ({columns}) VALUES ({marks})", table.name);
        if table.name == ENTRIES {
            sql = format!("INSERT INTO {ENTRIES} (place, leaf, envelope) VALUES (?, ?, ?)");
        }
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| store(&error))?;
        for row in rows {
            let values: Vec<Value> = match row.as_slice() {
                [Cell::Number(idx), rest @ ..] if table.name == ENTRIES => {
                    let index = u64::try_from(*idx).map_err(|_| corrupt(ENTRIES, "an index below 0"))?;
                    std::iter::once(Value::Integer(place(pk, index))).chain(rest.iter().map(value)).collect()
                }
                row => std::iter::once(Value::Integer(pk)).chain(row.iter().map(value)).collect(),
            };
            statement.execute(params_from_iter(values)).map_err(|error| store(&error))?;
        }
        Ok(())
    }

    /// Everything is in the file itself afterwards, and not in a log beside it.
    async fn commit(&mut self) -> Result<(), StoreError> {
        self.connection.execute_batch("COMMIT").map_err(|error| store(&error))?;
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.query_row(fold, [], |_| Ok(())).map_err(|error| store(&error))
    }
}

/// The statement for a page with its values, of which only the limit is missing.
fn asked(table: &Table, pk: i64, after: Option<&[Cell]>) -> (String, Vec<Value>) {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let (name, all) = (table.name, columns.join(", "));
    if name == ENTRIES {
        let next = match after {
            Some([Cell::Number(idx), ..]) => u64::try_from(*idx).unwrap_or_default().saturating_add(1),
            _ => 0,
        };
        let sql = format!("SELECT {all} FROM {name} WHERE place >= ? AND place <= ? ORDER BY place LIMIT ?");
        return (sql, vec![Value::Integer(place(pk, next)), Value::Integer(place(pk, u64::MAX))]);
    }
    let key = columns.get(..table.key).unwrap_or_default().join(", ");
    let mut values = vec![Value::Integer(pk)];
    let mut beyond = String::new();
    if let Some(after) = after {
        let marks = vec!["?"; table.key].join(", ");
        beyond = format!(" AND ({key}) > ({marks})");
        values.extend(after.iter().take(table.key).map(value));
    }
    (format!("SELECT {all} FROM {name} WHERE ws = ?{beyond} ORDER BY {key} LIMIT ?"), values)
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(*number),
        Cell::Flag(flag) => Value::Integer(i64::from(*flag)),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
    }
}

fn cell(row: &Row<'_>, column: usize, kind: Kind) -> Result<Cell, StoreError> {
    let stored: Value = row.get(column).map_err(|error| store(&error))?;
    match (stored, kind) {
        (Value::Null, _) => Ok(Cell::Null),
        (Value::Integer(number), Kind::Number) => Ok(Cell::Number(number)),
        (Value::Integer(flag @ (0 | 1)), Kind::Flag) => Ok(Cell::Flag(flag == 1)),
        (Value::Text(text), Kind::Text) => Ok(Cell::Text(text)),
        (Value::Blob(bytes), Kind::Bytes) => Ok(Cell::Bytes(bytes)),
        (_, kind) => Err(corrupt("-", format!("column {column} holds no {kind:?}"))),
    }
}
