//! Denials: what callers were not allowed.

use interlock_core::actor::AgentName;
use interlock_core::denial::Denial;
use interlock_core::id::DenialId;
use interlock_store::{DenialFilter, Page, StoreError};
use rusqlite::{Connection, params};

use crate::apply::run;
use crate::error::{document, text};
use crate::load::all;

/// In a transaction of the caller's.
pub(crate) fn add(connection: &Connection, ws: i64, denials: &[Denial], kept: u32) -> Result<(), StoreError> {
    let sql = "INSERT INTO denial (ws, id, request, actor, operation, doc) VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (ws, id) DO NOTHING";
    for denial in denials {
        let (id, doc) = (denial.denial_id.to_bytes(), text("denial", denial)?);
        let values = params![ws, id, denial.request_id, denial.actor.as_str(), denial.operation, doc];
        run(connection, sql, values)?;
    }
    let sql = "DELETE FROM denial WHERE ws = ?1
               AND id <= (SELECT id FROM denial WHERE ws = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    run(connection, sql, params![ws, kept])
}

pub(crate) fn denials(
    connection: &Connection,
    ws: i64,
    filter: &DenialFilter,
    page: &Page<DenialId>,
) -> Result<Vec<Denial>, StoreError> {
    // Of a request there are few: they have an index of their own.
    let sql = if filter.request_id.is_some() {
        "SELECT doc FROM denial WHERE ws = ?1 AND id < ?2 AND id >= ?3 AND request = ?4
         AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR operation = ?6) ORDER BY id DESC LIMIT ?7"
    } else {
        "SELECT doc FROM denial WHERE ws = ?1 AND id < ?2 AND id >= ?3 AND ?4 IS NULL
         AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR operation = ?6) ORDER BY id DESC LIMIT ?7"
    };
    let before = page.after.map_or([0xFF; 16], DenialId::to_bytes);
    let since = filter.since.map_or([0; 16], |since| DenialId::first_at(since).to_bytes());
    let actor = filter.actor.as_ref().map(AgentName::as_str);
    let values = params![ws, before, since, filter.request_id, actor, filter.operation, page.limit];
    let docs = all(connection, sql, values, |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("denial", doc)).collect()
}
