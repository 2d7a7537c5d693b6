//! Files that are not ours, not whole, or not to be had; and the tripwire on the ledger's table.

use std::fs;
use std::path::Path;

use interlock_core::id::WorkspaceId;
use interlock_store::{Store, StoreError};
use interlock_store_sqlite::{Options, SqliteStore};
use interlock_testkit::{Sequencer, Story};
use rusqlite::Connection;

use crate::file::{Made, block_on};

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&Options::at(path))
}

/// A database with a story in it, closed again.
fn told() -> Made {
    let made = Made::new();
    block_on(async {
        let store = std::sync::Arc::new(made.try_open().unwrap());
        let mut tale = Story::begin(Sequencer::new(store, 1).await).await;
        let thread = tale.open("work").await;
        for n in 0..40 {
            tale.post(thread, "ann", &format!("{n} {}", "x".repeat(500)), &[]).await.unwrap();
        }
    });
    // Until the threads have closed their connections, what was written may be in the log alone.
    let connection = Connection::open(made.path()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    made
}

#[test]
fn another_programs_database_is_left_alone() {
    let made = Made::new();
    let connection = Connection::open(made.path()).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    drop(connection);
    let before = fs::read(made.path()).unwrap();
    assert!(
        matches!(made.try_open().err(), Some(StoreError::Foreign(why)) if why.contains("another program"))
    );
    assert_eq!(fs::read(made.path()).unwrap(), before);
}

#[test]
fn the_log_of_another_program_is_left_alone() {
    let (theirs, made) = (Made::new(), Made::new());
    let connection = Connection::open(theirs.path()).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    // As they are when that program is killed.
    let log = |made: &Made| made.path().with_extension("db-wal");
    fs::copy(theirs.path(), made.path()).unwrap();
    fs::copy(log(&theirs), log(&made)).unwrap();
    let before = [made.path(), log(&made)].map(|path| fs::read(path).unwrap());
    assert!(!before[1].is_empty());
    assert!(matches!(made.try_open().err(), Some(StoreError::Foreign(_))));
    assert_eq!([made.path(), log(&made)].map(|path| fs::read(path).unwrap()), before);
}

#[test]
fn a_folded_file_is_whole_without_its_log() {
    let made = Made::new();
    let store = made.try_open().unwrap();
    block_on(store.fold()).unwrap();
    assert_eq!(fs::metadata(made.path().with_extension("db-wal")).unwrap().len(), 0);
    assert!(fs::metadata(made.path()).unwrap().len() > 4096);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    for bytes in [b"no database, but long enough to be looked at as one".repeat(40), b"short".to_vec()] {
        let made = Made::new();
        fs::write(made.path(), &bytes).unwrap();
        assert!(matches!(made.try_open().err(), Some(StoreError::Foreign(_))), "{} bytes", bytes.len());
        assert_eq!(fs::read(made.path()).unwrap(), bytes);
    }
}

#[test]
fn a_database_of_a_later_version_is_refused() {
    let made = told();
    let connection = Connection::open(made.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(made.try_open().err(), Some(StoreError::TooNew { found: 99, known: 9.. })));
}

/// What messages from before answers were kept say of each other is found when the file is brought up to date: the same
/// rows as those that were written at once.
#[test]
fn answers_of_an_earlier_version_are_found() {
    let made = Made::new();
    let dump = async || {
        let store = std::sync::Arc::new(made.try_open().unwrap());
        store.dump(WorkspaceId::from_u128(1)).await.unwrap()
    };
    block_on(async {
        let store = std::sync::Arc::new(made.try_open().unwrap());
        let mut tale = Story::begin(Sequencer::new(store, 1).await).await;
        for title in ["one", "two"] {
            let thread = tale.open(title).await;
            tale.discuss(thread).await;
        }
    });
    let before = block_on(dump());
    assert!(before.iter().filter(|line| line.starts_with("answer ")).count() > 40);
    let connection = Connection::open(made.path()).unwrap();
    let back = "DROP INDEX wake_by_agent; DROP INDEX wake_of_agent_live; DROP TABLE snapshot; DROP TABLE job_totals; DROP TABLE supervisor; DROP TABLE session; DROP TABLE denial; DROP TABLE webhook; DROP TABLE answer; DROP TABLE halt; ALTER TABLE message DROP COLUMN extra; PRAGMA user_version = 5";
    connection.execute_batch(back).unwrap();
    drop(connection);
    assert_eq!(block_on(dump()), before);
}

#[test]
fn jobs_of_an_earlier_version_are_counted_from_then_on() {
    let made = Made::new();
    let path = made.path();
    let back = move || {
        let back = "DROP TABLE snapshot; DROP TABLE job_totals; PRAGMA user_version = 11";
        Connection::open(path).unwrap().execute_batch(back).unwrap();
    };
    interlock_testkit::conformance::run(made, |database| {
        interlock_testkit::conformance::jobs_of_an_earlier_version_are_counted_from_then_on(database, back)
    });
}

/// A file cut short is never taken for an empty or a whole one.
#[test]
fn a_file_cut_short_is_refused_or_found_broken() {
    let whole = fs::read(told().path()).unwrap();
    for kept in [50, 100, 1_000, 4_096, 8_192, whole.len() / 2, whole.len() - 4_096] {
        let made = Made::new();
        fs::write(made.path(), &whole[..kept]).unwrap();
        let found = made.try_open().and_then(|store| {
            block_on(async {
                let ws = WorkspaceId::from_u128(1);
                store.dump(ws).await?;
                store.ledger_head(ws).await
            })
        });
        assert!(
            matches!(found, Err(StoreError::Corrupt(_) | StoreError::Foreign(_))),
            "{kept} of {} bytes: {found:?}",
            whole.len()
        );
    }
}

#[test]
fn paths_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.join("interlock.db"), folder.path().join("missing/interlock.db"), folder.path().into()]
    {
        let error = open(&path).err();
        assert!(matches!(error, Some(StoreError::Unavailable(_))), "{}: {error:?}", path.display());
    }
    // Nobody may make files there, whoever runs the test.
    let error = open(Path::new("/proc/interlock.db")).err();
    assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
}

