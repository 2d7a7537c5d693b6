//! The write-ahead log is copied into the file while posts go on; it stays bounded, and what a failed sync lost is copied
//! again. The process whose disk fails is this test binary again.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use interlock_core::id::ThreadId;
use interlock_store::{Store, StoreError};
use interlock_store_sqlite::{LogLimits, Options, SqliteStore};
use interlock_testkit::{Sequencer, Story};
use rusqlite::Connection;

use crate::crash::check;
use crate::file::{Made, block_on};

/// Copied every few posts: a post is about ten pages.
const SMALL: LogLimits = LogLimits { copied: 32, anew: 128, max: 512 };
const PAGE_BYTES: u64 = 4_096 + 24;
/// More than one commit of these tests takes.
const COMMIT_PAGES: u64 = 64;
const PATH: &str = "INTERLOCK_TEST_COPIED";
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
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
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
        check(&made.path(), usize::try_from(poster.acked).unwrap()).await;
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
        check(&made.path(), usize::try_from(poster.acked).unwrap()).await;
    });
}

/// Does nothing in a test run; in a process that `copies_on_a_failing_disk` starts, it is the store whose disk fails.
#[test]
fn as_a_child() {
    let (Some(path), Some(control)) = (std::env::var_os(PATH), std::env::var_os(CONTROL)) else { return };
    let control = OpenOptions::new().read(true).write(true).open(control).unwrap();
    block_on(async {
        let limits = LogLimits { copied: 16, anew: 48, max: 128 };
        let mut poster = Poster::at(Path::new(&path), limits).await;
        let mut failures = 0;
        // Far enough for several rounds of copying to be hit everywhere.
        for n in 1..=200 {
            fail_at(&control, n);
            while left(&control) > 0 {
                // What is refused is not there, or `check` finds it.
                drop(poster.post().await);
            }
            control.write_all_at(b"-", 0).unwrap();
            // The post during which a sync of the copier failed may be refused too, and no later one.
            if poster.post().await.is_err() {
                poster.post().await.unwrap_or_else(|error| panic!("after call {n}: {error}"));
            }
            failures = poster.store.write_ahead().unwrap().failures;
        }
        assert!(failures > 0, "no copying has failed");
        check(Path::new(&path), usize::try_from(poster.acked).unwrap()).await;
        std::process::exit(0);
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

/// Each call fails once, and a sync that fails loses what it was to sync, as kernels do. What was acknowledged is there, in
/// the running store and after its end.
#[test]
fn copies_on_a_failing_disk() {
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
        .expect("the database is built by a C compiler, so there is one");
    assert!(made_library.success());
    let control = made.path().with_file_name("disk");
    std::fs::write(&control, [b'-', 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "copying::as_a_child", "--nocapture"])
        .env("LD_PRELOAD", &library)
        .env("INTERLOCK_TEST_DISK_LOSES", "1")
        .env(CONTROL, &control)
        .env(PATH, made.path())
        .status()
        .unwrap();
    assert!(ended.success(), "{ended}");
    block_on(async {
        let store = made.try_open().unwrap();
        let workspace = interlock_core::id::WorkspaceId::from_u128(1);
        let size = store.ledger_head(workspace).await.unwrap().size;
        assert_eq!(store.entries(workspace, 0, u32::MAX).await.unwrap().len() as u64, size);
    });
    let whole: String = Connection::open(made.path())
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}
