//! A disk that is full, fails to sync or is read-only, under the shipped binary: changes are refused with a stable code,
//! nothing is half there, and everything goes on when it clears.
//!
//! What the database asks of the operating system passes a library of a few lines (`disk.c`), which fails as told.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;

use interlock_core::Reason;

use crate::caller::{Caller, is_gap_free, open_thread};
use crate::site::{Running, Server, Site};

/// What the disk does; the first byte of the file that the library looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Disk {
    Well = b'-',
    /// Half of what is written first, then nothing any more.
    Full = b'F',
    SyncFails = b'S',
    /// Only the sync that waits for the times in the file's inode fails.
    TimesSyncFails = b's',
    ReadOnly = b'R',
    /// One call fails, and none before or after it.
    Once = b'N',
}

const FAULTS: [Disk; 3] = [Disk::Full, Disk::SyncFails, Disk::ReadOnly];

/// An instance whose disk is in our hands.
struct Rig {
    site: Site,
    library: PathBuf,
    control: File,
}

impl Rig {
    fn new() -> Self {
        let site = Site::with_instance("");
        let library = library(&site);
        let control = control(&site);
        Self { site, library, control }
    }

    fn up(&self, address: &str) -> Server {
        let words = ["up", "--json", "--server-only", "--listen", address];
        let mut command = self.site.command(&words);
        command.env("LD_PRELOAD", &self.library).env("INTERLOCK_TEST_DISK", self.site.path("disk"));
        let running = Running::new(&mut command);
        let ready = running.json();
        assert_eq!(ready["event"], "ready", "{ready} {}", running.errors());
        Server { url: ready["url"].as_str().unwrap().to_owned(), running }
    }

    fn is(&self, disk: Disk) {
        self.control.write_all_at(&[disk as u8], 0).unwrap();
    }

    /// The `n`th call from now on the database's files fails, counted from 1.
    fn fails_at(&self, n: i32) {
        self.control.write_all_at(&n.to_ne_bytes(), 4).unwrap();
        self.is(Disk::Once);
    }

    /// All is well again; says whether a call has failed.
    fn has_failed(&self) -> bool {
        self.is(Disk::Well);
        let mut left = [0; 4];
        self.control.read_exact_at(&mut left, 4).unwrap();
        i32::from_ne_bytes(left) <= 0
    }

    fn ledger_verifies(&self) {
        self.site.ask(&["ledger", "export", "ledger.tar"]);
        assert_eq!(self.site.ask(&["verify", "ledger.tar"])["verified"], true);
    }
}

