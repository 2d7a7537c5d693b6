//! Plain reads.

use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::facts::Position;
use interlock_core::id::{MessageId, ThreadId, WakeId};
use interlock_core::thread::{Answer, Finding, Thread};
use interlock_core::wake::{Halt, Supervisor, Wake};
use interlock_core::{Hybrid, Timestamp};
use interlock_ledger::{TILE_WIDTH, TileAt};
use interlock_store::{
    AgentWakes, Counts, EntryRow, InboxRow, LedgerHead, Page, StoreError, StoredMessage, ThreadFilter,
    TimelineRow, WakeFilter,
};

use crate::error::document;
use crate::pool::Line;
use crate::row::{self, documents, get, number, signed};

/// Threads looked through for an inbox.
const INBOX_ROWS_MAX: u32 = 200;

pub(crate) async fn thread(line: &Line, ws: i64, id: ThreadId) -> Result<Option<Thread>, StoreError> {
    let sql = "SELECT doc, title, salt FROM thread WHERE ws = $1 AND id = $2";
    line.one(sql, &[&ws, &id.to_bytes().as_slice()]).await?.map(|found| row::thread(&found, 0)).transpose()
}

pub(crate) async fn threads(
    line: &Line,
    ws: i64,
    filter: &ThreadFilter,
    page: &Page<ThreadId>,
) -> Result<Vec<Thread>, StoreError> {
    let status = filter.status.map(interlock_core::thread::Status::as_str);
    let after = page.after.map_or([0xFF; 16], ThreadId::to_bytes);
    let (after, limit) = (after.as_slice(), i64::from(page.limit));
    let rows = match &filter.member {
        None => {
            let sql = "SELECT doc, title, salt FROM thread WHERE ws = $1 AND id < $2
                       AND ($3::text IS NULL OR status = $3) ORDER BY id DESC LIMIT $4";
            line.all(sql, &[&ws, &after, &status, &limit]).await?
        }
        Some(name) => {
            let sql = "SELECT t.doc, t.title, t.salt FROM member m JOIN thread t ON t.ws = m.ws AND t.id = m.thread
                       WHERE m.ws = $1 AND m.agent = $5 AND m.thread < $2 AND ($3::text IS NULL OR t.status = $3)
                       ORDER BY m.thread DESC LIMIT $4";
            line.all(sql, &[&ws, &after, &status, &limit, &name.as_str()]).await?
        }
    };
    rows.iter().map(|found| row::thread(found, 0)).collect()
}

pub(crate) async fn findings(line: &Line, ws: i64, thread: ThreadId) -> Result<Vec<Finding>, StoreError> {
    let sql = "SELECT doc FROM finding WHERE ws = $1 AND thread = $2 ORDER BY reported_seq, id";
    documents("finding", &line.all(sql, &[&ws, &thread.to_bytes().as_slice()]).await?)
}

pub(crate) async fn messages(
    line: &Line,
    ws: i64,
    thread: ThreadId,
    after_seq: u64,
    limit: u32,
) -> Result<Vec<StoredMessage>, StoreError> {
    let sql =
        "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message
               WHERE ws = $1 AND thread = $2 AND seq > $3
               ORDER BY seq LIMIT $4";
    let (id, after, limit) = (thread.to_bytes(), signed(after_seq), i64::from(limit));
    let rows = line.all(sql, &[&ws, &id.as_slice(), &after, &limit]).await?;
    rows.iter().map(|found| row::message(thread, found)).collect()
}

pub(crate) async fn message(
    line: &Line,
    ws: i64,
    thread: ThreadId,
    id: MessageId,
) -> Result<Option<StoredMessage>, StoreError> {
    let sql =
        "SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra FROM message
               WHERE ws = $1 AND id = $2 AND thread = $3";
    let found = line.one(sql, &[&ws, &id.to_bytes().as_slice(), &thread.to_bytes().as_slice()]).await?;
    found.map(|found| row::message(thread, &found)).transpose()
}

