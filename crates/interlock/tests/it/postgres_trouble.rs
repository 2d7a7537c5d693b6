//! A database in trouble under several servers: read-only, full, slow, with sessions that are ended, and with a server that
//! holds its locks and does not go on. Changes are refused with the code for what may succeed later, nothing is half there,
//! and the same servers go on when it is over.

use std::fs::Permissions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_testkit::postgres::{OwnServer, TestDatabase};
use rustix::process::Signal;

use crate::caller::{Caller, is_gap_free, open_thread};
use crate::disk::{self, all_are_done, all_are_refused};
use crate::postgres_nodes::places;
use crate::processes;
use crate::site::{Server, Site};
use crate::wait::until;

/// Two servers on one database, and somebody who calls each of them.
struct Rig {
    sites: Vec<Site>,
    servers: Vec<Server>,
    callers: Vec<Caller>,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    fn new(url: &str) -> Self {
        let sites = places(url, 2, "");
        let servers: Vec<Server> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
        let thread = open_thread(&sites[0]);
        let caller = |(site, server): (&Site, &Server)| Caller::new(site, &server.url, "ann", &thread);
        let callers = sites.iter().zip(&servers).map(caller).collect();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        Self { sites, servers, callers, runtime }
    }

    /// Post until it is taken, always with the same key.
    fn insists(&self, who: usize, key: &str) -> u64 {
        until("a message to be taken", || match self.runtime.block_on(self.callers[who].post(key)) {
            Ok(seq) => Some(seq),
            Err(problem) => {
                may_succeed_later(&problem);
                None
            }
        })
    }

    /// What there is, once that is told: each session that was ended is found out by one who asks.
    fn reads(&self, who: usize) -> Vec<(u64, String)> {
        let read = || self.runtime.block_on(self.callers[who].try_read_after(0));
        until("messages to be read", || read().inspect_err(may_succeed_later).ok())
    }

    /// Everything that was insisted on is there once, without gaps; the servers are the same, and the ledger verifies.
    fn is_whole(&self, keys: impl IntoIterator<Item = String>) {
        let messages = self.reads(0);
        is_gap_free(&messages, 0);
        assert_eq!(self.reads(1), messages);
        for key in keys {
            assert_eq!(messages.iter().filter(|(_, body)| *body == key).count(), 1, "`{key}`: {messages:?}");
        }
        assert!(self.servers.iter().all(|server| processes::is_alive(server.running.id())));
        self.sites[0].ask(&["ledger", "export", "ledger.tar"]);
        assert_eq!(self.sites[0].ask(&["verify", "ledger.tar"])["verified"], true);
    }
}

fn may_succeed_later(problem: &Problem) {
    assert_eq!(problem.reason, Reason::StoreUnavailable.as_str(), "{problem}");
    assert_eq!((problem.status, problem.code.as_str(), problem.retryable), (503, "UNAVAILABLE", true));
}

#[test]
fn a_database_that_is_read_only_refuses_changes_until_it_is_not() {
    let test = "a_database_that_is_read_only_refuses_changes_until_it_is_not";
    let Some(database) = TestDatabase::make(test) else { return };
    let rig = Rig::new(database.url());
    rig.insists(0, "before");
    let before = rig.runtime.block_on(rig.callers[0].read_after(0));
    database.alter("SET default_transaction_read_only = on");
    database.end_sessions();
    for who in 0..2 {
        assert_eq!(rig.reads(who), before, "reading goes on");
    }
    rig.runtime.block_on(async {
        for (who, caller) in rig.callers.iter().enumerate() {
            // Whoever finds its sessions ended does not know why yet.
            caller.post("first").await.unwrap_err();
            all_are_refused(caller, &format!("read-only {who}")).await;
        }
    });
    for who in 0..2 {
        assert_eq!(rig.reads(who), before, "reading goes on");
    }
    database.alter("RESET default_transaction_read_only");
    // Sessions that began read-only are given up by themselves, one refusal each.
    for who in 0..2 {
        rig.insists(who, &format!("after {who}"));
        for n in 0..8 {
            rig.insists(who, &format!("read-only {who}-{n}"));
        }
    }
    rig.runtime.block_on(async {
        for (who, caller) in rig.callers.iter().enumerate() {
            all_are_done(caller, &format!("read-only {who}")).await;
        }
    });
    rig.is_whole(["before", "after 0", "after 1"].map(str::to_owned));
}

/// One less is at work when this ends, also by a panic.
struct Leaves<'a>(&'a AtomicU64);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sessions end again and again while everybody is at work: before, amid and after their transactions.
#[test]
fn sessions_that_are_ended_under_load_lose_and_double_nothing() {
    const POSTS: usize = 60;
    let test = "sessions_that_are_ended_under_load_lose_and_double_nothing";
    let Some(database) = TestDatabase::make(test) else { return };
    let rig = Rig::new(database.url());
    let (refused, at_work) = (AtomicU64::new(0), AtomicU64::new(4));
    std::thread::scope(|scope| {
        for poster in 0..4 {
            let (caller, refused) = (&rig.callers[poster % 2], &refused);
            // Their connections are shared, and live as long as what they were made on.
            let (runtime, leaves) = (&rig.runtime, Leaves(&at_work));
            scope.spawn(move || {
                let _leaves = leaves;
                for n in 0..POSTS {
                    until("a message to be taken", || {
                        let posted = runtime.block_on(caller.post(&format!("{poster}-{n}")));
                        posted
                            .inspect_err(|problem| {
                                may_succeed_later(problem);
                                refused.fetch_add(1, Ordering::SeqCst);
                            })
                            .ok()
                    });
                }
            });
        }
        while at_work.load(Ordering::SeqCst) > 0 {
            database.end_sessions();
        }
    });
    assert!(refused.load(Ordering::SeqCst) > 0, "nobody met an ended session");
    // The last sessions that were ended are found out by whoever asks next.
    for who in 0..2 {
        rig.insists(who, &format!("after {who}"));
    }
    until("reads to be answered", || {
        rig.sites.iter().all(|site| site.run(&["thread", "list"]).code == 0).then_some(())
    });
    rig.is_whole((0..4).flat_map(|poster| (0..POSTS).map(move |n| format!("{poster}-{n}"))));
}

