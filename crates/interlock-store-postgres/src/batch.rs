//! A batch: one round trip when everything that it needs is kept, and nobody else has written meanwhile; otherwise begin,
//! lock and load in one, write and commit in another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::{join, join_all};
use interlock_core::facts::{Facts, Keys, RowChange};
use interlock_core::id::WorkspaceId;
use interlock_core::text::Digest;
use interlock_core::{Hybrid, Timestamp};
use interlock_ledger::{Hash, Tile, Tree};
use interlock_store::{BatchWork, Committed, Head, Step, StoreError, Trips, WriteSet};
use tokio_postgres::Row;

use crate::apply::{Values, statements};
use crate::clock::{self, Clock};
use crate::error::corrupt;
use crate::kept::{Kept, Memory};
use crate::load::Wanted;
use crate::pool::{Failed, Line, Value, in_time};
use crate::row::{bytes, get, number, signed};
use crate::whole::{Guard, Shapes, Whole};
use crate::{load, query, statistics};

/// How long a commit whose answer was lost is looked up, and how long between two looks.
const LOOKUP_MAX: Duration = Duration::from_secs(30);
const LOOKUP_PAUSE: Duration = Duration::from_millis(100);
/// How far the database's clock may be from what this node takes it for when a batch is decided without asking it. Beyond
/// that the batch is decided anew by what the database says.
const CLOCKS_APART_MS_MAX: i64 = 500;

const HEAD: &str = "SELECT size, last_leaf, last_at, last_count, batch_id,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM workspace WHERE pk = $1 AND id = $2 FOR UPDATE";

/// What the batches of a store have in common.
#[derive(Default)]
pub(crate) struct Common {
    memory: Memory,
    shapes: Shapes,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    one: AtomicU64,
    two: AtomicU64,
    moved: AtomicU64,
}

impl Common {
    /// Batches so far, by their round trips.
    pub(crate) fn trips(&self) -> Trips {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { one, two, moved } = &self.tally;
        Trips { one: count(one), two: count(two), moved: count(moved) }
    }
}

/// Where a batch takes place.
pub(crate) struct At<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) clock: &'a Clock,
    pub(crate) common: &'a Common,
    pub(crate) pk: i64,
    pub(crate) ws: WorkspaceId,
}

/// How a batch ended on its connection.
enum Ended {
    /// Known.
    Done(WriteSet),
    /// Commit was asked for and its answer is lost.
    Lost(WriteSet, StoreError),
}

/// Load, decide, write.
pub(crate) async fn run(at: &At<'_>, work: &mut dyn BatchWork) -> Result<Committed, StoreError> {
    let mut kept = at.common.memory.take(at.pk);
    let result = in_trips(at, &mut kept, work).await;
    if result.is_err() {
        kept.forget();
    }
    at.common.memory.put(at.pk, kept);
    result
}

async fn in_trips(at: &At<'_>, kept: &mut Kept, work: &mut dyn BatchWork) -> Result<Committed, StoreError> {
    if let Some(plan) = plan(at, kept, work)?
        && let Some(committed) = in_one(at, kept, plan).await?
    {
        at.common.tally.one.fetch_add(1, Ordering::Relaxed);
        return Ok(committed);
    }
    let committed = in_two(at, kept, work).await?;
    at.common.tally.two.fetch_add(1, Ordering::Relaxed);
    Ok(committed)
}

/// A batch that was decided on what is kept.
struct Plan {
    head: Head,
    set: WriteSet,
    whole: Whole,
}

