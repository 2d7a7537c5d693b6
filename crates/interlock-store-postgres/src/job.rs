//! Jobs: the server's own work.

use std::collections::BTreeMap;

use interlock_core::Timestamp;
use interlock_core::id::JobId;
use interlock_core::job::{Job, JobState};
use interlock_store::{JobCounts, JobFilter, Page, StoreError};

use crate::apply::{Values, boxed, some};
use crate::error::{corrupt, text};
use crate::pool::Line;
use crate::row::{documents, get, number};

/// What is written of a job besides its id.
pub(crate) struct Columns(String, Option<String>, String, i64, String);

impl Columns {
    pub(crate) fn of(job: &Job) -> Result<Self, StoreError> {
        let (state, due) = (job.state.as_str().to_owned(), job.due_at().as_millis());
        Ok(Self(job.kind.clone(), job.name.clone(), state, due, text("job", job)?))
    }
}

/// Jobs as columns, and the ids of those to remove. What is over goes first: another job of its name may follow in the
/// same batch.
pub(crate) fn columns(
    rows: BTreeMap<Vec<u8>, Option<Columns>>,
) -> (Option<Values>, Option<Values>, Option<Values>) {
    let (gone, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, columns)| columns.is_none());
    let gone: Vec<Vec<u8>> = gone.into_iter().map(|(id, _)| id).collect();
    let rows = rows.into_iter().filter_map(|(id, columns)| Some((id, columns?)));
    let (over, open): (Vec<_>, Vec<_>) =
        rows.partition(|(_, columns)| JobState::parse(&columns.2).is_some_and(JobState::is_terminal));
    (some(gone.is_empty(), || vec![boxed(gone)]), written(over), written(open))
}

fn written(rows: Vec<(Vec<u8>, Columns)>) -> Option<Values> {
    let (mut ids, mut kinds, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut states, mut dues, mut docs) = (Vec::new(), Vec::new(), Vec::new());
    for (id, Columns(kind, name, state, due, doc)) in rows {
        ids.push(id);
        kinds.push(kind);
        names.push(name);
        states.push(state);
        dues.push(due);
        docs.push(doc);
    }
    some(ids.is_empty(), || {
        vec![boxed(ids), boxed(kinds), boxed(names), boxed(states), boxed(dues), boxed(docs)]
    })
}

pub(crate) async fn job(line: &Line, ws: i64, id: JobId) -> Result<Option<Job>, StoreError> {
    let sql = "SELECT doc FROM job WHERE ws = $1 AND id = $2";
    let rows = line.all(sql, &[&ws, &id.to_bytes().as_slice()]).await?;
    Ok(documents("job", &rows)?.into_iter().next())
}

pub(crate) async fn jobs(
    line: &Line,
    ws: i64,
    filter: &JobFilter,
    page: &Page<JobId>,
) -> Result<Vec<Job>, StoreError> {
    let sql = "SELECT doc FROM job WHERE ws = $1 AND id < $2 AND ($3::text IS NULL OR state = $3)
               AND ($4::text IS NULL OR kind = $4) ORDER BY id DESC LIMIT $5";
    let after = page.after.map_or([0xFF; 16], JobId::to_bytes);
    let state = filter.state.map(JobState::as_str);
    let limit = i64::from(page.limit);
    documents("job", &line.all(sql, &[&ws, &after.as_slice(), &state, &filter.kind, &limit]).await?)
}

pub(crate) async fn next(line: &Line, ws: i64) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(due_at) FROM job WHERE ws = $1 AND state IN ('queued', 'running')";
    let found = line.one(sql, &[&ws]).await?;
    let due = found.map(|found| get::<Option<i64>>(&found, 0)).transpose()?.flatten();
    Ok(due.map(Timestamp::from_millis))
}

pub(crate) async fn counts(line: &Line, ws: i64) -> Result<JobCounts, StoreError> {
    let sql = "SELECT state, count(*), min(due_at) FROM job WHERE ws = $1 AND state IN ('queued', 'running', 'dead')
               GROUP BY state";
    let mut counts = JobCounts::default();
    for found in line.all(sql, &[&ws]).await? {
        let state = get::<String>(&found, 0)?;
        let state = JobState::parse(&state).ok_or_else(|| corrupt("job", "a state that is none"))?;
        counts.states.insert(state, number(&found, 1)?);
        if state == JobState::Queued {
            counts.first_due_at = get::<Option<i64>>(&found, 2)?.map(Timestamp::from_millis);
        }
    }
    Ok(counts)
}
