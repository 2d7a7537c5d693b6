//! Several servers on one PostgreSQL database behave as one.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use interlock_testkit::postgres::TestDatabase;
use rustix::process::Signal;
use serde_json::Value;

use crate::by_hand::{add_agent, finished_wakes, script, thread_with};
use crate::site::{Server, Site};
use crate::wait::until;

/// Posts of each poster.
const POSTS: usize = 12;

/// Places with the same instance, keys included, each for a server of its own.
pub(crate) fn places(url: &str, count: usize, policy: &str) -> Vec<Site> {
    let first = Site::with_instance(policy);
    keep_in(&first, url);
    let mut sites = vec![first];
    while sites.len() < count {
        let site = Site::new();
        site.run(&["init"]).ok();
        for name in ["config.toml", "keys/issuer.pem", "keys/ledger.pem", "keys/ledger.vkey"] {
            let place = format!(".interlock/{name}");
            fs::copy(sites[0].path(&place), site.path(&place)).unwrap();
        }
        sites.push(site);
    }
    sites
}

/// Write the database into a place's configuration.
pub(crate) fn keep_in(site: &Site, url: &str) {
    let config = site.path(".interlock/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, text.replace("[policy]", &format!("database_url = \"{url}\"\n\n[policy]"))).unwrap();
}

/// Post through the first of these places whose server takes it, always with the same key.
fn post(sites: &[&Site], thread: &str, words: &str) {
    until("a server that takes a message", || {
        let posted = |site: &&Site| site.run(&["thread", "post", thread, words, "--key", words]).code == 0;
        sites.iter().any(posted).then_some(())
    });
}

pub(crate) fn messages(site: &Site, thread: &str) -> Vec<(u64, String)> {
    let page = site.ask(&["thread", "read", thread, "--limit", "200"]);
    let messages = page["messages"].as_array().unwrap().iter();
    messages.map(|m| (m["seq"].as_u64().unwrap(), m["body"].as_str().unwrap().to_owned())).collect()
}

/// Posts through all at once, one of them killed in the middle: nothing is lost, doubled or out of order, and whoever
/// waits at one server hears of what the others took.
#[test]
fn three_servers_are_one() {
    let Some(database) = TestDatabase::make("three_servers_are_one") else { return };
    let sites = places(database.url(), 3, "");
    let mut servers: Vec<Server> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
    let [one, two, three] = sites.as_slice() else { panic!("three places") };
    let created = one.ask(&["thread", "create", "Everywhere"]);
    let thread = created["thread_id"].as_str().unwrap();
    let tails = [one, two].map(|site| site.start(&["thread", "tail", thread, "--json"]));
    let events = two.start(&["events", "--type", "thread.message_posted", "--json"]);
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (name, order) in [("a", [one, two]), ("b", [two, one]), ("c", [three, one])] {
            let done = &done;
            scope.spawn(move || {
                for number in 0..POSTS {
                    post(&order, thread, &format!("{name}{number}"));
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("the middle", || (done.load(Ordering::SeqCst) >= POSTS).then_some(()));
        servers[2].running.kill();
    });
    let told = messages(one, thread);
    assert!((1_u64..).zip(&told).all(|(seq, (stored, _))| *stored == seq), "{told:?}");
    let mut bodies: Vec<&str> = told.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(bodies.len(), 3 * POSTS, "{told:?}");
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies.len(), 3 * POSTS, "each once: {told:?}");
    assert_eq!(messages(two, thread), told);
    servers[2] = three.up(&["--server-only"]);
    assert_eq!(messages(three, thread), told);
    for tail in &tails {
        let seen: Vec<u64> = std::iter::repeat_with(|| tail.json())
            .filter_map(|item| item["seq"].as_u64().filter(|_| item["message"].is_object()))
            .take(3 * POSTS)
            .collect();
        assert_eq!(seen, (1..=told.len() as u64).collect::<Vec<_>>());
    }
    let streamed: Vec<String> =
        std::iter::repeat_with(|| events.json()["id"].to_string()).take(3 * POSTS).collect();
    let different: std::collections::BTreeSet<&String> = streamed.iter().collect();
    assert_eq!(different.len(), 3 * POSTS, "each event once: {streamed:?}");
    one.ask(&["ledger", "export", "ledger.tar"]);
    assert_eq!(one.ask(&["verify", "ledger.tar"])["verified"], true);
}

/// The supervisor calls one server, the message comes through another. The polling interval is far too long to help.
#[test]
fn a_supervisor_hears_of_a_post_elsewhere() {
    let policy = "poll_interval_ms = 55000";
    let Some(database) = TestDatabase::make("a_supervisor_hears_of_a_post_elsewhere") else { return };
    let sites = places(database.url(), 2, policy);
    let [with, without] = sites.as_slice() else { panic!("two places") };
    let _servers = [with.up(&[]), without.up(&["--server-only"])];
    let answer = "\"$binary\" thread post \"$INTERLOCK_THREAD\" \"done by $INTERLOCK_AGENT\"";
    add_agent(without, "worker", &script(answer));
    let thread = thread_with(without, "worker");
    until("the supervisor", || {
        (!with.ask(&["status"])["supervisors"].as_array().unwrap().is_empty()).then_some(())
    });
    let names = |site: &Site| {
        let status = site.ask(&["status"]);
        let names = status["supervisors"].as_array().unwrap().iter().map(|one| one["name"].clone());
        names.collect::<Vec<_>>()
    };
    until("the supervisor to be known where it does not call", || {
        (names(without) == names(with)).then_some(())
    });
    without.ask(&["thread", "post", &thread, "please"]);
    let wake = finished_wakes(without, &thread).remove(0);
    assert_eq!((&wake["result"], &wake["lane"]), (&"triggered".into(), &"trigger".into()), "{wake}");
    let bodies: Vec<String> = messages(with, &thread).into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, ["please", "done by worker"]);
}

