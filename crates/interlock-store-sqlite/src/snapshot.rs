//! Snapshots, and what they count.

use interlock_core::id::SnapshotId;
use interlock_core::job::JobTotals;
use interlock_core::snapshot::{Census, Snapshot, Stage};
use interlock_core::text::Salt;
use interlock_store::{Page, SnapshotFilter, StoreError};
use rusqlite::{Connection, Row, params};

use crate::apply::run;
use crate::error::{document, text};
use crate::load::{all, one};
use crate::{job, query};

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, String, [u8; 16])> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn to_snapshot((doc, text, salt): (String, String, [u8; 16])) -> Result<Snapshot, StoreError> {
    Ok(Snapshot { text, text_salt: Salt(salt), ..document("snapshot", &doc)? })
}

pub(crate) fn snapshot(
    connection: &Connection,
    ws: i64,
    id: SnapshotId,
) -> Result<Option<Snapshot>, StoreError> {
    let sql = "SELECT doc, text, salt FROM snapshot WHERE ws = ? AND id = ?";
    one(connection, sql, params![ws, id.to_bytes()], columns)?.map(to_snapshot).transpose()
}

pub(crate) fn snapshots(
    connection: &Connection,
    ws: i64,
    filter: &SnapshotFilter,
    page: &Page<SnapshotId>,
) -> Result<Vec<Snapshot>, StoreError> {
    // Each reads its index backwards, as far as the page goes.
    let sql = if filter.stage.is_some() {
        "SELECT doc, text, salt FROM snapshot WHERE ws = ?1 AND id < ?2 AND stage = ?3 ORDER BY id DESC LIMIT ?4"
    } else {
        "SELECT doc, text, salt FROM snapshot WHERE ws = ?1 AND id < ?2 AND ?3 IS NULL ORDER BY id DESC LIMIT ?4"
    };
    let before = page.after.map_or([0xFF; 16], SnapshotId::to_bytes);
    let values = params![ws, before, filter.stage.as_ref().map(Stage::as_str), page.limit];
    all(connection, sql, values, columns)?.into_iter().map(to_snapshot).collect()
}

pub(crate) fn append(connection: &Connection, ws: i64, taken: &Snapshot) -> Result<(), StoreError> {
    let sql = "INSERT INTO snapshot (ws, id, stage, doc, text, salt) VALUES (?, ?, ?, ?, ?, ?)";
    let (id, doc) = (taken.snapshot_id.to_bytes(), text("snapshot", taken)?);
    run(connection, sql, params![ws, id, taken.content.stage.as_str(), doc, taken.text, taken.text_salt.0])
}

/// What became of jobs; nothing yet where nothing is written.
pub(crate) fn totals(connection: &Connection, ws: i64) -> Result<JobTotals, StoreError> {
    let doc = one(connection, "SELECT doc FROM job_totals WHERE ws = ?", params![ws], |row| {
        row.get::<_, String>(0)
    })?;
    doc.map_or_else(|| Ok(JobTotals::default()), |doc| document("job_totals", &doc))
}

pub(crate) fn put_totals(connection: &Connection, ws: i64, totals: &JobTotals) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO job_totals (ws, doc) VALUES (?, ?) ON CONFLICT (ws) DO UPDATE SET doc = excluded.doc";
    run(connection, sql, params![ws, text("job_totals", totals)?])
}

/// How much there is of everything, in the transaction of the caller's.
pub(crate) fn census(connection: &Connection, ws: i64) -> Result<Census, StoreError> {
    let (counts, jobs) = (query::counts(connection, ws)?, job::counts(connection, ws)?);
    // A thread numbers its messages without gaps.
    let sql = "SELECT coalesce(sum(json_extract(doc, '$.seq')), 0) FROM thread WHERE ws = ?";
    let messages = one(connection, sql, params![ws], |row| row.get(0))?.unwrap_or_default();
    Ok(Census {
        ledger_size: query::ledger_head(connection, ws)?.size,
        totals: totals(connection, ws)?,
        jobs: jobs.states,
        first_due_at: jobs.first_due_at,
        messages,
        threads: counts.threads,
        wakes: counts.wakes,
    })
}
