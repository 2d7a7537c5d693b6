//! Plain reads.

use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::id::{MessageId, ThreadId, WakeId, WorkspaceId};
use interlock_core::text::Salt;
use interlock_core::thread::{Answer, Message, MessageText, Thread, Withdrawal};
use interlock_core::wake::{Halt, Wake};
use interlock_ledger::{TILE_WIDTH, TileAt};
use interlock_store::{
    AgentWakes, Counts, EntryRow, InboxRow, LedgerHead, Page, StoreError, StoredMessage, ThreadFilter,
    WakeFilter, Workspace,
};
use rusqlite::{Connection, Row, params};

use crate::error::document;
use crate::load::{agent_row, all, one, thread_row, to_agent, to_thread};

/// Threads looked through for an inbox.
const INBOX_ROWS_MAX: u32 = 200;

/// Entries of one workspace; the table's key has so many places for each.
const ENTRIES_MAX: u64 = 1 << 40;

/// Where an entry of a workspace stands in the table of all. An index beyond the last place is put behind it.
pub(crate) fn place(ws: i64, index: u64) -> i64 {
    let index = i64::try_from(index.min(ENTRIES_MAX - 1)).unwrap_or_default();
    ws.saturating_mul(1 << 40).saturating_add(index)
}

/// A workspace's internal number and description.
pub(crate) fn workspace(
    connection: &Connection,
    id: WorkspaceId,
) -> Result<Option<(i64, Workspace)>, StoreError> {
    let sql = "SELECT pk, origin FROM workspace WHERE id = ?";
    one(connection, sql, params![id.to_bytes()], |row| {
        Ok((row.get(0)?, Workspace { workspace_id: id, origin: row.get(1)? }))
    })
}

/// A workspace's internal number.
pub(crate) fn pk(connection: &Connection, id: WorkspaceId) -> Result<i64, StoreError> {
    workspace(connection, id)?.map(|(pk, _)| pk).ok_or(StoreError::NoWorkspace)
}

pub(crate) fn threads(
    connection: &Connection,
    ws: i64,
    filter: &ThreadFilter,
    page: &Page<ThreadId>,
) -> Result<Vec<Thread>, StoreError> {
    let status = filter.status.map(interlock_core::thread::Status::as_str);
    let after = page.after.map_or([0xFF; 16], ThreadId::to_bytes);
    let rows = match &filter.member {
        None => {
            let sql = "SELECT doc, title, salt FROM thread WHERE ws = ?1 AND id < ?2
                       AND (?3 IS NULL OR status = ?3) ORDER BY id DESC LIMIT ?4";
            all(connection, sql, params![ws, after, status, page.limit], thread_row)?
        }
        Some(name) => {
            let sql =
                "SELECT t.doc, t.title, t.salt FROM member m JOIN thread t ON t.ws = m.ws AND t.id = m.thread
                       WHERE m.ws = ?1 AND m.agent = ?5 AND m.thread < ?2 AND (?3 IS NULL OR t.status = ?3)
                       ORDER BY m.thread DESC LIMIT ?4";
            all(connection, sql, params![ws, after, status, page.limit, name.as_str()], thread_row)?
        }
    };
    rows.into_iter().map(to_thread).collect()
}

type MessageRow = (String, String, String, [u8; 16], u64, u32, Option<String>, String, Vec<u8>, String);

/// Reads the columns `head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra`.
pub(crate) fn message_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let (text, salt) = (row.get(7)?, row.get(8)?);
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        text,
        salt,
        row.get(9)?,
    ))
}

/// A message from its columns.
pub(crate) fn to_message(thread_id: ThreadId, row: MessageRow) -> Result<StoredMessage, StoreError> {
    let (head, body, data, salt, index, n, withdrawn, why, why_salt, extra) = row;
    let text = MessageText { body, data, extra, salt: Salt(salt) };
    let mut withdrawal: Option<Withdrawal> = withdrawn.map(|doc| document("withdrawal", &doc)).transpose()?;
    if let Some(withdrawal) = &mut withdrawal {
        // Those from before there were reasons have no salt.
        (withdrawal.text, withdrawal.text_salt) = (why, Salt(why_salt.try_into().unwrap_or_default()));
    }
    let message = Message { thread_id, head: document("message", &head)?, text, withdrawal };
    Ok(StoredMessage { message, index, n })
}

pub(crate) fn messages(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    after_seq: u64,
    limit: u32,
) -> Result<Vec<StoredMessage>, StoreError> {
    let sql = "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message WHERE ws = ? AND thread = ? AND seq > ?
               ORDER BY seq LIMIT ?";
    // SQLite's integers are signed; nothing lies beyond their largest.
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    let rows = all(connection, sql, params![ws, thread.to_bytes(), after, limit], message_row)?;
    rows.into_iter().map(|row| to_message(thread, row)).collect()
}

/// One message by its id.
pub(crate) fn message(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    id: MessageId,
) -> Result<Option<StoredMessage>, StoreError> {
    let sql =
        "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message
               WHERE ws = ? AND id = ? AND thread = ?";
    let row = one(connection, sql, params![ws, id.to_bytes(), thread.to_bytes()], message_row)?;
    row.map(|row| to_message(thread, row)).transpose()
}