/// A halt holds on a server that heard nothing of it, because it stood still, and on one that starts later; it ends when
/// a person says so, or starts the server again that was stopped with it.
#[test]
fn a_halt_holds_on_every_server_until_a_person_ends_it() {
    let policy = "poll_interval_ms = 200";
    let Some(database) = TestDatabase::make("a_halt_holds_on_every_server_until_a_person_ends_it") else {
        return;
    };
    let sites = places(database.url(), 3, policy);
    let [one, deaf, late] = sites.as_slice() else { panic!("three places") };
    let stopped = one.up(&["--server-only"]);
    let deaf_server = deaf.up(&[]);
    add_agent(one, "worker", &script("\"$binary\" thread post \"$INTERLOCK_THREAD\" \"done\""));
    let thread = thread_with(one, "worker");
    // It may stand still amid a transaction; then the halt waits until the database takes its lock away.
    deaf_server.running.signal(Signal::STOP);
    assert_eq!(one.ask(&["stop"])["halted"], true);
    drop(stopped);
    // Its connections are new, and what was said meanwhile is not said again.
    database.end_sessions();
    deaf_server.running.signal(Signal::CONT);
    let _late = late.up(&[]);
    until("both to know of it", || {
        [deaf, late]
            .iter()
            .all(|site| {
                let ran = site.run(&["status", "--json"]);
                ran.code == 0 && ran.only_json()["is_halted"] == Value::Bool(true)
            })
            .then_some(())
    });
    until("a message to be taken", || {
        (late.run(&["thread", "post", &thread, "please", "--key", "k"]).code == 0).then_some(())
    });
    // Whoever asks for work is told that there is none.
    until("a supervisor that has asked", || {
        (!late.ask(&["status"])["supervisors"].as_array().unwrap().is_empty()).then_some(())
    });
    let wake = late.ask(&["wake", "list"])["wakes"][0].clone();
    assert_eq!((&wake["state"], &wake["attempts"]), (&"pending".into(), &0.into()), "{wake}");

    let resumed = late.ask(&["resume"]);
    assert_eq!((&resumed["resumed"], &resumed["is_halted"]), (&true.into(), &false.into()), "{resumed}");
    let wake = finished_wakes(late, &thread).remove(0);
    assert_eq!(wake["result"], "triggered", "{wake}");
    assert_eq!(late.ask(&["resume"])["resumed"], false);

    // Stopped together with a server, they go on together with it.
    let again = one.up(&["--server-only"]);
    one.ask(&["stop"]);
    drop(again);
    until("the halt", || (late.ask(&["status"])["is_halted"] == Value::Bool(true)).then_some(()));
    let _again = one.up(&["--server-only"]);
    until("its end", || (late.ask(&["status"])["is_halted"] == Value::Bool(false)).then_some(()));
    // A halt that somebody else asked for first is not this server's to end.
    late.ask(&["stop"]);
    one.ask(&["stop"]);
    let _last = one.up(&["--server-only"]);
    assert_eq!(one.ask(&["status"])["is_halted"], true);
}

/// A server that is told to end takes only its own agents with it; `interlock stop` reaches the others'.
#[test]
fn a_stop_reaches_the_agents_of_every_server() {
    let Some(database) = TestDatabase::make("a_stop_reaches_the_agents_of_every_server") else { return };
    let sites = places(database.url(), 3, "");
    let [with, without, third] = sites.as_slice() else { panic!("three places") };
    let _server = with.up(&[]);
    let _other = without.up(&["--server-only"]);
    let mut ended = third.up(&["--server-only"]);
    add_agent(without, "worker", &script("exec sleep 600"));
    let thread = thread_with(without, "worker");
    without.ask(&["thread", "post", &thread, "please"]);
    let sleeps = || with.processes().iter().any(|p| p.words == ["sleep", "600"]);
    until("the agent at work", || sleeps().then_some(()));

    ended.running.signal(Signal::TERM);
    ended.running.wait();
    let is_halted = || with.ask(&["status"])["is_halted"] == Value::Bool(true);
    assert!(sleeps() && !is_halted(), "others' agents go on");

    let stopped = without.ask(&["stop"]);
    assert_eq!(stopped["agents_halted"], 1, "{stopped}");
    until("the end of the agent", || (!sleeps()).then_some(()));
    until("the halt to be heard", || is_halted().then_some(()));
}
