//! One server per file, and what is left when its process is killed. The other process is this test binary again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use interlock_core::id::WorkspaceId;
use interlock_ledger::{Tree, leaf_hash, open_checkpoint};
use interlock_store::{Page, Store, StoreError, ThreadFilter};
use interlock_store_sqlite::{Holder, InstanceLock, Options, SqliteStore};
use interlock_testkit::{Sequencer, Story};

use crate::copying::SMALL;
use crate::file::{Made, block_on};

const ROLE: &str = "INTERLOCK_TEST_CHILD";
const PATH: &str = "INTERLOCK_TEST_PATH";

/// Does nothing in a test run; in a process started by `child` it plays that process's part until it is killed.
#[test]
fn as_a_child() {
    let (Ok(role), Some(path)) = (std::env::var(ROLE), std::env::var_os(PATH)) else { return };
    let path = Path::new(&path);
    if role == "hold" {
        let _lock = InstanceLock::acquire(path, &holder("the child")).unwrap();
        say("held");
        loop {
            std::thread::park();
        }
    }
    block_on(async {
        let options = Options { log: SMALL, ..Options::at(path) };
        let store = Arc::new(SqliteStore::open(&options).unwrap());
        let mut tale = Story::begin(Sequencer::new(store, 1).await).await;
        let thread = tale.open("work").await;
        for n in 1_u64.. {
            tale.post(thread, "ann", &format!("number {n}"), &[]).await.unwrap();
            say(&format!("acked {n}"));
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

fn holder(what: &str) -> Holder {
    Holder { pid: std::process::id(), what: what.into(), since: "2026-01-02T03:04:05Z".into() }
}

/// A process that is killed when a test ends, however it ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn child(role: &str, path: &Path) -> (Process, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::as_a_child", "--nocapture"])
        .env(ROLE, role)
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (Process(child), out.lines().map(Result::unwrap))
}

#[test]
fn a_second_server_is_refused_with_the_holder_named() {
    let made = Made::new();
    let path = made.path().with_file_name("lock");
    let mut first = InstanceLock::acquire(&path, &holder("the first")).unwrap();
    let Err(StoreError::Held { holder: named }) = InstanceLock::acquire(&path, &holder("the second")) else {
        panic!("two hold it")
    };
    assert!(named.contains("the first") && named.contains(&std::process::id().to_string()), "{named}");
    first.note(&holder("the first at http://127.0.0.1:1")).unwrap();
    assert!(InstanceLock::holder(&path).unwrap().contains("http://127.0.0.1:1"));
    drop(first);
    assert_eq!(InstanceLock::holder(&path), None);
    assert!(path.exists(), "the file stays: removing it would let two holders in");
    assert!(InstanceLock::acquire(&path, &holder("the second")).is_ok());
}

#[test]
fn a_lock_ends_with_its_process() {
    let made = Made::new();
    let path = made.path().with_file_name("lock");
    let (process, mut lines) = child("hold", &path);
    assert!(lines.any(|line| line == "held"));
    let Err(StoreError::Held { holder: named }) = InstanceLock::acquire(&path, &holder("us")) else {
        panic!("two hold it")
    };
    assert!(named.contains("the child") && named.contains(&process.0.id().to_string()), "{named}");
    drop(process);
    assert!(InstanceLock::acquire(&path, &holder("us")).is_ok(), "nobody has to clean up");
}

#[test]
fn a_note_that_makes_no_sense_still_holds() {
    let made = Made::new();
    let path = made.path().with_file_name("lock");
    let lock = InstanceLock::acquire(&path, &holder("first")).unwrap();
    std::fs::write(&path, [0xFF; 10_000]).unwrap();
    let Err(StoreError::Held { holder: named }) = InstanceLock::acquire(&path, &holder("us")) else {
        panic!("two hold it")
    };
    assert_eq!(named, "another process");
    drop(lock);
}

/// Every batch that was acknowledged before the kill is there, and the ledger is whole. The log is copied every few posts, so
/// that some of the kills come amid that.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    for kill_after in [1, 13, 40, 151, 152, 153, 154, 300] {
        let made = Made::new();
        let (process, mut lines) = child("write", &made.path());
        let number = |line: &str| line.strip_prefix("acked ").map(|n| n.parse::<usize>().unwrap());
        assert!(lines.any(|line| number(&line) == Some(kill_after)));
        drop(process);
        let acked = lines.filter_map(|line| number(&line)).last().unwrap_or(kill_after);
        let wal = std::fs::metadata(made.path().with_file_name("interlock.db-wal")).unwrap();
        assert!(wal.len() > 0, "the log was left behind");
        block_on(check(&made.path(), 1, acked));
    }
}

/// Everything that was acknowledged is there in order, nothing else is between, and the ledger is whole.
pub(crate) async fn check(path: &Path, workspace: u128, acked: usize) {
    let store = SqliteStore::open(&Options::at(path)).unwrap();
    let ws = WorkspaceId::from_u128(workspace);
    let threads = store.threads(ws, ThreadFilter::default(), Page { after: None, limit: 5 }).await.unwrap();
    let messages = store.messages(ws, threads[0].thread_id, 0, u32::MAX).await.unwrap();
    assert!(messages.len() >= acked, "{} messages, {acked} acknowledged", messages.len());
    assert_eq!(threads[0].seq, messages.len() as u64);
    for (n, stored) in (1..).zip(&messages) {
        assert_eq!(stored.message.text.body, format!("number {n}"));
    }
    let mut tree = Tree::empty();
    for row in store.entries(ws, 0, u32::MAX).await.unwrap() {
        assert_eq!(row.index, tree.size());
        tree.append(leaf_hash(&row.envelope));
    }
    let head = store.ledger_head(ws).await.unwrap();
    let vkey = Sequencer::key().vkey(&format!("interlock.test/{workspace}")).unwrap();
    let checkpoint = open_checkpoint(&head.checkpoint.unwrap(), &vkey).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (tree.size(), tree.root()));
}
