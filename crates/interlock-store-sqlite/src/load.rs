//! Facts from rows: one arm per key.

use interlock_core::agent::{Agent, Launch};
use interlock_core::facts::{Facts, Key, Keys, Known, Used};
use interlock_core::id::{MessageId, ThreadId, WakeId};
use interlock_core::text::{Digest, Salt};
use interlock_core::thread::{Finding, Thread};
use interlock_core::wake::{Ask, Asks, AsksKey, Lease, Supervisor, Wake};
use interlock_core::{Event, Timestamp, limits};
use interlock_store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use crate::error::{corrupt, document, store};
use crate::query::{self, place};
use crate::{job, session, snapshot, webhook};

/// Load what the keys name.
pub(crate) fn load(
    connection: &Connection,
    ws: i64,
    keys: &Keys,
    now: Timestamp,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    for key in keys {
        match key {
            Key::Idempotency(digest) => facts.put_used(*digest, used(connection, ws, digest)?),
            Key::Agent(name) => facts.put_agent(name.clone(), agent(connection, ws, name.as_str())?),
            Key::Thread(id) => facts.put_thread(*id, thread(connection, ws, *id)?),
            Key::ThreadWakes(id) => facts.put_thread_wakes(*id, thread_wakes(connection, ws, *id)?),
            Key::Findings(id) => facts.put_findings(*id, findings(connection, ws, *id)?),
            Key::Message(thread, id) => {
                facts.put_message(*thread, *id, message(connection, ws, *thread, *id)?);
            }
            Key::Wake(id) => facts.put_wake(*id, wake(connection, ws, *id)?, lease(connection, ws, *id)?),
            Key::Asks(key) => facts.put_asks(key.clone(), asks(connection, ws, key)?),
            Key::Halt => facts.put_halt(query::halt(connection, ws)?),
            Key::LiveWakes => facts.put_live_wakes(live_wakes(connection, ws, now)?),
            Key::Sessions(name) => facts.put_sessions(name.clone(), session::of(connection, ws, name)?),
            Key::Terminals => facts.put_terminals(session::terminals(connection, ws)?),
            Key::OldestSessions => facts.put_oldest_sessions(session::oldest(connection, ws)?),
            Key::Supervisors => facts.put_supervisors(supervisors(connection, ws)?),
            Key::Job(id) => facts.put_job(*id, job::job(connection, ws, *id)?),
            Key::JobNamed(kind, name) => {
                let found = job::named(connection, ws, kind, name)?;
                facts.put_job_named(kind.clone(), name.clone(), found);
            }
            Key::DueJobs => facts.put_due_jobs(job::due(connection, ws, now)?),
            Key::JobTotals => facts.put_job_totals(snapshot::totals(connection, ws)?),
            Key::Census => facts.put_census(snapshot::census(connection, ws)?),
            Key::Webhooks => facts.put_webhooks(webhook::webhooks(connection, ws)?),
        }
    }
    Ok(())
}

/// One row, or none.
pub(crate) fn one<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    statement.query_row(values, read).optional().map_err(|e| store(&e))
}

/// All rows.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    let rows = statement.query_map(values, read).map_err(|e| store(&e))?;
    rows.collect::<rusqlite::Result<Vec<T>>>().map_err(|e| store(&e))
}

/// What was heard of supervisors, by name.
pub(crate) fn supervisors(connection: &Connection, ws: i64) -> Result<Vec<Supervisor>, StoreError> {
    let sql = "SELECT doc FROM supervisor WHERE ws = ? ORDER BY name";
    let docs = all(connection, sql, params![ws], |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("supervisor", doc)).collect()
}

/// What is needed of an entry to rebuild an answer.
#[derive(serde::Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

