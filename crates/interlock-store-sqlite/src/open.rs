//! Opening a database file: ours or refused, migrated to this build's schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use interlock_store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error;
use crate::log::LogLimits;

/// `ILOK`: tells our files from other programs' databases.
const APPLICATION_ID: i32 = 0x494C_4F4B;

/// The migrations, in order; the file's `user_version` counts those applied.
const MIGRATIONS: [&str; 12] = [
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_terms.sql"),
    include_str!("../migrations/0003_search.sql"),
    include_str!("../migrations/0004_reasons.sql"),
    include_str!("../migrations/0005_jobs.sql"),
    include_str!("../migrations/0006_answers.sql"),
    include_str!("../migrations/0007_webhooks.sql"),
    include_str!("../migrations/0008_denials.sql"),
    include_str!("../migrations/0009_agents.sql"),
    include_str!("../migrations/0010_sessions.sql"),
    include_str!("../migrations/0011_supervisors.sql"),
    include_str!("../migrations/0012_snapshots.sql"),
];

/// How long one connection waits for another's lock.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 96;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// Reader threads.
    pub readers: usize,
    /// The largest size of the file, in pages of 4 KiB; absent = what the disk holds.
    pub pages_max: Option<u32>,
    /// When the write-ahead log is copied into the file, and how long it may become.
    pub log: LogLimits,
}

impl Options {
    /// The file at `path` with two reader threads.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 2, pages_max: None, log: LogLimits::default() }
    }
}

/// Open for writing: make or migrate.
pub(crate) fn writer(options: &Options) -> Result<Connection, StoreError> {
    let path = options.path.as_path();
    let mut connection = Connection::open(path).map_err(|e| error::store(&e))?;
    let fail = |e: rusqlite::Error| error::store(&e);
    keep_statements(&connection)?;
    // Closing a file folds its log into it, which is not ours to do before we know whose it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log(path)).map_err(fail)?;
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(fail)?;
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fail)?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Foreign(format!("{} belongs to another program", path.display())));
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(fail)?;
    // The log is copied by the copier, and not within somebody's commit.
    for (name, value) in [("synchronous", 2), ("wal_autocheckpoint", 0), ("cache_size", -16_384)] {
        connection.pragma_update(None, name, value).map_err(fail)?;
    }
    migrate(&mut connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fail)?;
    if let Some(pages) = options.pages_max {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(fail)?;
    }
    Ok(connection)
}

/// Prepare each statement once. Without the planner's promise of stability SQLite prepares again whatever it could
/// plan otherwise for the values bound, which costs more than running it.
fn keep_statements(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    kept.map(|_| ()).map_err(|e| error::store(&e))
}

/// Whether a write-ahead log with something in it lies beside the file.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let fail = |e: rusqlite::Error| error::store(&e);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, sql) in (1_u32..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        let transaction = connection.transaction().map_err(fail)?;
        transaction.execute_batch(sql).map_err(fail)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        transaction.pragma_update(None, "user_version", version).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}

/// Open for reading; the writer has made and checked the file.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| error::store(&e))?;
    keep_statements(&connection)?;
    let fail = |e: rusqlite::Error| error::store(&e);
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -4_096).map_err(fail)?;
    Ok(connection)
}

/// Open for copying the write-ahead log; the writer has made and checked the file.
pub(crate) fn copier(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| error::store(&e))?;
    connection.pragma_update(None, "synchronous", 2).map_err(|e| error::store(&e))?;
    Ok(connection)
}

/// Several statements of one read see one state of the database: what is committed between two of them is in neither.
pub(crate) fn snapshot<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let run = |sql| {
        let mut statement = connection.prepare_cached(sql).map_err(|e| error::store(&e))?;
        statement.execute([]).map(|_| ()).map_err(|e| error::store(&e))
    };
    run("BEGIN DEFERRED")?;
    let found = read(connection);
    if !connection.is_autocommit() {
        run("COMMIT")?;
    }
    found
}