/// Decide on what is kept. What was decided holds only if the head has not moved, so that it must be written to be true: a
/// batch that writes no entry is decided again on what is loaded.
fn plan(at: &At<'_>, kept: &mut Kept, work: &mut dyn BatchWork) -> Result<Option<Plan>, StoreError> {
    let now = clock::here().plus_ms(at.clock.ahead_ms());
    let Some(head) = kept.head(now) else { return Ok(None) };
    if work.tree_size() != Some(head.size) {
        return Ok(None);
    }
    let (keys, mut facts) = work.start();
    let mut new = Vec::new();
    if !kept.serve(&keys, &mut facts, &mut new) {
        return Ok(None);
    }
    let mut step = work.decide(&mut facts, &head);
    if let Step::Load(keys) = step {
        if !kept.serve(&keys, &mut facts, &mut new) {
            return Ok(None);
        }
        step = work.decide(&mut facts, &head);
    }
    let Step::Write(set) = step else { return Ok(None) };
    if set.entries.is_empty() {
        return Ok(None);
    }
    let guard = Guard { head: &head, apart_ms: CLOCKS_APART_MS_MAX, unused: unwritten(new, &set) };
    let whole = at.common.shapes.whole(statements(&set)?, guard).ok();
    Ok(whole.map(|whole| Plan { head, set, whole }))
}

/// The keys that are new without being written: of those that are, the table says whether they are new.
fn unwritten(mut new: Vec<Digest>, set: &WriteSet) -> Vec<Vec<u8>> {
    let written: std::collections::BTreeSet<&Digest> = set
        .rows
        .iter()
        .filter_map(|row| if let RowChange::Idempotency(key, ..) = row { Some(key) } else { None })
        .collect();
    new.retain(|key| !written.contains(key));
    new.iter().map(|key| key.as_bytes().to_vec()).collect()
}