/// One statement, hence one state of the database: two would let a follower pass over what is committed in between.
pub(crate) async fn timeline(
    line: &Line,
    ws: i64,
    thread: ThreadId,
    after: Option<(u64, u32)>,
    limit: u32,
) -> Result<Vec<TimelineRow>, StoreError> {
    let sql = "(SELECT head, body, data, salt, idx, n, withdrawn, withdrawn_text, withdrawn_salt, extra,
                NULL::bigint, NULL::bigint, NULL::text FROM message
                WHERE ws = $1 AND thread = $2 AND (idx, n) > ($3, $4) ORDER BY idx, n LIMIT $5)
               UNION ALL
               (SELECT NULL, NULL, NULL, NULL, idx, n, NULL, NULL, NULL, NULL, at, count, event FROM timeline
                WHERE ws = $1 AND thread = $2 AND (idx, n) > ($3, $4) ORDER BY idx, n LIMIT $5)
               ORDER BY 5, 6 LIMIT $5";
    let (index, n) = after.map_or((-1, -1), |(index, n)| (signed(index), i64::from(n)));
    let (id, limit) = (thread.to_bytes(), i64::from(limit));
    let rows = line.all(sql, &[&ws, &id.as_slice(), &index, &n, &limit]).await?;
    rows.iter()
        .map(|found| match get::<Option<&str>>(found, 12)? {
            None => row::message(thread, found).map(TimelineRow::Message),
            Some(event) => {
                let at = Hybrid { at: Timestamp::from_millis(get(found, 10)?), count: number(found, 11)? };
                let position = Position { index: number(found, 4)?, n: number(found, 5)?, at };
                Ok(TimelineRow::Event(position, document("timeline", event)?))
            }
        })
        .collect()
}

/// What these agents answered first.
pub(crate) async fn answers(
    line: &Line,
    ws: i64,
    thread: ThreadId,
    to: MessageId,
    by: &[AgentName],
) -> Result<Vec<Answer>, StoreError> {
    let sql = "SELECT doc FROM answer WHERE ws = $1 AND thread = $2 AND target = $3 AND agent = ANY($4)
               ORDER BY agent";
    let by: Vec<&str> = by.iter().map(AgentName::as_str).collect();
    let (thread, to) = (thread.to_bytes(), to.to_bytes());
    documents("answer", &line.all(sql, &[&ws, &thread.as_slice(), &to.as_slice(), &by]).await?)
}

/// Who stopped all agents.
pub(crate) async fn halt(line: &Line, ws: i64) -> Result<Option<Halt>, StoreError> {
    let found = line.one("SELECT doc FROM halt WHERE ws = $1", &[&ws]).await?;
    found.map(|found| document("halt", get(&found, 0)?)).transpose()
}

pub(crate) async fn supervisors(line: &Line, ws: i64) -> Result<Vec<Supervisor>, StoreError> {
    documents(
        "supervisor",
        &line.all("SELECT doc FROM supervisor WHERE ws = $1 ORDER BY name", &[&ws]).await?,
    )
}

pub(crate) async fn inbox(line: &Line, ws: i64, agent: &AgentName) -> Result<Vec<InboxRow>, StoreError> {
    let filter = ThreadFilter { status: None, member: Some(agent.clone()) };
    let rows_max = usize::try_from(INBOX_ROWS_MAX).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut page = Page { after: None, limit: INBOX_ROWS_MAX };
    loop {
        let threads = threads(line, ws, &filter, &page).await?;
        let Some(last) = threads.last().map(|thread| thread.thread_id) else { return Ok(found) };
        for thread in threads {
            let cursor = thread.members.get(agent).map_or(thread.seq, |member| member.cursor);
            if cursor < thread.seq {
                found.push(InboxRow { thread, cursor });
            }
        }
        if found.len() >= rows_max {
            found.truncate(rows_max);
            return Ok(found);
        }
        page.after = Some(last);
    }
}

pub(crate) async fn agent(line: &Line, ws: i64, name: &AgentName) -> Result<Option<Agent>, StoreError> {
    let sql = "SELECT doc, launch, salt FROM agent WHERE ws = $1 AND name = $2";
    line.one(sql, &[&ws, &name.as_str()]).await?.map(|found| row::agent(&found, 0)).transpose()
}