/// The library, made.
pub(crate) fn library(site: &Site) -> PathBuf {
    let source = site.write("disk.c", include_str!("disk.c"));
    let library = site.path("disk.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut cc = Command::new(compiler);
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    let done = cc.output().expect("the database is built by a C compiler, so there is one");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    library
}

/// The file by which the library is told, of a disk that is well.
pub(crate) fn control(site: &Site) -> File {
    let control = site.write("disk", "-\0\0\0\0\0\0\0");
    OpenOptions::new().read(true).write(true).open(control).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// Several at once, each refused with the code for what may succeed later.
pub(crate) async fn all_are_refused(caller: &Caller, round: &str) {
    let posts = (0..8).map(|n| {
        let (caller, key) = (caller.clone(), format!("{round}-{n}"));
        tokio::spawn(async move { (key.clone(), caller.post(&key).await) })
    });
    for post in posts.collect::<Vec<_>>() {
        let (key, answer) = post.await.unwrap();
        let problem = answer.expect_err(&key);
        assert_eq!(problem.reason, Reason::StoreUnavailable.as_str(), "{key}: {problem}");
        assert_eq!((problem.status, problem.code.as_str(), problem.retryable), (503, "UNAVAILABLE", true));
        assert!(problem.retry_after_ms.is_some(), "{key}");
    }
}

/// The same requests again: each is there once, after what was there before.
pub(crate) async fn all_are_done(caller: &Caller, round: &str) {
    for n in 0..8 {
        let key = format!("{round}-{n}");
        let seq = caller.post(&key).await.unwrap_or_else(|problem| panic!("{key}: {problem}"));
        assert_eq!(caller.post(&key).await.unwrap(), seq);
    }
    let messages = caller.read_after(0).await;
    is_gap_free(&messages, 0);
    for n in 0..8 {
        let key = format!("{round}-{n}");
        assert_eq!(messages.iter().filter(|(_, body)| *body == key).count(), 1, "{key}: {messages:?}");
    }
}

#[test]
fn a_disk_that_fails_refuses_and_goes_on_when_it_clears() {
    let rig = Rig::new();
    let server = rig.up("127.0.0.1:0");
    let caller = Caller::new(&rig.site, &server.url, "ann", &open_thread(&rig.site));
    let reader = Caller::new(&rig.site, &server.url, "ben", &caller.thread);
    runtime().block_on(async {
        reader.post("hello").await.unwrap();
        for disk in FAULTS {
            let seq = caller.post(&format!("before {disk:?}")).await.unwrap();
            let before = (caller.read_after(0).await, caller.cursors().await);
            rig.is(disk);
            for round in 0..3 {
                all_are_refused(&caller, &format!("{disk:?}{round}")).await;
            }
            let problem = reader.ack(seq, &format!("ack {disk:?}")).await.unwrap_err();
            assert_eq!(problem.reason, Reason::StoreUnavailable.as_str(), "{disk:?}: {problem}");
            // Reading goes on, and nothing of what was refused is there.
            assert_eq!((caller.read_after(0).await, caller.cursors().await), before, "{disk:?}");
            rig.is(Disk::Well);
            for round in 0..3 {
                all_are_done(&caller, &format!("{disk:?}{round}")).await;
            }
            assert_eq!(reader.ack(seq, &format!("ack {disk:?}")).await.unwrap(), seq);
        }
    });
    rig.ledger_verifies();
}

/// A commit syncs what was written, and waits for nothing that reading it back does not need.
#[test]
fn a_commit_does_not_wait_for_the_times_of_its_files() {
    let rig = Rig::new();
    let server = rig.up("127.0.0.1:0");
    let caller = Caller::new(&rig.site, &server.url, "ann", &open_thread(&rig.site));
    rig.is(Disk::TimesSyncFails);
    runtime().block_on(all_are_done(&caller, "posted"));
    rig.is(Disk::Well);
    rig.ledger_verifies();
}

/// What was refused may be there after a kill, when the log holds it that could not be synced; the key tells.
#[test]
fn a_server_killed_on_a_disk_that_fails_comes_back_whole() {
    for disk in FAULTS {
        let rig = Rig::new();
        let mut server = rig.up("127.0.0.1:0");
        let address = server.address().to_owned();
        let caller = Caller::new(&rig.site, &server.url, "ann", &open_thread(&rig.site));
        let runtime = runtime();
        runtime.block_on(async {
            caller.post("before").await.unwrap();
            rig.is(disk);
            all_are_refused(&caller, "lost").await;
        });
        server.running.kill();
        rig.is(Disk::Well);
        server = rig.up(&address);
        runtime.block_on(all_are_done(&caller, "lost"));
        rig.ledger_verifies();
        drop(server);
    }
}

/// One write or sync fails, whichever it is, for each kind of change: it is refused or done, and asked again with its key
/// it is done once.
#[test]
fn a_disk_that_fails_at_any_call_leaves_no_half_state() {
    let rig = Rig::new();
    let server = rig.up("127.0.0.1:0");
    let caller = Caller::new(&rig.site, &server.url, "ann", &open_thread(&rig.site));
    runtime().block_on(async {
        let (mut posts, mut seq) = (0, caller.post("before").await.unwrap());
        for kind in 0..Caller::KINDS {
            let mut refused = 0;
            for n in 1.. {
                let key = format!("{kind}-{n}");
                rig.fails_at(n);
                let first = caller.changes(kind, n, seq).await;
                let has_failed = rig.has_failed();
                if let Err(problem) = &first {
                    refused += 1;
                    assert!(has_failed, "{key}: {problem}");
                    assert_eq!(problem.reason, Reason::StoreUnavailable.as_str(), "{key}: {problem}");
                }
                let again = caller.changes(kind, n, seq).await.unwrap_or_else(|p| panic!("{key}: {p}"));
                assert!(first.is_err() || first.unwrap() == again, "{key}");
                posts += u64::from(kind == 0);
                seq = caller.post(&format!("after {key}")).await.unwrap();
                posts += 1;
                if !has_failed {
                    assert!(refused > 0, "none of the {n} calls of kind {kind} matters");
                    break;
                }
            }
        }
        let messages = caller.read_after(0).await;
        is_gap_free(&messages, 0);
        // Of changes of status Interlock itself speaks.
        let said = messages.iter().filter(|(_, body)| !body.is_empty()).count();
        assert_eq!(said as u64, posts + 1, "each once");
    });
    rig.ledger_verifies();
}
