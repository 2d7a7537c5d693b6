//! Rows from a write set: one statement per kind of row.

use interlock_core::facts::{Position, RowChange};
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{Answer, Message};
use interlock_core::wake::{Halt, Lease, Supervisor, Wake};
use interlock_ledger::TILE_WIDTH;
use interlock_store::{StoreError, WriteSet};
use rusqlite::{Connection, ToSql, params};

use crate::error::{store, text};
use crate::query::place;
use crate::{job, session, snapshot, webhook};

/// Write everything of a batch.
pub(crate) fn apply(connection: &Connection, ws: i64, set: &WriteSet) -> Result<(), StoreError> {
    for entry in &set.entries {
        let sql = "INSERT INTO ledger_entry (place, leaf, envelope) VALUES (?, ?, ?)";
        run(connection, sql, params![place(ws, entry.index), entry.leaf.as_bytes(), entry.envelope])?;
    }
    // The partial tile of the leaves is read from the entries: writing it anew with every commit would cost more
    // than all rows of a post.
    for tile in set.tiles.iter().filter(|tile| tile.level > 0 || tile.width == TILE_WIDTH) {
        let sql = "INSERT INTO ledger_tile (ws, level, n, width, hashes) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (ws, level, n) DO UPDATE SET width = excluded.width, hashes = excluded.hashes";
        run(connection, sql, params![ws, tile.level, tile.index, tile.width, tile.hashes])?;
    }
    if let Some(last) = set.entries.last() {
        let size = last.index + 1;
        if let Some(note) = &set.checkpoint {
            let sql = "INSERT INTO ledger_checkpoint (ws, size, note) VALUES (?, ?, ?)";
            run(connection, sql, params![ws, size, note])?;
        }
        let sql = "UPDATE workspace SET size = ?, last_leaf = ?, last_at = ?, last_count = ?, batch_id = ?
                   WHERE pk = ?";
        let at = set.last_at;
        let values = params![size, last.leaf.as_bytes(), at.at.as_millis(), at.count, set.batch_id, ws];
        run(connection, sql, values)?;
    }
    set.rows.iter().try_for_each(|row| change(connection, ws, row))
}

/// Run one statement.
pub(crate) fn run(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| store(&e))?;
    statement.execute(values).map(|_| ()).map_err(|e| store(&e))
}

fn change(connection: &Connection, ws: i64, row: &RowChange) -> Result<(), StoreError> {
    match row {
        RowChange::Agent(agent) => {
            let sql = "INSERT INTO agent (ws, name, doc, launch, salt) VALUES (?, ?, ?, ?, ?)
                       ON CONFLICT (ws, name) DO UPDATE SET doc = excluded.doc, launch = excluded.launch,
                       salt = excluded.salt";
            let (doc, launch) = (text("agent", agent)?, text("agent", &agent.launch)?);
            run(connection, sql, params![ws, agent.name.as_str(), doc, launch, agent.launch_salt.0])
        }
        RowChange::Thread(thread) => {
            // Title and salt are written once: they never change.
            let sql = "INSERT INTO thread (ws, id, status, doc, title, salt) VALUES (?, ?, ?, ?, ?, ?)
                       ON CONFLICT (ws, id) DO UPDATE SET status = excluded.status, doc = excluded.doc";
            let doc = text("thread", thread)?;
            let id = thread.thread_id.to_bytes();
            run(
                connection,
                sql,
                params![ws, id, thread.status.as_str(), doc, thread.title, thread.title_salt.0],
            )
        }
        RowChange::Member(agent, thread) => {
            let sql = "INSERT INTO member (ws, agent, thread) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
            run(connection, sql, params![ws, agent.as_str(), thread.to_bytes()])
        }
        RowChange::Unmember(agent, thread) => {
            let sql = "DELETE FROM member WHERE ws = ? AND agent = ? AND thread = ?";
            run(connection, sql, params![ws, agent.as_str(), thread.to_bytes()])
        }
        RowChange::Message(message, position) => append_message(connection, ws, message, position),
        RowChange::Withdrawal(thread, id, withdrawal) => {
            let sql = "UPDATE message SET withdrawn = ?, withdrawn_text = ?, withdrawn_salt = ?
                       WHERE ws = ? AND id = ? AND thread = ?";
            let (doc, salt) = (text("withdrawal", withdrawal)?, withdrawal.text_salt.0);
            run(connection, sql, params![doc, withdrawal.text, salt, ws, id.to_bytes(), thread.to_bytes()])
        }
        RowChange::Answer(thread, to, answer) => put_answer(connection, ws, *thread, *to, answer),
        RowChange::Halt(halt) => put_halt(connection, ws, halt.as_ref()),
        RowChange::Wake(wake) => put_wake(connection, ws, wake),
        RowChange::Finding(finding) => {
            let sql = "INSERT INTO finding (ws, thread, id, reported_seq, doc) VALUES (?, ?, ?, ?, ?)
                       ON CONFLICT (ws, thread, id) DO UPDATE SET doc = excluded.doc";
            let (thread, id) = (finding.thread_id.to_bytes(), finding.finding_id.to_bytes());
            run(connection, sql, params![ws, thread, id, finding.reported_seq, text("finding", finding)?])
        }
        RowChange::Timeline(thread, position, event) => {
            let sql =
                "INSERT INTO timeline (ws, thread, idx, n, at, count, event) VALUES (?, ?, ?, ?, ?, ?, ?)";
            let (at, doc) = (position.at, text("timeline", event)?);
            let (index, n) = (position.index, position.n);
            run(connection, sql, params![ws, thread.to_bytes(), index, n, at.at.as_millis(), at.count, doc])
        }
        RowChange::Idempotency(key, fingerprint, index) => {
            let sql = "INSERT INTO idempotency (ws, key, fingerprint, idx) VALUES (?, ?, ?, ?)";
            run(connection, sql, params![ws, key.as_bytes(), fingerprint.as_bytes(), index])
        }
        RowChange::Lease(lease) => put_lease(connection, ws, lease),
        RowChange::Session(_) | RowChange::Unsession(_) => session::change(connection, ws, row),
        RowChange::Supervisor(name, supervisor) => put_supervisor(connection, ws, name, supervisor.as_ref()),
        RowChange::Job(_) | RowChange::Unjob(_) => job::change(connection, ws, row),
        RowChange::JobTotals(totals) => snapshot::put_totals(connection, ws, totals),
        RowChange::Snapshot(taken) => snapshot::append(connection, ws, taken),
        RowChange::Webhook(_) | RowChange::Unwebhook(_) => webhook::change(connection, ws, row),
        RowChange::Unlease(wake) => {
            run(connection, "DELETE FROM lease WHERE ws = ? AND wake = ?", params![ws, wake.to_bytes()])
        }
    }
}

