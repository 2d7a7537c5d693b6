//! An instance that moves to PostgreSQL and back.

use std::fs;

use interlock_testkit::postgres::TestDatabase;
use serde_json::Value;

use crate::by_hand::{add_agent, finished_wakes, script, thread_with};
use crate::postgres_nodes::{messages, places};
use crate::site::Site;
use crate::wait::until;

/// An instance in which somebody was woken, and the thread; its server is stopped.
fn lived_in() -> (Site, String) {
    let site = Site::with_instance("");
    let server = site.up(&[]);
    add_agent(&site, "worker", &script("\"$binary\" thread post \"$INTERLOCK_THREAD\" done"));
    let thread = thread_with(&site, "worker");
    site.ask(&["thread", "post", &thread, "please, with ä and \u{1F980}"]);
    finished_wakes(&site, &thread);
    site.ask(&["thread", "post", &thread, "never mind", "--urgent"]);
    finished_wakes(&site, &thread);
    site.ask(&["stop"]);
    drop(server);
    (site, thread)
}

/// What an instance shows of itself, with its server running for as long as it takes.
fn shown(site: &Site, thread: &str) -> Value {
    let _server = site.up(&["--server-only"]);
    let shown = serde_json::json!({
        "messages": messages(site, thread),
        "wakes": site.ask(&["wake", "list", "--thread", thread]),
        "entries": site.ask(&["ledger", "entries", "--limit", "200"]),
        "agents": site.ask(&["agent", "list"]),
        "thread": site.ask(&["thread", "show", thread]),
    });
    site.ask(&["ledger", "export", "ledger.tar"]);
    assert_eq!(site.ask(&["verify", "ledger.tar"])["verified"], true);
    shown
}

#[test]
fn there_and_back_nothing_is_lost() {
    let Some(database) = TestDatabase::make("there_and_back_nothing_is_lost") else { return };
    let (site, thread) = lived_in();
    let before = shown(&site, &thread);
    let there = site.ask(&["migrate", "--database-url", database.url()]);
    assert_eq!(there["moved_to"], "postgresql");
    assert!(!site.path(".interlock/interlock.db").exists());
    assert!(site.path(".interlock/interlock.db.moved").exists(), "the file stays under another name");
    let back = site.ask(&["migrate", "--back"]);
    assert_eq!((&back["digest"], &back["checkpoint"]), (&there["digest"], &there["checkpoint"]));
    assert_eq!(shown(&site, &thread), before);

    // Once more to the same database, where life goes on.
    site.ask(&["migrate", "--database-url", database.url()]);
    assert_eq!(shown(&site, &thread), before);
    site.run(&["migrate"]).failed(1, "NOTHING_TO_MOVE");
    let server = site.up(&["--server-only"]);
    site.ask(&["thread", "post", &thread, "from PostgreSQL"]);
    drop(server);
    site.ask(&["migrate", "--back"]);
    let _server = site.up(&["--server-only"]);
    let told = messages(&site, &thread);
    assert_eq!(told.last().map(|(_, body)| body.as_str()), Some("from PostgreSQL"), "{told:?}");
    assert!((1_u64..).zip(&told).all(|(seq, (stored, _))| *stored == seq), "{told:?}");
}

#[test]
fn what_is_in_use_or_in_the_way_is_not_touched() {
    let Some(database) = TestDatabase::make("what_is_in_use_or_in_the_way_is_not_touched") else { return };
    let sites = places(database.url(), 2, "");
    let [site, other] = sites.as_slice() else { panic!("two places") };
    site.run(&["migrate"]).failed(1, "NOTHING_TO_MOVE");
    let server = site.up(&["--server-only"]);
    site.ask(&["thread", "create", "first"]);
    site.run(&["migrate", "--back"]).failed(1, "SERVER_RUNNING");
    drop(server);
    // One elsewhere is not seen by the folder's lock.
    let server = other.up(&["--server-only"]);
    site.run(&["migrate", "--back"]).failed(1, "SERVER_RUNNING");
    drop(server);
    site.ask(&["migrate", "--back"]);

    // The same workspace goes on in two places: in this file, and in the database that a copy of it is moved to.
    fs::copy(site.path(".interlock/interlock.db"), other.path(".interlock/interlock.db")).unwrap();
    other.ask(&["migrate"]);
    let server = site.up(&["--server-only"]);
    site.ask(&["thread", "create", "second"]);
    drop(server);
    let ran = site.run(&["migrate", "--database-url", database.url()]).failed(1, "TARGET_NOT_EMPTY");
    assert!(ran.err.contains("1 entries; the one to move has 2"), "{ran:?}");
    let _server = site.up(&["--server-only"]);
    assert!(site.run(&["thread", "list"]).ok().out.contains("second"));
}

const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'message'::regclass";

/// Killed in the middle, there and back: the source is as it was, and a second try succeeds.
#[test]
fn an_interruption_leaves_the_source_usable() {
    let Some(database) = TestDatabase::make("an_interruption_leaves_the_source_usable") else { return };
    let (site, thread) = lived_in();
    let before = shown(&site, &thread);
    // Makes the tables.
    Site::new().run(&["init", "--database-url", database.url()]).ok();
    for words in [["migrate", "--database-url", database.url()].as_slice(), &["migrate", "--back"]] {
        let held = database.hold("LOCK TABLE message IN ACCESS EXCLUSIVE MODE");
        let mut moving = site.start(words);
        until("the middle", || (database.sql(WAITING).trim() == "1").then_some(()));
        moving.kill();
        drop(held);
        until("the end of its connection", || (database.sql(MOVING).trim() == "0").then_some(()));
        assert_eq!(shown(&site, &thread), before, "{words:?}");
        site.run(words).ok();
        assert_eq!(shown(&site, &thread), before, "{words:?}");
    }
}

const MOVING: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'interlock migrate'
    AND datname = current_database()";

/// What people wrote into the configuration stays; only the one line changes.
#[test]
fn the_configuration_keeps_what_people_wrote() {
    let Some(database) = TestDatabase::make("the_configuration_keeps_what_people_wrote") else { return };
    let site = Site::with_instance("turns_without_progress_max = 7 # ours");
    let before = fs::read_to_string(site.path(".interlock/config.toml")).unwrap();
    drop(site.up(&["--server-only"]));
    site.ask(&["migrate", "--database-url", database.url()]);
    let there = fs::read_to_string(site.path(".interlock/config.toml")).unwrap();
    assert!(there.contains("= 7 # ours") && there.contains(database.url()), "{there}");
    site.ask(&["migrate", "--back"]);
    assert_eq!(fs::read_to_string(site.path(".interlock/config.toml")).unwrap(), before);
}
