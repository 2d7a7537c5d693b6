//! A database whose clock is an hour off: what is due and over goes by it, on every server and in every answer, as no two
//! machines have the same time.

use interlock_testkit::postgres::TestDatabase;
use serde_json::Value;

use crate::postgres_nodes::places;
use crate::site::{Server, Site};
use crate::wait::until;

/// Half of what the clocks differ by.
const HALF_AN_HOUR_MS: &str = "1800000";

/// From now on sessions of the database are told another time.
fn put_clock(database: &TestDatabase, by: &str) {
    database.sql(&format!(
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE \
         AS $$ SELECT pg_catalog.clock_timestamp() + interval '{by}' $$"
    ));
    database.alter("SET search_path = public, pg_catalog");
}

/// Two servers on such a database, and a thread in which somebody else takes part.
struct Rig {
    sites: Vec<Site>,
    _servers: Vec<Server>,
    thread: String,
    _database: TestDatabase,
}

impl Rig {
    fn new(test: &str, by: &str) -> Option<Self> {
        let database = TestDatabase::make(test)?;
        put_clock(&database, by);
        let sites = places(database.url(), 2, "");
        let servers: Vec<Server> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
        sites[0].ask(&["agent", "add", "reader"]);
        let created = sites[0].ask(&["thread", "create", "Whose time is it", "--with", "reader"]);
        let thread = created["thread_id"].as_str().unwrap().to_owned();
        Some(Self { sites, _servers: servers, thread, _database: database })
    }

    /// Post what counts for so long; gives the message's id.
    fn posts(&self, expires_in: &str) -> String {
        let words = ["thread", "post", &self.thread, "an order", "--expires-in", expires_in];
        self.sites[0].ask(&words)["message_id"].as_str().unwrap().to_owned()
    }

    /// How a server shows the message, wherever it does.
    fn shown(&self, site: &Site, message: &str) -> [Value; 3] {
        let read = site.ask(&["thread", "read", &self.thread]);
        let found = site.ask(&["thread", "search", "order"]);
        let state = |one: &Value| one.get("state").cloned().unwrap_or_else(|| "live".into());
        let of = |page: &Value| {
            let messages = page["messages"].as_array().unwrap();
            state(messages.iter().find(|one| one["message_id"] == message).unwrap())
        };
        let delivery = site.ask(&["thread", "delivery", &self.thread, message]);
        [of(&read), of(&found), state(&delivery)]
    }

    /// How many messages wait for the reader.
    fn unread(&self, site: &Site) -> u64 {
        let summary = site.ask(&["thread", "summary", &self.thread]);
        let all = summary["participants"].as_array().unwrap();
        all.iter().find(|one| one["agent"] == "reader").unwrap()["unread"].as_u64().unwrap()
    }
}

#[test]
fn what_is_over_by_a_database_that_is_ahead_is_over_on_every_server() {
    let test = "what_is_over_by_a_database_that_is_ahead_is_over_on_every_server";
    let Some(rig) = Rig::new(test, "1 hour") else { return };
    let message = rig.posts("1");
    for site in &rig.sites {
        until("the order to be over", || {
            (rig.shown(site, &message) == ["expired"; 3] && rig.unread(site) == 0).then_some(())
        });
    }
}

#[test]
fn what_counts_by_a_database_that_is_behind_counts_on_every_server() {
    let test = "what_counts_by_a_database_that_is_behind_counts_on_every_server";
    let Some(rig) = Rig::new(test, "-1 hour") else { return };
    let message = rig.posts(HALF_AN_HOUR_MS);
    for site in &rig.sites {
        assert_eq!(rig.shown(site, &message), ["live"; 3]);
        assert_eq!(rig.unread(site), 1);
    }
}
