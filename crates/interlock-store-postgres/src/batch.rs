//! A batch: begin, lock and load in one round trip; write and commit in another.

use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::{join, join_all};
use interlock_core::facts::{Facts, Keys};
use interlock_core::id::WorkspaceId;
use interlock_core::{Hybrid, Timestamp};
use interlock_ledger::{Hash, Tile, Tree};
use interlock_store::{BatchWork, Committed, Head, Step, StoreError, WriteSet};
use tokio_postgres::Row;

use crate::apply::statements;
use crate::clock::{self, Clock};
use crate::error::corrupt;
use crate::load::Wanted;
use crate::pool::{Line, Value, in_time};
use crate::row::{bytes, get, number, signed};
use crate::{apply, load, query};

/// How long a commit whose answer was lost is looked up, and how long between two looks.
const LOOKUP_MAX: Duration = Duration::from_secs(30);
const LOOKUP_PAUSE: Duration = Duration::from_millis(100);

const HEAD: &str = "SELECT size, last_leaf, last_at, last_count, batch_id,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM workspace WHERE pk = $1 AND id = $2 FOR UPDATE";

/// How a batch ended on its connection.
enum Ended {
    /// Known.
    Done(Committed),
    /// Commit was asked for and its answer is lost.
    Lost(WriteSet, StoreError),
}

/// Load, decide, write.
pub(crate) async fn run(
    (pool, clock): (&Pool, &Clock),
    pk: i64,
    ws: WorkspaceId,
    work: &mut dyn BatchWork,
) -> Result<Committed, StoreError> {
    let line = Line::take(pool).await?;
    match decide_and_write((&line, clock), pk, ws, work).await? {
        Ended::Done(committed) => {
            line.give_back();
            Ok(committed)
        }
        Ended::Lost(set, error) => {
            drop(line);
            look_up(pool, pk, &set, error).await
        }
    }
}

async fn decide_and_write(
    (line, clock): (&Line, &Clock),
    pk: i64,
    ws: WorkspaceId,
    work: &mut dyn BatchWork,
) -> Result<Ended, StoreError> {
    let (keys, mut facts) = work.start();
    let asked = clock::here();
    let mut head = in_time(begin(line, pk, ws, keys, &mut facts)).await?;
    clock.hear(asked, head.wall_now);
    if work.tree_size() != Some(head.size) {
        head.edge = Some(in_time(edge(line, pk, head.size)).await?);
    }
    let mut step = work.decide(&mut facts, &head);
    if let Step::Load(keys) = step {
        in_time(load(line, pk, keys, head.wall_now, &mut facts)).await?;
        step = work.decide(&mut facts, &head);
    }
    match step {
        Step::Write(set) if set.is_empty() => {
            in_time(line.plain("ROLLBACK")).await?;
            Ok(Ended::Done(Committed { size: head.size }))
        }
        Step::Write(set) => write(line, pk, head.size, set).await,
        Step::Abort(why) => Err(StoreError::Corrupt(why)),
        Step::Load(_) => Err(corrupt("-", "the work asked for facts twice")),
    }
}

/// Begin, lock the head and load: one round trip. Under read committed every statement sees what was committed before
/// it, and those after the lock see everything that its last holder wrote.
async fn begin(
    line: &Line,
    pk: i64,
    ws: WorkspaceId,
    keys: Keys,
    facts: &mut Facts,
) -> Result<Head, StoreError> {
    let wanted = Wanted::of(keys);
    let asks = wanted.asks();
    let id = ws.to_bytes().to_vec();
    let mut requests: Vec<(_, Vec<Value<'_>>)> = vec![(line.prepare(HEAD).await?, vec![&pk, &id])];
    for (sql, value) in &asks {
        requests.push((line.prepare(sql).await?, vec![&pk, *value]));
    }
    let (begun, answers) = join(line.plain("BEGIN"), line.together(&requests)).await;
    begun?;
    let mut answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter();
    let head = answers.next().and_then(|rows| rows.into_iter().next()).ok_or(StoreError::NoWorkspace)?;
    let head = to_head(&head)?;
    let answers = asks.iter().map(|(sql, _)| *sql).zip(answers).collect();
    drop(requests);
    let apart = wanted.apart();
    wanted.put(answers, head.wall_now, facts)?;
    load::apart(line, pk, &apart, facts).await?;
    Ok(head)
}

fn to_head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head {
        size: number(row, 0)?,
        last_leaf: Hash::from_bytes(bytes(row, 1)?),
        last_at: Hybrid { at: Timestamp::from_millis(get(row, 2)?), count: number(row, 3)? },
        wall_now: Timestamp::from_millis(get(row, 5)?),
        batch_id: bytes(row, 4)?,
        edge: None,
    })
}

