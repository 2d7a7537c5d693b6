//! Sessions: what was last heard of them.

use interlock_core::RowChange;
use interlock_core::actor::AgentName;
use interlock_core::limits::{SESSIONS_FORGOTTEN_MAX, SESSIONS_MAX};
use interlock_core::session::{Session, SessionKey};
use interlock_store::StoreError;
use rusqlite::{Connection, ToSql, params};

use crate::apply::run;
use crate::error::{document, text};
use crate::load::all;

fn found(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<Session>, StoreError> {
    let docs = all(connection, sql, values, |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("session", doc)).collect()
}

/// The sessions of an agent.
pub(crate) fn of(connection: &Connection, ws: i64, agent: &AgentName) -> Result<Vec<Session>, StoreError> {
    let sql = "SELECT doc FROM session WHERE ws = ? AND agent = ? ORDER BY session";
    found(connection, sql, params![ws, agent.as_str()])
}

/// The sessions of these agents.
pub(crate) fn of_all(
    connection: &Connection,
    ws: i64,
    agents: &[AgentName],
) -> Result<Vec<Session>, StoreError> {
    let mut sessions = Vec::new();
    for agent in agents {
        sessions.extend(of(connection, ws, agent)?);
    }
    Ok(sessions)
}

/// Those that a person has open.
pub(crate) fn terminals(connection: &Connection, ws: i64) -> Result<Vec<Session>, StoreError> {
    let sql = "SELECT doc FROM session WHERE ws = ? AND terminal = 1 ORDER BY agent, session";
    found(connection, sql, params![ws])
}

/// Those beyond the number that leaves room for one more, a few.
pub(crate) fn oldest(connection: &Connection, ws: i64) -> Result<Vec<Session>, StoreError> {
    let sql = "SELECT doc FROM session WHERE ws = ? ORDER BY seen_at DESC, agent DESC, session DESC LIMIT ? OFFSET ?";
    found(connection, sql, params![ws, SESSIONS_FORGOTTEN_MAX, SESSIONS_MAX - 1])
}

/// Write a session's row, or remove it.
pub(crate) fn change(connection: &Connection, ws: i64, row: &RowChange) -> Result<(), StoreError> {
    match row {
        RowChange::Session(session) => {
            let sql =
                "INSERT INTO session (ws, agent, session, terminal, seen_at, doc) VALUES (?, ?, ?, ?, ?, ?)
                       ON CONFLICT (ws, agent, session) DO UPDATE SET terminal = excluded.terminal,
                       seen_at = excluded.seen_at, doc = excluded.doc";
            let (agent, id) = columns(&session.key());
            let (is_terminal, seen, doc) =
                (session.is_terminal(), session.seen_at.as_millis(), text("session", session)?);
            run(connection, sql, params![ws, agent, id, is_terminal, seen, doc])
        }
        RowChange::Unsession(key) => {
            let (agent, id) = columns(key);
            let sql = "DELETE FROM session WHERE ws = ? AND agent = ? AND session = ?";
            run(connection, sql, params![ws, agent, id])
        }
        _ => Ok(()),
    }
}

fn columns((agent, id): &SessionKey) -> (String, Vec<u8>) {
    (agent.to_string(), id.map(|id| id.to_bytes().to_vec()).unwrap_or_default())
}
