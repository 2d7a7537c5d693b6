//! PostgreSQL that ends and comes back while everybody is at work.

use std::sync::atomic::{AtomicUsize, Ordering};

use interlock_testkit::postgres::OwnServer;

use crate::postgres_nodes::{messages, places};
use crate::processes;
use crate::site::Site;
use crate::wait::until;

/// Posts of each poster, and posters.
const POSTS: usize = 15;
const POSTERS: usize = 4;

/// Post until it is taken, always with the same key; counts the refusals, which must be of the one kind.
fn post(site: &Site, thread: &str, words: &str, refused: &AtomicUsize) {
    until("the database", || {
        let ran = site.run(&["thread", "post", thread, words, "--key", words, "--json"]);
        if ran.code == 0 {
            return Some(());
        }
        let problem = ran.failed(4, "STORE_UNAVAILABLE").only_json();
        assert_eq!((&problem["code"], &problem["status"]), (&"UNAVAILABLE".into(), &503.into()), "{problem}");
        assert_eq!(problem["retryable"], true, "{problem}");
        refused.fetch_add(1, Ordering::SeqCst);
        None
    });
}

/// Meanwhile everybody is told to come back; afterwards everything is there once, and the same servers go on.
#[test]
fn a_database_that_crashes_under_load_is_waited_for() {
    let Some(postgres) = OwnServer::make("a_database_that_crashes_under_load_is_waited_for") else { return };
    let sites = places(&postgres.url(), 2, "");
    let servers: Vec<_> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
    let created = sites[0].ask(&["thread", "create", "Through thick and thin"]);
    let thread = created["thread_id"].as_str().unwrap();
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for poster in 0..POSTERS {
            let (site, done, refused) = (&sites[poster % 2], &done, &refused);
            scope.spawn(move || {
                for number in 0..POSTS {
                    post(site, thread, &format!("{poster}-{number}"), refused);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("the middle", || (done.load(Ordering::SeqCst) >= POSTERS * POSTS / 3).then_some(()));
        postgres.crash();
        until("refusals", || (refused.load(Ordering::SeqCst) >= POSTERS).then_some(()));
        sites[0].run(&["status"]).failed(4, "STORE_UNAVAILABLE");
        postgres.start();
    });
    let told = messages(&sites[0], thread);
    assert!((1_u64..).zip(&told).all(|(seq, (stored, _))| *stored == seq), "{told:?}");
    let mut bodies: Vec<&str> = told.iter().map(|(_, body)| body.as_str()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!((told.len(), bodies.len()), (POSTERS * POSTS, POSTERS * POSTS), "{told:?}");
    assert!(servers.iter().all(|server| processes::is_alive(server.running.id())));
    // They hear each other again.
    let tail = sites[0].start(&["thread", "tail", thread, "--json"]);
    sites[1].ask(&["thread", "post", thread, "back again"]);
    until("the last message", || (tail.json()["message"]["body"] == "back again").then_some(()));
}