pub(crate) async fn agents(line: &Line, ws: i64, page: &Page<AgentName>) -> Result<Vec<Agent>, StoreError> {
    let sql = "SELECT doc, launch, salt FROM agent WHERE ws = $1 AND name > $2 ORDER BY name LIMIT $3";
    let after = page.after.as_ref().map_or("", AgentName::as_str);
    let rows = line.all(sql, &[&ws, &after, &i64::from(page.limit)]).await?;
    rows.iter().map(|found| row::agent(found, 0)).collect()
}

pub(crate) async fn wake(line: &Line, ws: i64, id: WakeId) -> Result<Option<Wake>, StoreError> {
    let sql = "SELECT doc FROM wake WHERE ws = $1 AND id = $2";
    let rows = line.all(sql, &[&ws, &id.to_bytes().as_slice()]).await?;
    Ok(documents("wake", &rows)?.into_iter().next())
}

pub(crate) async fn wakes(
    line: &Line,
    ws: i64,
    filter: &WakeFilter,
    page: &Page<WakeId>,
) -> Result<Vec<Wake>, StoreError> {
    let sql = "SELECT doc FROM wake WHERE ws = $1 AND id < $2 AND ($3::bytea IS NULL OR thread = $3)
               AND ($4::text IS NULL OR agent = $4) AND ($5::text IS NULL OR state = $5)
               AND (NOT $6 OR state <> 'finished') AND ($7::text IS NULL OR result = $7)
               AND ($8::bigint IS NULL OR (state = 'pending' AND NOT held AND due_at <= $8))
               ORDER BY id DESC LIMIT $9";
    let after = page.after.map_or([0xFF; 16], WakeId::to_bytes);
    let thread = filter.thread.map(|id| id.to_bytes().to_vec());
    let agent = filter.agent.as_ref().map(AgentName::as_str);
    let state = filter.state.map(interlock_core::wake::WakeState::as_str);
    let limit = i64::from(page.limit);
    let result = filter.result.map(interlock_core::wake::WakeResult::as_str);
    let due_by = filter.due_by.map(Timestamp::as_millis);
    let after = after.as_slice();
    let rows = line
        .all(sql, &[&ws, &after, &thread, &agent, &state, &filter.is_live, &result, &due_by, &limit])
        .await?;
    documents("wake", &rows)
}

pub(crate) async fn agent_wakes(
    line: &Line,
    ws: i64,
    agents: &[AgentName],
) -> Result<Vec<AgentWakes>, StoreError> {
    let sql = "SELECT live.doc, last.doc FROM unnest($2::text[]) WITH ORDINALITY AS asked (name, n)
               LEFT JOIN LATERAL (SELECT doc FROM wake WHERE ws = $1 AND agent = asked.name AND state <> 'finished'
                 ORDER BY state = 'running' DESC, held, due_at, id LIMIT 1) live ON true
               LEFT JOIN LATERAL (SELECT doc FROM wake WHERE ws = $1 AND agent = asked.name AND state = 'finished'
                 ORDER BY id DESC LIMIT 1) last ON true
               ORDER BY asked.n";
    let names: Vec<&str> = agents.iter().map(AgentName::as_str).collect();
    let rows = line.all(sql, &[&ws, &names]).await?;
    let wake = |found: &tokio_postgres::Row, place: usize| {
        let doc = get::<Option<String>>(found, place)?;
        doc.map(|doc| document("wake", &doc)).transpose()
    };
    agents
        .iter()
        .zip(&rows)
        .map(|(agent, found)| {
            Ok(AgentWakes { agent: agent.clone(), live: wake(found, 0)?, last: wake(found, 1)? })
        })
        .collect()
}

pub(crate) async fn next_due(
    line: &Line,
    ws: i64,
    after: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(due_at) FROM wake WHERE ws = $1 AND state = 'pending' AND NOT held AND due_at > $2";
    let found = line.one(sql, &[&ws, &after.as_millis()]).await?;
    let due = found.map(|found| get::<Option<i64>>(&found, 0)).transpose()?.flatten();
    Ok(due.map(Timestamp::from_millis))
}