/// What these agents answered first.
pub(crate) fn answers(
    connection: &Connection,
    ws: i64,
    thread: ThreadId,
    to: MessageId,
    by: &[AgentName],
) -> Result<Vec<Answer>, StoreError> {
    let sql = "SELECT doc FROM answer WHERE ws = ? AND thread = ? AND target = ? AND agent = ?";
    let mut found = Vec::new();
    for agent in by {
        let values = params![ws, thread.to_bytes(), to.to_bytes(), agent.as_str()];
        let doc = one(connection, sql, values, |row| row.get::<_, String>(0))?;
        found.extend(doc.map(|doc| document("answer", &doc)).transpose()?);
    }
    found.sort_by(|one: &Answer, other| one.agent.cmp(&other.agent));
    Ok(found)
}

/// Who stopped all agents.
pub(crate) fn halt(connection: &Connection, ws: i64) -> Result<Option<Halt>, StoreError> {
    let doc =
        one(connection, "SELECT doc FROM halt WHERE ws = ?", params![ws], |row| row.get::<_, String>(0))?;
    doc.map(|doc| document("halt", &doc)).transpose()
}

pub(crate) fn inbox(
    connection: &Connection,
    ws: i64,
    agent: &AgentName,
) -> Result<Vec<InboxRow>, StoreError> {
    let filter = ThreadFilter { status: None, member: Some(agent.clone()) };
    let mut found = Vec::new();
    let mut page = Page { after: None, limit: INBOX_ROWS_MAX };
    loop {
        let threads = threads(connection, ws, &filter, &page)?;
        let Some(last) = threads.last().map(|thread| thread.thread_id) else { return Ok(found) };
        for thread in threads {
            let cursor = thread.members.get(agent).map_or(thread.seq, |member| member.cursor);
            if cursor < thread.seq {
                found.push(InboxRow { thread, cursor });
            }
        }
        let rows_max = usize::try_from(INBOX_ROWS_MAX).unwrap_or(usize::MAX);
        if found.len() >= rows_max {
            found.truncate(rows_max);
            return Ok(found);
        }
        page.after = Some(last);
    }
}

pub(crate) fn agents(
    connection: &Connection,
    ws: i64,
    page: &Page<AgentName>,
) -> Result<Vec<Agent>, StoreError> {
    let sql = "SELECT doc, launch, salt FROM agent WHERE ws = ? AND name > ? ORDER BY name LIMIT ?";
    let after = page.after.as_ref().map_or("", AgentName::as_str);
    all(connection, sql, params![ws, after, page.limit], agent_row)?.into_iter().map(to_agent).collect()
}

pub(crate) fn wakes(
    connection: &Connection,
    ws: i64,
    filter: &WakeFilter,
    page: &Page<WakeId>,
) -> Result<Vec<Wake>, StoreError> {
    // `+` keeps the planner from an index on a column that is only compared when a filter is given.
    let sql = "SELECT doc FROM wake WHERE ws = ?1 AND id < ?2 AND (?3 IS NULL OR thread = ?3)
               AND (?4 IS NULL OR agent = ?4) AND (?5 IS NULL OR +state = ?5) AND (?6 = 0 OR +state <> 'finished')
               AND (?7 IS NULL OR result = ?7) AND (?8 IS NULL OR (+state = 'pending' AND held = 0 AND due_at <= ?8))
               ORDER BY id DESC LIMIT ?9";
    let after = page.after.map_or([0xFF; 16], WakeId::to_bytes);
    let thread = filter.thread.map(ThreadId::to_bytes);
    let agent = filter.agent.as_ref().map(AgentName::as_str);
    let state = filter.state.map(interlock_core::wake::WakeState::as_str);
    let result = filter.result.map(interlock_core::wake::WakeResult::as_str);
    let due_by = filter.due_by.map(Timestamp::as_millis);
    let values = params![ws, after, thread, agent, state, filter.is_live, result, due_by, page.limit];
    let docs = all(connection, sql, values, |row| row.get::<_, String>(0))?;
    docs.iter().map(|doc| document("wake", doc)).collect()
}

pub(crate) fn agent_wakes(
    connection: &Connection,
    ws: i64,
    agents: &[AgentName],
) -> Result<Vec<AgentWakes>, StoreError> {
    let live = "SELECT doc FROM wake WHERE ws = ? AND agent = ? AND state <> 'finished'
                ORDER BY state = 'running' DESC, held, due_at, id LIMIT 1";
    let last =
        "SELECT doc FROM wake WHERE ws = ? AND agent = ? AND state = 'finished' ORDER BY id DESC LIMIT 1";
    let first = |sql: &str, agent: &AgentName| {
        let doc = one(connection, sql, params![ws, agent.as_str()], |row| row.get::<_, String>(0))?;
        doc.map(|doc| document("wake", &doc)).transpose()
    };
    let of = |agent: &AgentName| {
        Ok(AgentWakes { agent: agent.clone(), live: first(live, agent)?, last: first(last, agent)? })
    };
    agents.iter().map(of).collect()
}