/// Write on condition that the head is where it was: one round trip, and a transaction of its own. Nothing when it is not,
/// or when the database does not take this: then nothing was written.
async fn in_one(at: &At<'_>, kept: &mut Kept, plan: Plan) -> Result<Option<Committed>, StoreError> {
    let Plan { head, set, whole } = plan;
    let line = Line::take(at.pool).await?;
    let asked = clock::here();
    let mut values: Vec<Value<'_>> = vec![&at.pk];
    values.extend(whole.values.iter().map(|value| &**value as Value<'_>));
    match line.alone(&whole.sql, &values).await {
        Ok(row) => {
            line.give_back();
            at.clock.hear(asked, Timestamp::from_millis(get(&row, 1)?));
            if get::<i64>(&row, 0)? == 1 {
                statistics::after(at.pool, &set);
                kept.was_right();
                return Ok(Some(Committed { size: kept.advance(set) }));
            }
            at.common.tally.moved.fetch_add(1, Ordering::Relaxed);
            kept.was_wrong();
            Ok(None)
        }
        // It is away, full or does not write: the same would be said of two round trips.
        Err(Failed::Refused(error @ StoreError::Unavailable(_))) => Err(error),
        // A key that was used before for one. What is loaded tells.
        Err(Failed::Refused(_)) => {
            line.give_back();
            kept.forget();
            Ok(None)
        }
        Err(Failed::Open(error)) => {
            drop(line);
            kept.forget();
            look_up(at, &set, Some(&head), error).await.map(Some)
        }
    }
}

async fn in_two(at: &At<'_>, kept: &mut Kept, work: &mut dyn BatchWork) -> Result<Committed, StoreError> {
    let line = Line::take(at.pool).await?;
    match decide_and_write(at, &line, kept, work).await? {
        Ended::Done(set) => {
            line.give_back();
            statistics::after(at.pool, &set);
            Ok(Committed { size: kept.advance(set) })
        }
        Ended::Lost(set, error) => {
            drop(line);
            kept.forget();
            look_up(at, &set, None, error).await
        }
    }
}

async fn decide_and_write(
    at: &At<'_>,
    line: &Line,
    kept: &mut Kept,
    work: &mut dyn BatchWork,
) -> Result<Ended, StoreError> {
    let (keys, mut facts) = work.start();
    let asked = clock::here();
    let mut head = in_time(begin(line, at.pk, at.ws, keys.clone(), &mut facts)).await?;
    at.clock.hear(asked, head.wall_now);
    kept.meet(&head);
    kept.learn(&keys, &facts);
    if work.tree_size() != Some(head.size) {
        head.edge = Some(in_time(edge(line, at.pk, head.size)).await?);
    }
    let mut step = work.decide(&mut facts, &head);
    if let Step::Load(keys) = step {
        in_time(load(line, at.pk, keys.clone(), head.wall_now, &mut facts)).await?;
        kept.learn(&keys, &facts);
        step = work.decide(&mut facts, &head);
    }
    match step {
        Step::Write(set) if set.is_empty() => {
            in_time(line.plain("ROLLBACK")).await?;
            Ok(Ended::Done(set))
        }
        Step::Write(set) => write(at, line, &head, set).await,
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
async fn write(at: &At<'_>, line: &Line, head: &Head, set: WriteSet) -> Result<Ended, StoreError> {
    // Nobody moves a head that is locked.
    let guard = Guard { head, apart_ms: i64::MAX, unused: Vec::new() };
    let written = match at.common.shapes.whole(statements(&set)?, guard) {
        Ok(whole) => in_time(send(at.pk, line, &[(&*whole.sql, whole.values)])).await,
        Err(written) => in_time(send(at.pk, line, &written)).await,
    };
    match written {
        Ok(()) => Ok(Ended::Done(set)),
        // The database's own word is that nothing was written; anything else leaves it open.
        Err(error @ StoreError::Unavailable(_)) => Ok(Ended::Lost(set, error)),
        Err(error) => Err(error),
    }
}

async fn send(pk: i64, line: &Line, written: &[(&str, Values)]) -> Result<(), StoreError> {
    let mut requests: Vec<(_, Vec<Value<'_>>)> = Vec::new();
    for (sql, values) in written {
        let mut all: Vec<Value<'_>> = vec![&pk];
        all.extend(values.iter().map(|value| &**value as Value<'_>));
        requests.push((line.prepare(sql).await?, all));
    }
    let (answers, committed) = join(line.together(&requests), line.plain("COMMIT")).await;
    answers.into_iter().collect::<Result<Vec<_>, _>>().and(committed)
}

/// Whether a batch was committed, asked until the database says so. The head's lock is taken first: while the old session
/// is still committing it holds that. A batch without entries leaves no trace to look for: it changed leases only, which
/// whoever asks again sets again. One that was written on condition, its head given, may not even have begun: where it is
/// not there its condition is made to fail for ever.
async fn look_up(
    at: &At<'_>,
    set: &WriteSet,
    condition: Option<&Head>,
    error: StoreError,
) -> Result<Committed, StoreError> {
    let Some(last) = set.entries.last() else { return Err(error) };
    let until = tokio::time::Instant::now() + LOOKUP_MAX;
    let size = last.index + 1;
    loop {
        match in_time(is_there(at, size, &set.batch_id, condition)).await {
            Ok(true) => return Ok(Committed { size }),
            Err(_) if tokio::time::Instant::now() < until => tokio::time::sleep(LOOKUP_PAUSE).await,
            Ok(false) | Err(_) => return Err(error),
        }
    }
}

async fn is_there(
    at: &At<'_>,
    size: u64,
    batch_id: &[u8; 16],
    condition: Option<&Head>,
) -> Result<bool, StoreError> {
    let line = Line::take(at.pool).await?;
    line.plain("BEGIN").await?;
    line.one("SELECT 1 FROM workspace WHERE pk = $1 FOR UPDATE", &[&at.pk]).await?;
    let sql = "SELECT 1 FROM ledger_checkpoint WHERE ws = $1 AND size = $2 AND batch_id = $3";
    let found = line.one(sql, &[&at.pk, &signed(size), &&batch_id[..]]).await?.is_some();
    if let (false, Some(head)) = (found, condition) {
        let sql = "UPDATE workspace SET batch_id = uuid_send(gen_random_uuid())
                   WHERE pk = $1 AND size = $2 AND batch_id = $3";
        line.one(sql, &[&at.pk, &signed(head.size), &&head.batch_id[..]]).await?;
        line.plain("COMMIT").await?;
    } else {
        line.plain("ROLLBACK").await?;
    }
    line.give_back();
    Ok(found)
}