pub(crate) async fn counts(line: &Line, ws: i64) -> Result<Counts, StoreError> {
    let sql = "SELECT 0, status, count(*) FROM thread WHERE ws = $1 GROUP BY status
               UNION ALL SELECT 1, coalesce(result, state), count(*) FROM wake WHERE ws = $1 GROUP BY 2";
    let mut counts = Counts::default();
    for found in line.all(sql, &[&ws]).await? {
        let kind = if get::<i32>(&found, 0)? == 0 { &mut counts.threads } else { &mut counts.wakes };
        kind.insert(get(&found, 1)?, number(&found, 2)?);
    }
    Ok(counts)
}

pub(crate) async fn ledger_head(line: &Line, ws: i64) -> Result<LedgerHead, StoreError> {
    let sql = "SELECT w.size, w.last_at, c.note FROM workspace w
               LEFT JOIN ledger_checkpoint c ON c.ws = w.pk AND c.size = w.size WHERE w.pk = $1";
    let found = line.one(sql, &[&ws]).await?.ok_or(StoreError::NoWorkspace)?;
    let last_at = Timestamp::from_millis(get(&found, 1)?);
    Ok(LedgerHead { size: number(&found, 0)?, last_at, checkpoint: get(&found, 2)? })
}

pub(crate) async fn entries(
    line: &Line,
    ws: i64,
    first: u64,
    limit: u32,
) -> Result<Vec<EntryRow>, StoreError> {
    let sql = "SELECT idx, envelope FROM ledger_entry WHERE ws = $1 AND idx >= $2 ORDER BY idx LIMIT $3";
    let rows = line.all(sql, &[&ws, &signed(first), &i64::from(limit)]).await?;
    rows.iter().map(|found| Ok(EntryRow { index: number(found, 0)?, envelope: get(found, 1)? })).collect()
}

/// A tile cut to the wanted width: a stored one may have grown since the checkpoint that is asked about. The partial
/// tile of the leaves is not stored: its hashes stand with the entries.
pub(crate) async fn tile(line: &Line, ws: i64, at: TileAt) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT hashes FROM ledger_tile WHERE ws = $1 AND level = $2 AND n = $3";
    let stored = line.one(sql, &[&ws, &i64::from(at.level), &signed(at.index)]).await?;
    let mut hashes = match stored {
        Some(found) => get(&found, 0)?,
        None if at.level == 0 => leaves(line, ws, at).await?,
        None => Vec::new(),
    };
    Ok((hashes.len() >= at.bytes()).then(|| {
        hashes.truncate(at.bytes());
        hashes
    }))
}

async fn leaves(line: &Line, ws: i64, at: TileAt) -> Result<Vec<u8>, StoreError> {
    let sql = "SELECT leaf FROM ledger_entry WHERE ws = $1 AND idx >= $2 ORDER BY idx LIMIT $3";
    let first = signed(at.index.saturating_mul(u64::from(TILE_WIDTH)));
    let rows = line.all(sql, &[&ws, &first, &i64::from(at.width)]).await?;
    let leaves = rows.iter().map(|found| row::bytes::<32>(found, 0)).collect::<Result<Vec<_>, _>>()?;
    Ok(leaves.concat())
}

/// Every projected row as text, table by table in the order of its key, as the other store writes them.
pub(crate) async fn dump(line: &Line, ws: i64) -> Result<Vec<String>, StoreError> {
    const TABLES: [(&str, &str, &str); 13] = [
        ("ledger_entry", "idx || ' ' || hex(leaf) || ' ' || convert_from(envelope, 'UTF8')", "idx"),
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
    line.plain("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut lines = Vec::new();
    for (table, columns, order) in TABLES {
        let columns = hex(columns);
        let sql = format!("SELECT {columns} FROM {table} WHERE ws = $1 ORDER BY {order}");
        for found in line.all(&sql, &[&ws]).await? {
            lines.push(format!("{table} {}", get::<&str>(&found, 0)?));
        }
    }
    line.plain("COMMIT").await?;
    Ok(lines)
}

/// `hex(x)` in PostgreSQL's words.
fn hex(columns: &str) -> String {
    let parts = columns.split(" || ").map(|part| {
        let inner = part.strip_prefix("hex(").and_then(|rest| rest.strip_suffix(')'));
        inner.map_or_else(|| part.to_owned(), |column| format!("upper(encode({column}, 'hex'))"))
    });
    parts.collect::<Vec<_>>().join(" || ")
}
