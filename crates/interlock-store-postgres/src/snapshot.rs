//! Snapshots, and what they count.

use interlock_core::id::SnapshotId;
use interlock_core::job::JobTotals;
use interlock_core::snapshot::{Census, Snapshot, Stage};
use interlock_core::text::Salt;
use interlock_store::{Page, SnapshotFilter, StoreError};
use tokio_postgres::Row;

use crate::apply::{Values, boxed, some};
use crate::error::{document, text};
use crate::pool::Line;
use crate::row::{bytes, documents, get, number};
use crate::{job, query};

/// Snapshots as columns.
#[derive(Default)]
pub(crate) struct Columns(Vec<Vec<u8>>, Vec<String>, Vec<String>, Vec<String>, Vec<Vec<u8>>);

impl Columns {
    pub(crate) fn add(&mut self, taken: &Snapshot) -> Result<(), StoreError> {
        self.0.push(taken.snapshot_id.to_bytes().to_vec());
        self.1.push(taken.content.stage.to_string());
        self.2.push(text("snapshot", taken)?);
        self.3.push(taken.text.clone());
        self.4.push(taken.text_salt.0.to_vec());
        Ok(())
    }

    pub(crate) fn into_values(self) -> Option<Values> {
        let Self(ids, stages, docs, texts, salts) = self;
        some(ids.is_empty(), || vec![boxed(ids), boxed(stages), boxed(docs), boxed(texts), boxed(salts)])
    }
}

/// A snapshot from `doc, text, salt`.
fn to_snapshot(row: &Row) -> Result<Snapshot, StoreError> {
    let taken: Snapshot = document("snapshot", get(row, 0)?)?;
    Ok(Snapshot { text: get(row, 1)?, text_salt: Salt(bytes(row, 2)?), ..taken })
}

pub(crate) async fn snapshot(line: &Line, ws: i64, id: SnapshotId) -> Result<Option<Snapshot>, StoreError> {
    let sql = "SELECT doc, text, salt FROM snapshot WHERE ws = $1 AND id = $2";
    line.one(sql, &[&ws, &id.to_bytes().as_slice()]).await?.as_ref().map(to_snapshot).transpose()
}

pub(crate) async fn snapshots(
    line: &Line,
    ws: i64,
    filter: &SnapshotFilter,
    page: &Page<SnapshotId>,
) -> Result<Vec<Snapshot>, StoreError> {
    let sql =
        "SELECT doc, text, salt FROM snapshot WHERE ws = $1 AND id < $2 AND ($3::text IS NULL OR stage = $3)
               ORDER BY id DESC LIMIT $4";
    let before = page.after.map_or([0xFF; 16], SnapshotId::to_bytes);
    let (stage, limit) = (filter.stage.as_ref().map(Stage::as_str), i64::from(page.limit));
    line.all(sql, &[&ws, &before.as_slice(), &stage, &limit]).await?.iter().map(to_snapshot).collect()
}

/// How much there is of everything. In a transaction that holds the workspace's head nobody else changes any of it.
pub(crate) async fn census(line: &Line, ws: i64) -> Result<Census, StoreError> {
    let (counts, jobs) = (query::counts(line, ws).await?, job::counts(line, ws).await?);
    let sql = "SELECT doc FROM job_totals WHERE ws = $1";
    let totals: Vec<JobTotals> = documents("job_totals", &line.all(sql, &[&ws]).await?)?;
    // A thread numbers its messages without gaps.
    let sql = "SELECT coalesce(sum((doc::jsonb ->> 'seq')::bigint), 0)::bigint FROM thread WHERE ws = $1";
    let messages = line.one(sql, &[&ws]).await?;
    Ok(Census {
        ledger_size: query::ledger_head(line, ws).await?.size,
        totals: totals.into_iter().next().unwrap_or_default(),
        jobs: jobs.states,
        first_due_at: jobs.first_due_at,
        messages: messages.map(|row| number(&row, 0)).transpose()?.unwrap_or_default(),
        threads: counts.threads,
        wakes: counts.wakes,
    })
}