pub(crate) fn next_due(
    connection: &Connection,
    ws: i64,
    after: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(due_at) FROM wake WHERE ws = ? AND state = 'pending' AND held = 0 AND due_at > ?";
    let due = one(connection, sql, params![ws, after.as_millis()], |row| row.get::<_, Option<i64>>(0))?;
    Ok(due.flatten().map(Timestamp::from_millis))
}

pub(crate) fn counts(connection: &Connection, ws: i64) -> Result<Counts, StoreError> {
    let pair = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?));
    let threads = "SELECT status, count(*) FROM thread WHERE ws = ? GROUP BY status";
    let wakes = "SELECT coalesce(result, state), count(*) FROM wake WHERE ws = ? GROUP BY 1";
    Ok(Counts {
        threads: all(connection, threads, params![ws], pair)?.into_iter().collect(),
        wakes: all(connection, wakes, params![ws], pair)?.into_iter().collect(),
    })
}

pub(crate) fn ledger_head(connection: &Connection, ws: i64) -> Result<LedgerHead, StoreError> {
    let sql = "SELECT w.size, w.last_at, c.note FROM workspace w
               LEFT JOIN ledger_checkpoint c ON c.ws = w.pk AND c.size = w.size WHERE w.pk = ?";
    let row = one(connection, sql, params![ws], |row| {
        let last_at = Timestamp::from_millis(row.get(1)?);
        Ok(LedgerHead { size: row.get(0)?, last_at, checkpoint: row.get(2)? })
    })?;
    row.ok_or(StoreError::NoWorkspace)
}

pub(crate) fn entries(
    connection: &Connection,
    ws: i64,
    first: u64,
    limit: u32,
) -> Result<Vec<EntryRow>, StoreError> {
    let sql = "SELECT idx, envelope FROM ledger_entry WHERE place >= ? AND place < ? ORDER BY place LIMIT ?";
    all(connection, sql, params![place(ws, first), place(ws + 1, 0), limit], |row| {
        Ok(EntryRow { index: row.get(0)?, envelope: row.get(1)? })
    })
}

/// A tile cut to the wanted width: a stored one may have grown since the checkpoint that is asked about. The partial
/// tile of the leaves is not stored: its hashes stand with the entries.
pub(crate) fn tile(connection: &Connection, ws: i64, at: TileAt) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT hashes FROM ledger_tile WHERE ws = ? AND level = ? AND n = ?";
    let index = i64::try_from(at.index).unwrap_or(i64::MAX);
    let stored = one(connection, sql, params![ws, at.level, index], |row| row.get::<_, Vec<u8>>(0))?;
    let mut hashes = match stored {
        None if at.level == 0 => leaves(connection, ws, at)?,
        stored => stored.unwrap_or_default(),
    };
    Ok((hashes.len() >= at.bytes()).then(|| {
        hashes.truncate(at.bytes());
        hashes
    }))
}

fn leaves(connection: &Connection, ws: i64, at: TileAt) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT leaf FROM ledger_entry WHERE place >= ? AND place < ? ORDER BY place LIMIT ?";
    let first = place(ws, at.index.saturating_mul(u64::from(TILE_WIDTH)));
    let values = params![first, place(ws + 1, 0), at.width];
    let leaves = all(connection, sql, values, |row| row.get::<_, [u8; 32]>(0))?;
    Ok(leaves.concat())
}

/// Every projected row as text, table by table in the order of its key.
pub(crate) fn dump(connection: &Connection, ws: i64) -> Result<Vec<String>, StoreError> {
    const TABLES: [(&str, &str, &str); 13] = [
        ("ledger_entry", "idx || ' ' || hex(leaf) || ' ' || CAST(envelope AS TEXT)", "idx"),
        ("agent", "doc || launch || hex(salt)", "name"),
        ("thread", "doc || title || hex(salt)", "id"),
        ("member", "agent || ' ' || hex(thread)", "agent, thread"),
        (
            "message",
            "hex(thread) || ' ' || idx || '.' || n || head || body || data || hex(salt) || coalesce(withdrawn, '') || withdrawn_text || hex(withdrawn_salt) || extra",
            "thread, seq",
        ),
        ("answer", "hex(thread) || ' ' || hex(target) || doc", "thread, target, agent"),
        ("finding", "hex(thread) || doc", "thread, id"),
        ("wake", "doc", "id"),
        ("webhook", "doc || ' ' || url || hex(salt)", "id"),
        ("timeline", "hex(thread) || ' ' || idx || '.' || n || ' ' || at || event", "thread, idx, n"),
        ("halt", "doc", "ws"),
        ("snapshot", "stage || ' ' || doc || text || hex(salt)", "id"),
        ("idempotency", "hex(key) || hex(fingerprint) || idx", "key"),
    ];
    let mut lines = Vec::new();
    for (table, columns, order) in TABLES {
        let sql = format!("SELECT {columns} FROM {table} WHERE ws = ? ORDER BY {order}");
        let rows = all(connection, &sql, params![ws], |row| row.get::<_, String>(0))?;
        lines.extend(rows.into_iter().map(|row| format!("{table} {row}")));
    }
    Ok(lines)
}
