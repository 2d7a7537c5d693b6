//! A workspace of a database, as it moves: one connection, one transaction for everything.

use async_trait::async_trait;
use interlock_core::id::WorkspaceId;
use interlock_store::StoreError;
use interlock_store::archive::{Archive, ArchiveHead, Cell, Cells, Kind, Table};
use tokio_postgres::{Client, Row};

use crate::Options;
use crate::error::{self, corrupt};
use crate::open::{self, Way};
use crate::pool::{Value, in_time};
use crate::row::{get, number, signed};

/// What sessions that move a workspace are called.
const NAME: &str = "interlock migrate";
/// The table that has one column more here: which batch wrote a checkpoint. Only the newest is ever asked for, right after
/// it was written.
const CHECKPOINTS: &str = "ledger_checkpoint";
const NO_BATCH: &str = "decode(repeat('00', 16), 'hex')";

/// A workspace of a database.
pub struct PostgresArchive {
    client: Client,
    ws: WorkspaceId,
    pk: Option<i64>,
}

impl PostgresArchive {
    /// Open the database, made or migrated when needed.
    ///
    /// # Errors
    /// As opening the store.
    pub async fn open(options: &Options, ws: WorkspaceId) -> Result<Self, StoreError> {
        let way = Way::of(&options.clone().named(NAME))?;
        open::migrate(&way.pool(1)?).await?;
        let client = in_time(way.connect(None)).await?;
        let archive = Self { client, ws, pk: None };
        archive.plain("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        Ok(archive)
    }

    /// Give the workspace another id, under which nobody looks for it.
    ///
    /// # Errors
    /// As any change.
    pub async fn rename(&mut self, to: WorkspaceId) -> Result<(), StoreError> {
        let sql = "UPDATE workspace SET id = $2 WHERE pk = $1";
        self.all(sql, &[&self.pk()?, &to.to_bytes().as_slice()]).await.map(|_| ())
    }

    fn pk(&self) -> Result<i64, StoreError> {
        self.pk.ok_or(StoreError::NoWorkspace)
    }

    async fn plain(&self, sql: &str) -> Result<(), StoreError> {
        in_time(async { self.client.batch_execute(sql).await.map_err(|e| error::store(&e)) }).await
    }

    async fn all(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        in_time(async { self.client.query(sql, values).await.map_err(|e| error::store(&e)) }).await
    }
}

#[async_trait]
impl Archive for PostgresArchive {
    async fn head(&mut self) -> Result<Option<ArchiveHead>, StoreError> {
        let sql =
            "SELECT pk, origin, size, last_leaf, last_at, last_count, batch_id FROM workspace WHERE id = $1
                   FOR UPDATE";
        let rows = self.all(sql, &[&self.ws.to_bytes().as_slice()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        self.pk = Some(get(row, 0)?);
        Ok(Some(ArchiveHead {
            origin: get(row, 1)?,
            size: number(row, 2)?,
            last_leaf: get(row, 3)?,
            last_at: get(row, 4)?,
            last_count: get(row, 5)?,
            batch_id: get(row, 6)?,
        }))
    }

    async fn begin(&mut self, head: &ArchiveHead) -> Result<(), StoreError> {
        let sql = "INSERT INTO workspace (id, origin, size, last_leaf, last_at, last_count, batch_id)
                   VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING pk";
        let ArchiveHead { origin, size, last_leaf, last_at, last_count, batch_id } = head;
        let (id, size) = (self.ws.to_bytes().to_vec(), signed(*size));
        let rows = self.all(sql, &[&id, origin, &size, last_leaf, last_at, last_count, batch_id]).await?;
        self.pk = rows.first().map(|row| get(row, 0)).transpose()?;
        Ok(())
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: u32,
    ) -> Result<Vec<Cells>, StoreError> {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let key = columns.get(..table.key).unwrap_or_default().join(", ");
        let (pk, limit) = (self.pk()?, i64::from(limit));
        let mut values: Vec<Value<'_>> = vec![&pk, &limit];
        let mut beyond = String::new();
        if let Some(after) = after {
            let marks: Vec<String> = (0..table.key).map(|n| format!("${}", n + 3)).collect();
            beyond = format!(" AND ({key}) > ({})", marks.join(", "));
            for cell in after.iter().take(table.key) {
                values.push(key_value(cell)?);
            }
        }
        let (name, all) = (table.name, columns.join(", "));
        let sql = format!("SELECT {all} FROM {name} WHERE ws = $1{beyond} ORDER BY {key} LIMIT $2");
        let rows = self.all(&sql, &values).await?;
        let cells = |row| table.columns.iter().enumerate().map(move |(n, (_, kind))| cell(row, n, *kind));
        rows.iter().map(|row| cells(row).collect()).collect()
    }

    async fn put(&mut self, table: &'static Table, rows: &[Cells]) -> Result<(), StoreError> {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let arrays = table.columns.iter().zip(2..).map(|((_, kind), n)| match kind {
            Kind::Number => format!("${n}::bigint[]"),
            Kind::Flag => format!("${n}::bool[]"),
            Kind::Text => format!("${n}::text[]"),
            Kind::Bytes => format!("${n}::bytea[]"),
        });
        let (arrays, names) = (arrays.collect::<Vec<_>>().join(", "), names.join(", "));
        let (more, filled) = if table.name == CHECKPOINTS {
            (", batch_id", format!(", {NO_BATCH}"))
        } else {
            ("", String::new())
        };
        let sql = format!(
            "INSERT INTO {} (ws, {names}{more}) SELECT $1, *{filled} FROM unnest({arrays})",
            table.name
        );
        let columns: Vec<Column> = table
            .columns
            .iter()
            .enumerate()
            .map(|(n, (name, kind))| column(rows, n, *kind).ok_or_else(|| corrupt(table.name, name)))
            .collect::<Result<_, _>>()?;
        let pk = self.pk()?;
        let values: Vec<Value<'_>> =
            std::iter::once(&pk as Value<'_>).chain(columns.iter().map(Column::value)).collect();
        self.all(&sql, &values).await.map(|_| ())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.plain("COMMIT").await
    }
}

/// Keys are never null.
fn key_value(cell: &Cell) -> Result<Value<'_>, StoreError> {
    match cell {
        Cell::Number(number) => Ok(number),
        Cell::Flag(flag) => Ok(flag),
        Cell::Text(text) => Ok(text),
        Cell::Bytes(bytes) => Ok(bytes),
        Cell::Null => Err(corrupt("-", "a key that is null")),
    }
}

fn cell(row: &Row, column: usize, kind: Kind) -> Result<Cell, StoreError> {
    let found = match kind {
        Kind::Number => get::<Option<i64>>(row, column)?.map(Cell::Number),
        Kind::Flag => get::<Option<bool>>(row, column)?.map(Cell::Flag),
        Kind::Text => get::<Option<String>>(row, column)?.map(Cell::Text),
        Kind::Bytes => get::<Option<Vec<u8>>>(row, column)?.map(Cell::Bytes),
    };
    Ok(found.unwrap_or(Cell::Null))
}

/// One column of many rows.
enum Column {
    Numbers(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Numbers(values) => values,
            Self::Flags(values) => values,
            Self::Texts(values) => values,
            Self::Bytes(values) => values,
        }
    }
}

/// A column of these rows; `None` when a row has none, or one of another kind.
fn column(rows: &[Cells], n: usize, kind: Kind) -> Option<Column> {
    fn all<T>(rows: &[Cells], n: usize, of: impl Fn(&Cell) -> Option<T>) -> Option<Vec<Option<T>>> {
        let one = |row: &Cells| match row.get(n)? {
            Cell::Null => Some(None),
            cell => of(cell).map(Some),
        };
        rows.iter().map(one).collect()
    }
    Some(match kind {
        Kind::Number => Column::Numbers(all(rows, n, |cell| match cell {
            Cell::Number(number) => Some(*number),
            _ => None,
        })?),
        Kind::Flag => Column::Flags(all(rows, n, |cell| match cell {
            Cell::Flag(flag) => Some(*flag),
            _ => None,
        })?),
        Kind::Text => Column::Texts(all(rows, n, |cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        })?),
        Kind::Bytes => Column::Bytes(all(rows, n, |cell| match cell {
            Cell::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        })?),
    })
}
