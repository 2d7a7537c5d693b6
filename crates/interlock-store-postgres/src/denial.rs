//! Denials: what callers were not allowed.

use interlock_core::actor::AgentName;
use interlock_core::denial::Denial;
use interlock_core::id::DenialId;
use interlock_store::{DenialFilter, Page, StoreError};

use crate::error::text;
use crate::pool::Line;
use crate::row::documents;

const ADD: &str = "INSERT INTO denial (ws, id, request, actor, operation, doc)
    SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[])
    ON CONFLICT (ws, id) DO NOTHING";
// Several servers may forget at once: what another one is at is left to it.
const FORGET: &str = "DELETE FROM denial WHERE ws = $1 AND id IN (SELECT id FROM denial WHERE ws = $1
    AND id <= (SELECT id FROM denial WHERE ws = $1 ORDER BY id DESC LIMIT 1 OFFSET $2) FOR UPDATE SKIP LOCKED)";

pub(crate) async fn add(line: &Line, ws: i64, denials: &[Denial], kept: u32) -> Result<(), StoreError> {
    let (mut ids, mut requests, mut actors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut operations, mut docs) = (Vec::new(), Vec::new());
    for denial in denials {
        ids.push(denial.denial_id.to_bytes().to_vec());
        requests.push(denial.request_id.as_str());
        actors.push(denial.actor.as_str());
        operations.push(denial.operation.as_str());
        docs.push(text("denial", denial)?);
    }
    line.plain("BEGIN").await?;
    line.all(ADD, &[&ws, &ids, &requests, &actors, &operations, &docs]).await?;
    line.all(FORGET, &[&ws, &i64::from(kept)]).await?;
    line.plain("COMMIT").await
}

pub(crate) async fn denials(
    line: &Line,
    ws: i64,
    filter: &DenialFilter,
    page: &Page<DenialId>,
) -> Result<Vec<Denial>, StoreError> {
    // Of a request there are few: they have an index of their own.
    let sql = if filter.request_id.is_some() {
        "SELECT doc FROM denial WHERE ws = $1 AND id < $2 AND id >= $3 AND request = $4
         AND ($5::text IS NULL OR actor = $5) AND ($6::text IS NULL OR operation = $6) ORDER BY id DESC LIMIT $7"
    } else {
        "SELECT doc FROM denial WHERE ws = $1 AND id < $2 AND id >= $3 AND $4::text IS NULL
         AND ($5::text IS NULL OR actor = $5) AND ($6::text IS NULL OR operation = $6) ORDER BY id DESC LIMIT $7"
    };
    let before = page.after.map_or([0xFF; 16], DenialId::to_bytes);
    let since = filter.since.map_or([0; 16], |since| DenialId::first_at(since).to_bytes());
    let actor = filter.actor.as_ref().map(AgentName::as_str);
    let values: [crate::pool::Value<'_>; 7] = [
        &ws,
        &before.as_slice(),
        &since.as_slice(),
        &filter.request_id,
        &actor,
        &filter.operation,
        &i64::from(page.limit),
    ];
    documents("denial", &line.all(sql, &values).await?)
}