fn put_lease(connection: &Connection, ws: i64, lease: &Lease) -> Result<(), StoreError> {
    let sql = "INSERT INTO lease (ws, wake, doc) VALUES (?, ?, ?)
               ON CONFLICT (ws, wake) DO UPDATE SET doc = excluded.doc";
    run(connection, sql, params![ws, lease.wake_id.to_bytes(), text("lease", lease)?])
}

fn put_supervisor(
    connection: &Connection,
    ws: i64,
    name: &str,
    supervisor: Option<&Supervisor>,
) -> Result<(), StoreError> {
    let Some(supervisor) = supervisor else {
        return run(connection, "DELETE FROM supervisor WHERE ws = ? AND name = ?", params![ws, name]);
    };
    let sql = "INSERT INTO supervisor (ws, name, doc) VALUES (?, ?, ?)
               ON CONFLICT (ws, name) DO UPDATE SET doc = excluded.doc";
    run(connection, sql, params![ws, name, text("supervisor", supervisor)?])
}

fn append_message(
    connection: &Connection,
    ws: i64,
    message: &Message,
    position: &Position,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO message (ws, thread, seq, id, idx, n, head, body, data, salt, extra)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (head, words) = (&message.head, &message.text);
    let doc = text("message", head)?;
    let (thread, id) = (message.thread_id.to_bytes(), head.message_id.to_bytes());
    let (index, n) = (position.index, position.n);
    run(
        connection,
        sql,
        params![ws, thread, head.seq, id, index, n, doc, words.body, words.data, words.salt.0, words.extra],
    )
}

/// Of one agent's answers the first stays.
fn put_answer(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    to: MessageId,
    answer: &Answer,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO answer (ws, thread, target, agent, doc) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let (agent, doc) = (answer.agent.as_str(), text("answer", answer)?);
    run(connection, sql, params![ws, thread.to_bytes(), to.to_bytes(), agent, doc])
}

fn put_halt(connection: &Connection, ws: i64, halt: Option<&Halt>) -> Result<(), StoreError> {
    let Some(halt) = halt else { return run(connection, "DELETE FROM halt WHERE ws = ?", params![ws]) };
    let sql = "INSERT INTO halt (ws, doc) VALUES (?, ?) ON CONFLICT (ws) DO UPDATE SET doc = excluded.doc";
    run(connection, sql, params![ws, text("halt", halt)?])
}

fn put_wake(connection: &Connection, ws: i64, wake: &Wake) -> Result<(), StoreError> {
    let sql = "INSERT INTO wake (ws, id, thread, agent, state, result, due_at, held, urgent, doc)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ws, id) DO UPDATE SET
               state = excluded.state, result = excluded.result, due_at = excluded.due_at,
               held = excluded.held, urgent = excluded.urgent, doc = excluded.doc";
    let (id, thread, doc) = (wake.wake_id.to_bytes(), wake.thread_id.to_bytes(), text("wake", wake)?);
    let (state, result) = (wake.state.as_str(), wake.result.map(interlock_core::wake::WakeResult::as_str));
    let (agent, due) = (wake.agent.as_str(), wake.due_at.as_millis());
    run(connection, sql, params![ws, id, thread, agent, state, result, due, wake.held, wake.is_urgent, doc])
}
