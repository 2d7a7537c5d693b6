//! Jobs: the server's own work.

use interlock_core::id::JobId;
use interlock_core::job::{Job, JobState};
use interlock_core::limits::{DUE_JOBS_MAX, JOB_KEPT_MS};
use interlock_core::{RowChange, Timestamp};
use interlock_store::{JobCounts, JobFilter, Page, StoreError};
use rusqlite::{Connection, params};

use crate::apply::run;
use crate::error::{corrupt, document, text};
use crate::load::{all, one};

fn documents(docs: &[String]) -> Result<Vec<Job>, StoreError> {
    docs.iter().map(|doc| document("job", doc)).collect()
}

pub(crate) fn job(connection: &Connection, ws: i64, id: JobId) -> Result<Option<Job>, StoreError> {
    let sql = "SELECT doc FROM job WHERE ws = ? AND id = ?";
    let doc = one(connection, sql, params![ws, id.to_bytes()], |row| row.get::<_, String>(0))?;
    doc.map(|doc| document("job", &doc)).transpose()
}

/// The one of this kind and name that is not over.
pub(crate) fn named(
    connection: &Connection,
    ws: i64,
    kind: &str,
    name: &str,
) -> Result<Option<JobId>, StoreError> {
    let sql = "SELECT id FROM job WHERE ws = ? AND kind = ? AND name = ? AND state IN ('queued', 'running')";
    let id = one(connection, sql, params![ws, kind, name], |row| row.get::<_, Vec<u8>>(0))?;
    id.map(|id| JobId::from_slice(&id).ok_or_else(|| corrupt("job", "an id has 16 bytes"))).transpose()
}

/// Those whose time has come, of each state the first.
pub(crate) fn due(connection: &Connection, ws: i64, now: Timestamp) -> Result<Vec<Job>, StoreError> {
    let sql = "SELECT doc FROM job WHERE ws = ? AND state = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?";
    let mut jobs = Vec::new();
    for (state, until) in
        [(JobState::Running, now), (JobState::Queued, now), (JobState::Completed, now.plus_ms(-JOB_KEPT_MS))]
    {
        let values = params![ws, state.as_str(), until.as_millis(), DUE_JOBS_MAX];
        jobs.extend(documents(&all(connection, sql, values, |row| row.get(0))?)?);
    }
    Ok(jobs)
}

pub(crate) fn jobs(
    connection: &Connection,
    ws: i64,
    filter: &JobFilter,
    page: &Page<JobId>,
) -> Result<Vec<Job>, StoreError> {
    // Each reads its index backwards, as far as the page goes.
    let sql = if filter.state.is_some() {
        "SELECT doc FROM job WHERE ws = ?1 AND id < ?2 AND state = ?3
         AND (?4 IS NULL OR kind = ?4) ORDER BY id DESC LIMIT ?5"
    } else {
        "SELECT doc FROM job WHERE ws = ?1 AND id < ?2 AND ?3 IS NULL
         AND (?4 IS NULL OR kind = ?4) ORDER BY id DESC LIMIT ?5"
    };
    let after = page.after.map_or([0xFF; 16], JobId::to_bytes);
    let values = params![ws, after, filter.state.map(JobState::as_str), filter.kind, page.limit];
    documents(&all(connection, sql, values, |row| row.get(0))?)
}

pub(crate) fn next(connection: &Connection, ws: i64) -> Result<Option<Timestamp>, StoreError> {
    let first = |state| first_of(connection, ws, state);
    Ok([first(JobState::Queued)?, first(JobState::Running)?].into_iter().flatten().min())
}

/// When the first job of a state is due.
pub(crate) fn first_of(
    connection: &Connection,
    ws: i64,
    state: JobState,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(due_at) FROM job WHERE ws = ? AND state = ?";
    let due = one(connection, sql, params![ws, state.as_str()], |row| row.get::<_, Option<i64>>(0))?;
    Ok(due.flatten().map(Timestamp::from_millis))
}

pub(crate) fn counts(connection: &Connection, ws: i64) -> Result<JobCounts, StoreError> {
    let sql = "SELECT count(*) FROM job WHERE ws = ? AND state = ?";
    let mut counts =
        JobCounts { first_due_at: first_of(connection, ws, JobState::Queued)?, ..JobCounts::default() };
    for state in JobState::ALL.iter().filter(|state| **state != JobState::Completed) {
        let count = one(connection, sql, params![ws, state.as_str()], |row| row.get::<_, u64>(0))?;
        counts.states.extend(count.filter(|count| *count > 0).map(|count| (*state, count)));
    }
    Ok(counts)
}

/// Write a job's row, or remove it.
pub(crate) fn change(connection: &Connection, ws: i64, row: &RowChange) -> Result<(), StoreError> {
    match row {
        RowChange::Job(job) => {
            let sql = "INSERT INTO job (ws, id, kind, name, state, due_at, doc) VALUES (?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT (ws, id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at,
                       doc = excluded.doc";
            let (id, due, doc) = (job.job_id.to_bytes(), job.due_at().as_millis(), text("job", job)?);
            run(connection, sql, params![ws, id, job.kind, job.name, job.state.as_str(), due, doc])
        }
        RowChange::Unjob(id) => {
            run(connection, "DELETE FROM job WHERE ws = ? AND id = ?", params![ws, id.to_bytes()])
        }
        _ => Ok(()),
    }
}
