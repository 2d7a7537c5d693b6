//! A thread's timeline: its messages and its other events, merged in the ledger's order.

use interlock_core::facts::Position;
use interlock_core::id::ThreadId;
use interlock_core::{Hybrid, Timestamp};
use interlock_store::{StoreError, TimelineRow};
use rusqlite::{Connection, params};

use crate::error::document;
use crate::load::{all, one};
use crate::query::{message_row, to_message};

pub(crate) fn timeline(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    after: Option<(u64, u32)>,
    limit: u32,
) -> Result<Vec<TimelineRow>, StoreError> {
    let mut rows = messages(connection, ws, thread, after, limit)?;
    rows.extend(events(connection, ws, thread, after, limit)?);
    rows.sort_by_key(TimelineRow::position);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}

fn events(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    after: Option<(u64, u32)>,
    limit: u32,
) -> Result<Vec<TimelineRow>, StoreError> {
    let (index, n) = signed(after);
    let sql =
        "SELECT idx, n, at, count, event FROM timeline WHERE ws = ? AND thread = ? AND (idx, n) > (?, ?)
               ORDER BY idx, n LIMIT ?";
    let rows = all(connection, sql, params![ws, thread.to_bytes(), index, n, limit], |row| {
        let at = Hybrid { at: Timestamp::from_millis(row.get(2)?), count: row.get(3)? };
        Ok((Position { index: row.get(0)?, n: row.get(1)?, at }, row.get::<_, String>(4)?))
    })?;
    rows.into_iter()
        .map(|(position, doc)| Ok(TimelineRow::Event(position, document("timeline", &doc)?)))
        .collect()
}

fn messages(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    after: Option<(u64, u32)>,
    limit: u32,
) -> Result<Vec<TimelineRow>, StoreError> {
    let first = match after {
        Some(position) => first_after(connection, ws, thread, position)?,
        None => 1,
    };
    let sql = "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message WHERE ws = ? AND thread = ? AND seq >= ?
               ORDER BY seq LIMIT ?";
    let rows = all(connection, sql, params![ws, thread.to_bytes(), first, limit], message_row)?;
    rows.into_iter().map(|row| to_message(thread, row).map(TimelineRow::Message)).collect()
}

/// The first `seq` whose message stands after a position. Both orders agree within a thread, so halving finds it
/// without an index that every post would have to feed.
fn first_after(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    position: (u64, u32),
) -> Result<u64, StoreError> {
    let last = "SELECT coalesce(max(seq), 0) FROM message WHERE ws = ? AND thread = ?";
    let last: u64 = one(connection, last, params![ws, thread.to_bytes()], |row| row.get(0))?.unwrap_or(0);
    let sql = "SELECT idx, n FROM message WHERE ws = ? AND thread = ? AND seq = ?";
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let here = one(connection, sql, params![ws, thread.to_bytes(), middle], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u32>(1)?))
        })?;
        if here.is_some_and(|here| here <= position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

fn signed(after: Option<(u64, u32)>) -> (i64, i64) {
    after.map_or((-1, -1), |(index, n)| (i64::try_from(index).unwrap_or(i64::MAX), i64::from(n)))
}