#[test]
fn a_read_only_database_is_refused() {
    let made = told();
    let mut permissions = fs::metadata(made.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(made.path(), permissions).unwrap();
    // Root writes all the same.
    let may_write = fs::OpenOptions::new().append(true).open(made.path()).is_ok();
    let found = made.try_open().and_then(|store| block_on(store.ping()));
    assert!(may_write || matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
}

#[test]
fn the_ledgers_table_only_grows() {
    let made = told();
    let connection = Connection::open(made.path()).unwrap();
    for sql in [
        "UPDATE ledger_entry SET envelope = x'00'",
        "UPDATE ledger_entry SET place = place + 1 WHERE idx = 3",
        "DELETE FROM ledger_entry WHERE idx = 0",
        "DELETE FROM ledger_entry",
    ] {
        let error = connection.execute(sql, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    let count: u64 = connection.query_row("SELECT count(*) FROM ledger_entry", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 45);
}

/// Opened with little room: what does not fit is refused whole, and goes in once there is room again.
#[test]
fn a_full_disk_refuses_and_recovers() {
    let made = Made::new();
    let small = Options { pages_max: Some(160), ..Options::at(made.path()) };
    let body = "x".repeat(4_000);
    block_on(async {
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(SqliteStore::open(&small).unwrap());
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
        let thread = tale.open("work").await;
        let ws = tale.sequencer.workspace_id;
        let mut posted = 0;
        let refusal = loop {
            let envelope = tale.say(thread, "ann", &body);
            match tale.sequencer.run(vec![envelope]).await.1 {
                Ok(_) => posted += 1,
                Err(error) => break error,
            }
            assert!(posted < 1_000, "the disk is never full");
        };
        assert!(matches!(refusal, StoreError::Unavailable(_)), "{refusal:?}");
        let before = (store.dump(ws).await.unwrap(), store.ledger_head(ws).await.unwrap());
        assert_eq!(store.messages(ws, thread, 0, 2_000).await.unwrap().len(), posted);
        // Several at once: whichever fails, none is half there and none is there after a refusal.
        let others = (2..8).map(|number| {
            let store = store.clone();
            async move {
                let ws = WorkspaceId::from_u128(number);
                let origin = format!("interlock.test/{number}");
                store.create_workspace(interlock_store::Workspace { workspace_id: ws, origin }).await
            }
        });
        drop(futures_util::future::join_all(others).await);
        for _ in 0..20 {
            let envelope = tale.say(thread, "ann", &body);
            assert!(matches!(tale.sequencer.run(vec![envelope]).await.1, Err(StoreError::Unavailable(_))));
        }
        assert_eq!((store.dump(ws).await.unwrap(), store.ledger_head(ws).await.unwrap()), before);
        drop(store);

        let Story { sequencer, told } = tale;
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(made.try_open().unwrap());
        let mut tale = Story { sequencer: sequencer.reopened(store.clone()), told };
        let envelope = tale.say(thread, "ann", &body);
        tale.sequencer.run(vec![envelope]).await.1.unwrap();
        assert_eq!(store.messages(ws, thread, 0, 2_000).await.unwrap().len(), posted + 1);
    });
}

/// Batches that share a sync when the disk runs full: an `Ok` is there, an error is not.
#[test]
fn a_full_disk_under_several_writers_tells_the_truth() {
    let made = Made::new();
    let small = Options { pages_max: Some(400), ..Options::at(made.path()) };
    block_on(async {
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(SqliteStore::open(&small).unwrap());
        let writers = (1..=8_u128).map(|number| {
            let store = store.clone();
            async move {
                let mut tale = Story::begin(Sequencer::new(store.clone(), number).await).await;
                let thread = tale.open("work").await;
                let mut posted = 0;
                for n in 0..60_usize {
                    // Small ones still fit when large ones do not.
                    let body =
                        "x".repeat(if (n + usize::try_from(number).unwrap()) % 2 == 0 { 9_000 } else { 10 });
                    let envelope = tale.say(thread, "ann", &body);
                    if tale.sequencer.run(vec![envelope]).await.1.is_ok() {
                        posted += 1;
                    }
                    let ws = tale.sequencer.workspace_id;
                    assert_eq!(
                        store.messages(ws, thread, 0, 100).await.unwrap().len(),
                        posted,
                        "{number} {n}"
                    );
                    let size = store.ledger_head(ws).await.unwrap().size;
                    assert_eq!(store.entries(ws, 0, 200).await.unwrap().len() as u64, size);
                }
                posted
            }
        });
        let posted: usize = futures_util::future::join_all(writers).await.into_iter().sum();
        assert!(posted > 20 && posted < 480, "{posted} posted: the disk must run full on the way");
    });
}
