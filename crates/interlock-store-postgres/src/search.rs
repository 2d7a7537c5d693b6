//! The index of words (`tsvector`), and messages by the entries that posted them.

use interlock_core::id::ThreadId;
use interlock_core::search::Terms;
use interlock_store::{IndexFill, IndexMark, IndexPage, IndexQuery, StoreError, StoredMessage, posted_in};

use crate::error::corrupt;
use crate::pool::Line;
use crate::row::{self, bytes, get, number, signed};

const MARK: &str = "SELECT w.size, coalesce(i.mark, 0) FROM workspace w
    LEFT JOIN search_index i ON i.ws = w.pk AND i.version = $2 WHERE w.pk = $1";
// The words are looked up first, whatever the planner thinks of them: walking back through all entries instead would
// take as long as there are entries.
const PAGE: &str =
    "WITH found AS MATERIALIZED (SELECT ws, idx FROM message_words WHERE terms @@ $2::text::tsquery)
    SELECT idx FROM found WHERE ws = $1 AND idx < $3 ORDER BY idx DESC LIMIT $4";
const FILL: &str = "INSERT INTO message_words (ws, idx, terms)
    SELECT $1, idx, array_to_tsvector(string_to_array(terms, ' ')) FROM unnest($2::bigint[], $3::text[]) AS t (idx, terms)";

pub(crate) async fn mark(line: &Line, ws: i64, version: u32) -> Result<IndexMark, StoreError> {
    let found = line.one(MARK, &[&ws, &i64::from(version)]).await?.ok_or(StoreError::NoWorkspace)?;
    Ok(IndexMark { size: number(&found, 0)?, mark: number(&found, 1)? })
}

/// The mark is read first: it only grows, and what came after it is looked at itself.
pub(crate) async fn page(line: &Line, ws: i64, query: &IndexQuery) -> Result<IndexPage, StoreError> {
    let IndexMark { mark, .. } = mark(line, ws, query.version).await?;
    let before = signed(query.before.min(mark));
    let rows =
        line.all(PAGE, &[&ws, &expression(ws, &query.terms), &before, &i64::from(query.limit)]).await?;
    Ok(IndexPage { mark, entries: rows.iter().map(|found| number(found, 0)).collect::<Result<_, _>>()? })
}

/// A term of every entry of a workspace, so that a word that is common elsewhere costs nothing here.
fn of_workspace(ws: i64) -> String {
    format!("§w{ws}")
}

/// What PostgreSQL is asked. Terms hold letters, digits and a mark, so that quotes keep them as they are.
fn expression(ws: i64, terms: &Terms) -> String {
    let star = |is_prefix| if is_prefix { ":*" } else { "" };
    let mut parts = vec![format!("'{}'", of_workspace(ws))];
    parts.extend(terms.all.iter().map(|term| format!("'{}'{}", term.text, star(term.is_prefix))));
    if !terms.any.is_empty() {
        let any: Vec<String> = terms.any.iter().map(|term| format!("'{term}'")).collect();
        parts.push(format!("({})", any.join(" | ")));
    }
    parts.join(" & ")
}

pub(crate) async fn posted_by(
    line: &Line,
    ws: i64,
    entries: &[u64],
) -> Result<Vec<StoredMessage>, StoreError> {
    let indexes: Vec<i64> = entries.iter().copied().map(signed).collect();
    // One by one, as batches load theirs.
    let sql = "SELECT e.envelope FROM unnest($2::bigint[]) AS k (idx)
               CROSS JOIN LATERAL (SELECT * FROM ledger_entry e WHERE e.ws = $1 AND e.idx = k.idx LIMIT 1) AS e";
    let (mut threads, mut seqs) = (Vec::new(), Vec::new());
    for found in line.all(sql, &[&ws, &indexes]).await? {
        for (thread, seq) in posted_in(get(&found, 0)?).map_err(|error| corrupt("ledger_entry", error))? {
            threads.push(thread.to_bytes().to_vec());
            seqs.push(signed(seq));
        }
    }
    let sql = "SELECT m.head, m.body, m.data, m.salt, m.idx, m.n, m.withdrawn, m.withdrawn_text,
               m.withdrawn_salt, m.extra, m.thread
               FROM unnest($2::bytea[], $3::bigint[]) AS w (thread, seq)
               CROSS JOIN LATERAL (SELECT * FROM message m WHERE m.ws = $1 AND m.thread = w.thread AND m.seq = w.seq LIMIT 1) AS m
               ORDER BY m.idx, m.n";
    let rows = line.all(sql, &[&ws, &threads, &seqs]).await?;
    if rows.len() != seqs.len() {
        return Err(corrupt(
            "message",
            format!("{} of {} messages are missing", seqs.len() - rows.len(), seqs.len()),
        ));
    }
    let thread = |found| Ok(ThreadId::from_u128(u128::from_be_bytes(bytes(found, 10)?)));
    rows.iter().map(|found| row::message(thread(found)?, found)).collect()
}

pub(crate) async fn fill(line: &Line, ws: i64, fill: &IndexFill) -> Result<(), StoreError> {
    line.plain("BEGIN").await?;
    // One server at a time: whoever comes second finds the mark moved.
    line.all(
        "INSERT INTO search_index (ws, version, mark) VALUES ($1, $2, 0) ON CONFLICT (ws) DO NOTHING",
        &[&ws, &i64::from(fill.version)],
    )
    .await?;
    let lock = "SELECT version, mark FROM search_index WHERE ws = $1 FOR UPDATE";
    let stored = line.one(lock, &[&ws]).await?.ok_or(StoreError::NoWorkspace)?;
    let (version, mark): (u32, u64) = (number(&stored, 0)?, number(&stored, 1)?);
    let mark = if version == fill.version { mark } else { 0 };
    if version > fill.version || mark != fill.from {
        return line.plain("ROLLBACK").await;
    }
    if fill.from == 0 {
        // What an earlier version left behind.
        line.all("DELETE FROM message_words WHERE ws = $1", &[&ws]).await?;
    }
    let indexes: Vec<i64> = fill.entries.iter().map(|(index, _)| signed(*index)).collect();
    let of_workspace = of_workspace(ws);
    let terms: Vec<String> =
        fill.entries.iter().map(|(_, terms)| format!("{of_workspace} {terms}")).collect();
    line.all(FILL, &[&ws, &indexes, &terms]).await?;
    let sql = "UPDATE search_index SET version = $2, mark = $3 WHERE ws = $1";
    line.all(sql, &[&ws, &i64::from(fill.version), &signed(fill.to)]).await?;
    line.plain("COMMIT").await
}
