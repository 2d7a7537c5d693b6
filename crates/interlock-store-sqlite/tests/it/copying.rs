//! The write-ahead log is copied into the file while posts go on; it stays bounded, and what a failed sync lost is copied
//! again. The process whose disk fails is this test binary again.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::future::join_all;
use interlock_core::id::ThreadId;
use interlock_store::{Store, StoreError};
use interlock_store_sqlite::{LogLimits, Options, SqliteStore};
use interlock_testkit::{Sequencer, Story};
use rusqlite::Connection;

use crate::crash::check;
use crate::file::{Made, block_on};

/// Copied every few posts: a post is about ten pages.
pub(crate) const SMALL: LogLimits = LogLimits { copied: 32, anew: 128, max: 512 };
const PAGE_BYTES: u64 = 4_096 + 24;
/// More than one commit of these tests takes.
const COMMIT_PAGES: u64 = 64;
const PATH: &str = "INTERLOCK_TEST_COPIED";
const ROLE: &str = "INTERLOCK_TEST_COPYING";
const LOSES: &str = "loses";
const STUCK: &str = "stuck";
const CONTROL: &str = "INTERLOCK_TEST_DISK";

/// A store with a small log, and somebody who posts to it.
struct Poster {
    store: Arc<SqliteStore>,
    tale: Story,
    thread: ThreadId,
    acked: u64,
}

impl Poster {
    async fn at(path: &Path, log: LogLimits) -> Self {
        let store = Arc::new(SqliteStore::open(&Options { log, ..Options::at(path) }).unwrap());
        Self::on(&store, 1).await
    }

    /// One in a workspace of their own.
    async fn on(store: &Arc<SqliteStore>, workspace: u128) -> Self {
        let store = Arc::clone(store);
        let mut tale = Story::begin(Sequencer::new(store.clone(), workspace).await).await;
        let thread = tale.open("work").await;
        Self { store, tale, thread, acked: 0 }
    }

    /// The next message of those that `check` expects.
    async fn post(&mut self) -> Result<(), StoreError> {
        let envelope = self.tale.say(self.thread, "ann", &format!("number {}", self.acked + 1));
        self.tale.sequencer.run(vec![envelope]).await.1?;
        self.acked += 1;
        Ok(())
    }

    fn pages(&self) -> u64 {
        self.store.write_ahead().unwrap().bytes / PAGE_BYTES
    }

    fn has_copied(&self, times: u64) -> bool {
        self.store.write_ahead().unwrap().copies >= times
    }
}

#[test]
fn the_log_is_copied_while_posts_go_on_and_begins_anew() {
    let made = Made::new();
    block_on(async {
        let mut poster = Poster::at(&made.path(), SMALL).await;
        let (mut pages, mut beginnings) = (0, 0);
        while beginnings < 5 {
            poster.post().await.unwrap();
            let now = poster.pages();
            assert!(now <= u64::from(SMALL.max) + COMMIT_PAGES, "{now} pages");
            beginnings += u32::from(now < pages);
            pages = now;
            assert!(poster.acked < 5_000, "the log never begins anew");
        }
        assert!(poster.has_copied(1), "{:?}", poster.store.write_ahead());
        assert_eq!(poster.store.write_ahead().unwrap().failures, 0);
        check(&made.path(), 1, usize::try_from(poster.acked).unwrap()).await;
    });
    let log = std::fs::metadata(made.path().with_extension("db-wal")).map_or(0, |log| log.len());
    assert!(log <= (u64::from(SMALL.max) + COMMIT_PAGES) * PAGE_BYTES, "{log} bytes");
}

/// The pages that a reader sees stay where they are; nobody is refused for that, and the log begins anew when it has gone.
#[test]
fn who_reads_for_long_keeps_the_log_and_holds_up_nobody() {
    let made = Made::new();
    block_on(async {
        let limits = LogLimits { copied: 16, anew: 32, max: 64 };
        let mut poster = Poster::at(&made.path(), limits).await;
        let reader = Connection::open(made.path()).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let seen = || reader.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, u64>(0));
        let before = seen().unwrap();
        while poster.pages() < u64::from(limits.max) * 2 {
            poster.post().await.unwrap();
            assert!(poster.acked < 1_000, "the log does not grow");
        }
        assert_eq!(seen().unwrap(), before);
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(seen().unwrap(), poster.acked);
        while poster.pages() >= u64::from(limits.anew) {
            poster.post().await.unwrap();
            assert!(poster.acked < 2_000, "the log never begins anew");
        }
        assert_eq!(poster.store.write_ahead().unwrap().failures, 0);
        poster.store.fold().await.unwrap();
        assert_eq!(std::fs::metadata(made.path().with_extension("db-wal")).unwrap().len(), 0);
        check(&made.path(), 1, usize::try_from(poster.acked).unwrap()).await;
    });
}

/// Does nothing in a test run; in a process that `failing` starts, it is the store whose disk fails.
#[test]
fn as_a_child() {
    let (Ok(role), Some(path), Some(control)) =
        (std::env::var(ROLE), std::env::var_os(PATH), std::env::var_os(CONTROL))
    else {
        return;
    };
    let control = OpenOptions::new().read(true).write(true).open(control).unwrap();
    let part = match role.as_str() {
        LOSES => loses,
        STUCK => is_stuck,
        _ => fails_everywhere,
    };
    part(Path::new(&path), &control);
    std::process::exit(0);
}

