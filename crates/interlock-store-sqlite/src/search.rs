//! The index of words (FTS5), and messages by the entries that posted them.

use interlock_core::search::Terms;
use interlock_store::{IndexFill, IndexMark, IndexPage, IndexQuery, StoreError, StoredMessage, posted_in};
use rusqlite::{Connection, params};

use crate::error::{corrupt, store};
use crate::load::{all, one};
use crate::query::{message_row, place, to_message};

pub(crate) fn mark(connection: &Connection, ws: i64, version: u32) -> Result<IndexMark, StoreError> {
    let size = "SELECT size FROM workspace WHERE pk = ?";
    let size = one(connection, size, params![ws], |row| row.get(0))?.ok_or(StoreError::NoWorkspace)?;
    let sql = "SELECT mark FROM search_index WHERE ws = ? AND version = ?";
    let mark = one(connection, sql, params![ws, version], |row| row.get(0))?.unwrap_or(0);
    Ok(IndexMark { mark, size })
}

pub(crate) fn page(connection: &Connection, ws: i64, query: &IndexQuery) -> Result<IndexPage, StoreError> {
    let IndexMark { mark, .. } = mark(connection, ws, query.version)?;
    let before = place(ws, query.before.min(mark));
    let sql = "SELECT rowid FROM message_words WHERE message_words MATCH ? AND rowid >= ? AND rowid < ?
               ORDER BY rowid DESC LIMIT ?";
    let values = params![expression(&query.terms), place(ws, 0), before, query.limit];
    let rows = all(connection, sql, values, |row| row.get::<_, i64>(0))?;
    let index = |row: i64| u64::try_from(row - place(ws, 0)).map_err(|error| corrupt("message_words", error));
    Ok(IndexPage { mark, entries: rows.into_iter().map(index).collect::<Result<_, _>>()? })
}

/// What FTS5 is asked. Terms hold letters, digits and a mark beyond ASCII, so that quotes keep them as they are.
fn expression(terms: &Terms) -> String {
    let star = |is_prefix| if is_prefix { " *" } else { "" };
    let mut parts: Vec<String> =
        terms.all.iter().map(|term| format!("\"{}\"{}", term.text, star(term.is_prefix))).collect();
    if !terms.any.is_empty() {
        let any: Vec<String> = terms.any.iter().map(|term| format!("\"{term}\"")).collect();
        parts.push(format!("({})", any.join(" OR ")));
    }
    parts.join(" AND ")
}

pub(crate) fn posted_by(
    connection: &Connection,
    ws: i64,
    entries: &[u64],
) -> Result<Vec<StoredMessage>, StoreError> {
    let sql = "SELECT envelope FROM ledger_entry WHERE place = ?";
    let of_message =
        "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message
                      WHERE ws = ? AND thread = ? AND seq = ?";
    let mut found = Vec::new();
    for index in entries {
        let envelope = one(connection, sql, params![place(ws, *index)], |row| row.get::<_, Vec<u8>>(0))?;
        let Some(envelope) = envelope else { continue };
        for (thread, seq) in posted_in(&envelope).map_err(|error| corrupt("ledger_entry", error))? {
            let row = one(connection, of_message, params![ws, thread.to_bytes(), seq], message_row)?;
            let row =
                row.ok_or_else(|| corrupt("message", format!("message {seq} of {thread} is missing")))?;
            found.push(to_message(thread, row)?);
        }
    }
    found.sort_by_key(|stored| (stored.index, stored.n));
    Ok(found)
}

/// In a transaction of the caller's.
pub(crate) fn fill(connection: &Connection, ws: i64, fill: &IndexFill) -> Result<(), StoreError> {
    let sql = "SELECT version FROM search_index WHERE ws = ?";
    let stored: u32 = one(connection, sql, params![ws], |row| row.get(0))?.unwrap_or(fill.version);
    if stored > fill.version || mark(connection, ws, fill.version)?.mark != fill.from {
        return Ok(());
    }
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
        statement.execute(values).map_err(|e| store(&e))
    };
    if fill.from == 0 {
        // What an earlier version left behind.
        run(
            "DELETE FROM message_words WHERE rowid >= ? AND rowid < ?",
            params![place(ws, 0), place(ws + 1, 0)],
        )?;
    }
    for (index, terms) in &fill.entries {
        run("INSERT INTO message_words (rowid, terms) VALUES (?, ?)", params![place(ws, *index), terms])?;
    }
    let sql = "INSERT INTO search_index (ws, version, mark) VALUES (?, ?, ?)
               ON CONFLICT (ws) DO UPDATE SET version = excluded.version, mark = excluded.mark";
    run(sql, params![ws, fill.version, fill.to]).map(|_| ())
}
