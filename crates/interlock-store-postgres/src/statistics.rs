//! The planner's statistics of a database that is young.
//!
//! Without them it takes every table for small: whichever index begins with the workspace seems as good as the one that is
//! meant, and every row of the workspace is read for each that is looked up. Plans are made once for each connection and
//! stay until there are statistics. The database gathers them by itself, but only after a minute and more, and not where
//! that is turned off: so a ledger that has grown has them gathered.

use deadpool_postgres::Pool;
use interlock_store::{StoreError, WriteSet};

use crate::pool::Line;

/// The entries of a ledger with which statistics are gathered: when plans begin to differ, and once more when there is
/// something of everything. Later the database keeps up by itself.
const ENTRIES: [u64; 2] = [256, 4_096];

const GATHER: &str = "ANALYZE agent, answer, finding, idempotency, ledger_checkpoint, ledger_entry, ledger_tile, lease, member,
    message, thread, timeline, wake";

/// A batch was committed. Nobody waits for what follows from that.
pub(crate) fn after(pool: &Pool, set: &WriteSet) {
    if ENTRIES.iter().any(|mark| set.entries.iter().any(|entry| entry.index == *mark)) {
        let pool = pool.clone();
        tokio::spawn(async move {
            // What fails here the database does later.
            drop(gather(&pool).await);
        });
    }
}

async fn gather(pool: &Pool) -> Result<(), StoreError> {
    let line = Line::take(pool).await?;
    line.plain(GATHER).await?;
    line.give_back();
    Ok(())
}
