//! Columns to values: everything that does not have the shape we wrote is corruption, named by its table.

use interlock_core::agent::{Agent, Launch};
use interlock_core::id::ThreadId;
use interlock_core::text::Salt;
use interlock_core::thread::{Message, MessageText, Thread, Withdrawal};
use interlock_store::{StoreError, StoredMessage};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::error::{corrupt, document};

/// A column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| corrupt("-", error))
}

/// A column with a number that is never below zero.
pub(crate) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, StoreError> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| corrupt("-", format!("{stored} is no such number")))
}

/// A column with so many bytes.
pub(crate) fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], StoreError> {
    let stored: &[u8] = get(row, column)?;
    stored.try_into().map_err(|_| corrupt("-", format!("{} bytes instead of {N}", stored.len())))
}

/// A number for a column; PostgreSQL's are signed, and nothing lies beyond their largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A thread from `doc, title, salt`, which begin at this column.
pub(crate) fn thread(row: &Row, first: usize) -> Result<Thread, StoreError> {
    let mut thread: Thread = document("thread", get(row, first)?)?;
    thread.title = get(row, first + 1)?;
    thread.title_salt = Salt(bytes(row, first + 2)?);
    Ok(thread)
}

/// An agent from `doc, launch, salt`, which begin at this column.
pub(crate) fn agent(row: &Row, first: usize) -> Result<Agent, StoreError> {
    let mut agent: Agent = document("agent", get(row, first)?)?;
    agent.launch = document::<Launch>("agent", get(row, first + 1)?)?;
    agent.launch_salt = Salt(bytes(row, first + 2)?);
    Ok(agent)
}

/// A message from `head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra`.
pub(crate) fn message(thread_id: ThreadId, row: &Row) -> Result<StoredMessage, StoreError> {
    let text = MessageText {
        body: get(row, 1)?,
        data: get(row, 2)?,
        extra: get(row, 9)?,
        salt: Salt(bytes(row, 3)?),
    };
    let withdrawn: Option<&str> = get(row, 6)?;
    let mut withdrawal: Option<Withdrawal> = withdrawn.map(|doc| document("withdrawal", doc)).transpose()?;
    if let Some(withdrawal) = &mut withdrawal {
        withdrawal.text = get(row, 7)?;
        // Those from before there were reasons have no salt.
        withdrawal.text_salt = Salt(get::<&[u8]>(row, 8)?.try_into().unwrap_or_default());
    }
    let message = Message { thread_id, head: document("message", get(row, 0)?)?, text, withdrawal };
    Ok(StoredMessage { message, index: number(row, 4)?, n: number(row, 5)? })
}

/// Documents from the column `doc`.
pub(crate) fn documents<T: serde::de::DeserializeOwned>(
    table: &str,
    rows: &[Row],
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| document(table, get(row, 0)?)).collect()
}