/// Each call fails once.
fn fails_everywhere(path: &Path, control: &File) {
    block_on(async {
        let log = LogLimits { copied: 16, anew: 48, max: 128 };
        let store = Arc::new(SqliteStore::open(&Options { log, ..Options::at(path) }).unwrap());
        // So many that the writer always has something to do: commits overtake the copier.
        let mut posters = Vec::new();
        for workspace in 1..=4 {
            posters.push(Poster::on(&store, workspace).await);
        }
        let mut failures = 0;
        // Far enough for several rounds of copying to be hit everywhere.
        for n in 1..=150 {
            fail_at(control, n);
            while left(control) > 0 {
                // What is refused is not there, or `check` finds it.
                drop(join_all(posters.iter_mut().map(Poster::post)).await);
            }
            control.write_all_at(b"-", 0).unwrap();
            // The post during which a sync of the copier failed may be refused too, and no later one.
            if posters[0].post().await.is_err() {
                let second = posters[0].post().await;
                assert!(second.is_ok(), "after call {n}: {second:?}");
            }
            failures = store.write_ahead().unwrap().failures;
        }
        assert!(failures > 0, "no copying has failed");
        for (workspace, poster) in (1..).zip(&posters) {
            check(path, workspace, usize::try_from(poster.acked).unwrap()).await;
        }
    });
}

/// A pass that goes no further than somebody reads is synced by nobody but the copier; its sync fails.
fn loses(path: &Path, control: &File) {
    block_on(async {
        let log = LogLimits { copied: 400, anew: 4_000, max: 8_000 };
        let mut poster = Poster::at(path, log).await;
        while poster.pages() < 200 {
            poster.post().await.unwrap();
        }
        let reader = Connection::open(path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        reader.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, u64>(0)).unwrap();
        control.write_all_at(b"l", 0).unwrap();
        while poster.post().await.is_ok() {
            assert!(poster.pages() < 4_000, "nobody noticed that a sync failed");
        }
        control.write_all_at(b"-", 0).unwrap();
        // Who has the file open keeps alive what SQLite believes: until then nothing is built on it.
        assert!(matches!(poster.post().await, Err(StoreError::Unavailable(_))));
        drop(reader);
        poster.post().await.unwrap();
        for _ in 0..200 {
            poster.post().await.unwrap();
        }
        assert_eq!(poster.store.write_ahead().unwrap().failures, 1);
        check(path, 1, usize::try_from(poster.acked).unwrap()).await;
        poster.store.fold().await.unwrap();
        check(path, 1, usize::try_from(poster.acked).unwrap()).await;
    });
}

/// The `n`th call from now on the database's files fails.
fn fail_at(control: &File, n: i32) {
    control.write_all_at(&n.to_ne_bytes(), 4).unwrap();
    control.write_all_at(b"N", 0).unwrap();
}

/// How many calls are still before it.
fn left(control: &File) -> i32 {
    let mut left = [0; 4];
    control.read_exact_at(&mut left, 4).unwrap();
    i32::from_ne_bytes(left)
}

/// Nothing can be copied: at its limit the log takes nothing more, and says why.
fn is_stuck(path: &Path, control: &File) {
    block_on(async {
        let limits = LogLimits { copied: 16, anew: 32, max: 128 };
        let mut poster = Poster::at(path, limits).await;
        control.write_all_at(b"C", 0).unwrap();
        while poster.post().await.is_ok() {
            assert!(poster.pages() < u64::from(limits.max) + COMMIT_PAGES, "the log grows on");
        }
        assert!(poster.pages() >= u64::from(limits.max), "{} pages", poster.pages());
        assert!(poster.store.write_ahead().unwrap().failures > 0);
        for _ in 0..3 {
            assert!(matches!(poster.store.ping().await, Err(StoreError::Unavailable(_))));
            assert!(matches!(poster.post().await, Err(StoreError::Unavailable(_))));
        }
        control.write_all_at(b"-", 0).unwrap();
        poster.store.ping().await.unwrap();
        poster.post().await.unwrap();
        assert!(poster.pages() < u64::from(limits.max), "{} pages", poster.pages());
        check(path, 1, usize::try_from(poster.acked).unwrap()).await;
    });
}

/// In a process of its own, on a disk that fails; a sync that fails loses what it was to sync, as kernels do.
fn failing(role: &str) {
    let made = Made::new();
    let library = made.path().with_file_name("disk.so");
    let source = made.path().with_file_name("disk.c");
    std::fs::write(&source, include_str!("../../../interlock/tests/it/disk.c")).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let made_library = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(made_library.success(), "the database is built by a C compiler, so there is one");
    let control = made.path().with_file_name("disk");
    std::fs::write(&control, [b'-', 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "copying::as_a_child", "--nocapture"])
        .env("LD_PRELOAD", &library)
        .env("INTERLOCK_TEST_DISK_LOSES", "1")
        .env(ROLE, role)
        .env(CONTROL, &control)
        .env(PATH, made.path())
        .status()
        .unwrap();
    assert!(ended.success(), "{ended}");
    let connection = Connection::open(made.path()).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// What was acknowledged is there, in the running store and after its end, whichever call it was.
#[test]
fn a_disk_that_fails_at_any_call_loses_nothing_that_is_copied() {
    failing("everywhere");
}

#[test]
fn what_a_failed_sync_lost_is_copied_again() {
    failing(LOSES);
}

#[test]
fn a_log_that_cannot_be_copied_takes_nothing_more_at_its_limit() {
    failing(STUCK);
}