async fn load(line: &Line, pk: i64, keys: Keys, now: Timestamp, facts: &mut Facts) -> Result<(), StoreError> {
    let wanted = Wanted::of(keys);
    let asks = wanted.asks();
    let mut asked: Vec<(_, Vec<Value<'_>>)> = Vec::new();
    for (sql, value) in &asks {
        asked.push((line.prepare(sql).await?, vec![&pk, *value]));
    }
    let answers = line.together(&asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let answers = asks.iter().map(|(sql, _)| *sql).zip(answers).collect();
    drop(asked);
    let apart = wanted.apart();
    wanted.put(answers, now, facts)?;
    load::apart(line, pk, &apart, facts).await
}

async fn edge(line: &Line, pk: i64, size: u64) -> Result<Vec<Tile>, StoreError> {
    let tiles = Tree::edge(size).into_iter().map(async |at| {
        let hashes = query::tile(line, pk, at)
            .await?
            .ok_or_else(|| corrupt("ledger_tile", format!("tile {} is missing", at.path())))?;
        Ok(Tile { level: at.level, index: at.index, width: at.width, hashes })
    });
    join_all(tiles).await.into_iter().collect()
}

/// Write and commit: one round trip. A statement that fails fails all after it, and the commit then rolls back.
async fn write(line: &Line, pk: i64, size: u64, set: WriteSet) -> Result<Ended, StoreError> {
    let written: Vec<apply::Written> = statements(&set)?;
    let result = in_time(async {
        let mut requests: Vec<(_, Vec<Value<'_>>)> = Vec::new();
        for (sql, values) in &written {
            let mut all: Vec<Value<'_>> = vec![&pk];
            all.extend(values.iter().map(|value| &**value as Value<'_>));
            requests.push((line.prepare(sql).await?, all));
        }
        let (answers, committed) = join(line.together(&requests), line.plain("COMMIT")).await;
        answers.into_iter().collect::<Result<Vec<_>, _>>().and(committed)
    })
    .await;
    match result {
        Ok(()) => Ok(Ended::Done(Committed { size: size_after(&set, size) })),
        // The database's own word is that nothing was written; anything else leaves it open.
        Err(error @ StoreError::Unavailable(_)) => Ok(Ended::Lost(set, error)),
        Err(error) => Err(error),
    }
}

fn size_after(set: &WriteSet, size: u64) -> u64 {
    set.entries.last().map_or(size, |entry| entry.index + 1)
}

/// Whether a batch was committed, asked until the database says so. The head's lock is taken first: while the old session
/// is still committing it holds that. A batch without entries leaves no trace to look for: it changed leases only, which
/// whoever asks again sets again.
async fn look_up(pool: &Pool, pk: i64, set: &WriteSet, error: StoreError) -> Result<Committed, StoreError> {
    if set.entries.is_empty() {
        return Err(error);
    }
    let until = tokio::time::Instant::now() + LOOKUP_MAX;
    let size = size_after(set, 0);
    loop {
        match in_time(is_there(pool, pk, size, &set.batch_id)).await {
            Ok(true) => return Ok(Committed { size }),
            Err(_) if tokio::time::Instant::now() < until => tokio::time::sleep(LOOKUP_PAUSE).await,
            Ok(false) | Err(_) => return Err(error),
        }
    }
}

async fn is_there(pool: &Pool, pk: i64, size: u64, batch_id: &[u8; 16]) -> Result<bool, StoreError> {
    let line = Line::take(pool).await?;
    line.plain("BEGIN").await?;
    line.one("SELECT 1 FROM workspace WHERE pk = $1 FOR UPDATE", &[&pk]).await?;
    let sql = "SELECT 1 FROM ledger_checkpoint WHERE ws = $1 AND size = $2 AND batch_id = $3";
    let found = line.one(sql, &[&pk, &signed(size), &&batch_id[..]]).await?;
    line.plain("ROLLBACK").await?;
    line.give_back();
    Ok(found.is_some())
}