fn used(connection: &Connection, ws: i64, digest: &Digest) -> Result<Option<Used>, StoreError> {
    let sql = "SELECT fingerprint, idx FROM idempotency WHERE ws = ? AND key = ?";
    let row = one(connection, sql, params![ws, digest.as_bytes()], |row| {
        Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, u64>(1)?))
    })?;
    let Some((fingerprint, index)) = row else { return Ok(None) };
    // Apart from the row above: nearly every key is a new one, and has no entry.
    let sql = "SELECT envelope FROM ledger_entry WHERE place = ?";
    let envelope = one(connection, sql, params![place(ws, index)], |row| row.get::<_, Vec<u8>>(0))?
        .ok_or_else(|| corrupt("idempotency", format!("entry {index} is missing")))?;
    let envelope: Envelope = serde_json::from_slice(&envelope).map_err(|e| corrupt("ledger_entry", e))?;
    Ok(Some(Used { fingerprint: Digest::from_bytes(fingerprint), index, events: envelope.events }))
}

/// Reads the columns `doc, launch, salt`.
pub(crate) fn agent_row(row: &Row<'_>) -> rusqlite::Result<(String, String, [u8; 16])> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// An agent from its columns.
pub(crate) fn to_agent((doc, launch, salt): (String, String, [u8; 16])) -> Result<Agent, StoreError> {
    let mut agent: Agent = document("agent", &doc)?;
    agent.launch = document::<Launch>("agent", &launch)?;
    agent.launch_salt = Salt(salt);
    Ok(agent)
}

/// An agent by name.
pub(crate) fn agent(connection: &Connection, ws: i64, name: &str) -> Result<Option<Agent>, StoreError> {
    let sql = "SELECT doc, launch, salt FROM agent WHERE ws = ? AND name = ?";
    one(connection, sql, params![ws, name], agent_row)?.map(to_agent).transpose()
}

/// Reads the columns `doc, title, salt`.
pub(crate) fn thread_row(row: &Row<'_>) -> rusqlite::Result<(String, String, [u8; 16])> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// A thread from its columns.
pub(crate) fn to_thread((doc, title, salt): (String, String, [u8; 16])) -> Result<Thread, StoreError> {
    let mut thread: Thread = document("thread", &doc)?;
    thread.title = title;
    thread.title_salt = Salt(salt);
    Ok(thread)
}

/// A thread by id.
pub(crate) fn thread(connection: &Connection, ws: i64, id: ThreadId) -> Result<Option<Thread>, StoreError> {
    let sql = "SELECT doc, title, salt FROM thread WHERE ws = ? AND id = ?";
    one(connection, sql, params![ws, id.to_bytes()], thread_row)?.map(to_thread).transpose()
}

fn message(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    id: MessageId,
) -> Result<Option<Known>, StoreError> {
    let sql = "SELECT head, withdrawn IS NOT NULL FROM message WHERE ws = ? AND id = ? AND thread = ?";
    let values = params![ws, id.to_bytes(), thread.to_bytes()];
    let row = one(connection, sql, values, |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?;
    row.map(|(head, is_withdrawn)| Ok(Known { head: document("message", &head)?, is_withdrawn })).transpose()
}

/// Row by row: however long the stretch is, little of it is kept.
fn asks(connection: &Connection, ws: i64, key: &AsksKey) -> Result<Vec<Ask>, StoreError> {
    let sql =
        "SELECT head, withdrawn IS NOT NULL FROM message WHERE ws = ? AND thread = ? AND seq BETWEEN ? AND ?";
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    let values = params![ws, key.thread_id.to_bytes(), key.from_seq, key.to_seq];
    let mut rows = statement.query(values).map_err(|e| store(&e))?;
    let mut asks = Asks::default();
    while let Some(row) = rows.next().map_err(|e| store(&e))? {
        let head: String = row.get(0).map_err(|e| store(&e))?;
        asks.note(key, &document("message", &head)?, row.get(1).map_err(|e| store(&e))?);
    }
    Ok(asks.into_vec())
}

fn thread_wakes(connection: &Connection, ws: i64, id: ThreadId) -> Result<Vec<Wake>, StoreError> {
    let sql = "SELECT doc FROM wake WHERE ws = ? AND thread = ? AND state <> 'finished' ORDER BY id";
    let docs = all(connection, sql, params![ws, id.to_bytes()], |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("wake", doc)).collect()
}

/// A thread's findings in the order of their reports.
pub(crate) fn findings(connection: &Connection, ws: i64, id: ThreadId) -> Result<Vec<Finding>, StoreError> {
    let sql = "SELECT doc FROM finding WHERE ws = ? AND thread = ? ORDER BY reported_seq, id";
    let docs = all(connection, sql, params![ws, id.to_bytes()], |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("finding", doc)).collect()
}

/// A wake by id.
pub(crate) fn wake(connection: &Connection, ws: i64, id: WakeId) -> Result<Option<Wake>, StoreError> {
    let sql = "SELECT doc FROM wake WHERE ws = ? AND id = ?";
    let doc = one(connection, sql, params![ws, id.to_bytes()], |row| row.get::<_, String>(0))?;
    doc.map(|doc| document("wake", &doc)).transpose()
}

fn lease(connection: &Connection, ws: i64, id: WakeId) -> Result<Option<Lease>, StoreError> {
    let sql = "SELECT doc FROM lease WHERE ws = ? AND wake = ?";
    let doc = one(connection, sql, params![ws, id.to_bytes()], |row| row.get::<_, String>(0))?;
    doc.map(|doc| document("lease", &doc)).transpose()
}

fn live_wakes(
    connection: &Connection,
    ws: i64,
    now: Timestamp,
) -> Result<Vec<(Wake, Option<Lease>)>, StoreError> {
    // Running ones first and all of them: the rule that no agent runs twice needs every one.
    let running = "SELECT w.doc, l.doc FROM wake w LEFT JOIN lease l ON l.ws = w.ws AND l.wake = w.id
                   WHERE w.ws = ? AND w.state = 'running' ORDER BY w.id";
    // Each agent's first before anybody's second: however many wakes of one are due, others' are looked at. Of who runs,
    // or is about to, what runs is the first.
    let due = "WITH busy AS (SELECT agent FROM wake WHERE ws = ?1 AND state = 'running'
                   UNION SELECT w.agent FROM lease l JOIN wake w ON w.ws = l.ws AND w.id = l.wake
                   WHERE l.ws = ?1 AND w.state = 'pending' AND w.held = 0 AND w.due_at <= ?3),
               due AS (SELECT w.id, w.due_at, row_number() OVER (PARTITION BY w.agent ORDER BY w.due_at, w.id)
                   + (w.agent IN (SELECT agent FROM busy)) AS turn
                   FROM wake w LEFT JOIN lease l ON l.ws = w.ws AND l.wake = w.id
                   WHERE w.ws = ?1 AND w.state = 'pending' AND w.held = 0 AND w.urgent = ?2 AND w.due_at <= ?3
                   AND l.wake IS NULL ORDER BY turn, w.due_at, w.id LIMIT ?4)
               SELECT w.doc, NULL FROM due d JOIN wake w ON w.ws = ?1 AND w.id = d.id
               ORDER BY d.turn, d.due_at, d.id";
    // Claimed and not started: they count although they may be held back by now, or not among the first.
    let leased = "SELECT w.doc, l.doc FROM lease l JOIN wake w ON w.ws = l.ws AND w.id = l.wake
                  WHERE l.ws = ? AND w.state = 'pending' ORDER BY w.id";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    let mut rows = all(connection, running, params![ws], read)?;
    rows.extend(all(connection, leased, params![ws], read)?);
    // The urgent in a lane of their own: however many others are due, these are looked at.
    for is_urgent in [true, false] {
        let values = params![ws, is_urgent, now.as_millis(), limits::LIVE_WAKES_MAX];
        rows.extend(all(connection, due, values, read)?);
    }
    rows.iter()
        .map(|(wake, lease)| {
            let lease = lease.as_deref().map(|doc| document("lease", doc)).transpose()?;
            Ok((document("wake", wake)?, lease))
        })
        .collect()
}