/// A statement that does not end is ended, by the database's clock or by ours.
#[test]
fn a_database_that_is_too_slow_refuses_and_goes_on() {
    let Some(database) = TestDatabase::make("a_database_that_is_too_slow_refuses_and_goes_on") else {
        return;
    };
    let rig = Rig::new(database.url());
    rig.insists(0, "before");
    let before = rig.runtime.block_on(rig.callers[1].read_after(0));
    database.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    rig.runtime.block_on(async {
        let slow = tokio::spawn({
            let caller = rig.callers[0].clone();
            async move { caller.post("slow").await }
        });
        assert_eq!(rig.callers[1].read_after(0).await, before, "reading goes on");
        may_succeed_later(&slow.await.unwrap().unwrap_err());
    });
    database.sql("DROP FUNCTION slow CASCADE");
    rig.insists(1, "slow");
    rig.insists(0, "after");
    rig.is_whole(["before", "slow", "after"].map(str::to_owned));
}

/// A server that stops in the middle of a transaction holds the workspace's lock: the database takes it away, and the
/// others go on. When it wakes up, it has written nothing of that.
#[test]
fn a_server_that_stands_still_with_the_lock_keeps_nobody_for_ever() {
    let test = "a_server_that_stands_still_with_the_lock_keeps_nobody_for_ever";
    let Some(database) = TestDatabase::make(test) else { return };
    let rig = Rig::new(database.url());
    let (stop, stands) = (AtomicBool::new(false), &rig.servers[0].running);
    let posted = std::thread::scope(|scope| {
        let posting: Vec<_> = (0..4)
            .map(|poster| {
                let (caller, stop, runtime) = (&rig.callers[0], &stop, &rig.runtime);
                scope.spawn(move || {
                    let mut keys = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let key = format!("{poster}-{}", keys.len());
                        until("a message to be taken", || runtime.block_on(caller.post(&key)).ok());
                        keys.push(key);
                    }
                    keys
                })
            })
            .collect();
        until("a stop amid a transaction", || {
            stands.signal(Signal::STOP);
            let holds = database.idle_in_transaction() > 0;
            if !holds {
                stands.signal(Signal::CONT);
            }
            holds.then_some(())
        });
        rig.insists(1, "the other goes on");
        stop.store(true, Ordering::SeqCst);
        stands.signal(Signal::CONT);
        posting.into_iter().flat_map(|posting| posting.join().unwrap()).collect::<Vec<String>>()
    });
    rig.insists(0, "and so does the first");
    let both = ["the other goes on", "and so does the first"].map(str::to_owned);
    rig.is_whole(posted.into_iter().chain(both));
}

/// The disk under the database has no room left: nothing of it grows any more.
#[test]
fn a_database_on_a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let test = "a_database_on_a_full_disk_refuses_and_goes_on_when_there_is_room";
    let bench = Site::new();
    // The database's user must be able to look at both files, whoever that is, and to count down in one of them.
    let (library, control) = (disk::library(&bench), disk::control(&bench));
    let told = bench.path("disk");
    std::fs::set_permissions(bench.path("."), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&told, Permissions::from_mode(0o666)).unwrap();
    let environment = vec![
        ("LD_PRELOAD", library),
        ("INTERLOCK_TEST_DISK", told),
        ("INTERLOCK_TEST_DISK_FILES", "/base/".into()),
    ];
    let Some(postgres) = OwnServer::with_environment(test, environment) else { return };
    let rig = Rig::new(&postgres.url());
    rig.insists(0, "before");
    control.write_all_at(b"E", 0).unwrap();
    // What there is room for in the files that are there is taken; then no more.
    let filling = "x".repeat(2_000);
    let (mut keys, mut refused) = (Vec::new(), 0);
    while refused < 3 {
        assert!(keys.len() < 2_000, "the disk is never full");
        let key = format!("{}-{}", keys.len(), &filling[..100]);
        if let Err(problem) = rig.runtime.block_on(rig.callers[keys.len() % 2].post(&key)) {
            may_succeed_later(&problem);
            refused += 1;
        }
        keys.push(key);
    }
    let before = rig.runtime.block_on(rig.callers[0].read_after(0));
    is_gap_free(&before, 0);
    assert!(before.len() < keys.len(), "what was refused is not there");
    control.write_all_at(b"-", 0).unwrap();
    for (n, key) in keys.iter().enumerate() {
        rig.insists(n % 2, key);
    }
    keys.push("before".to_owned());
    rig.is_whole(keys);
}
