//! Denials in the program: looked up by the request that was told, after a restart too, and at every server of a database.

use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};

use crate::postgres_nodes::places;
use crate::site::{Server, Site};
use crate::wait::until;
use crate::world::finish;

/// A participant asks a server for what it may not; gives the request's id.
fn denied(site: &Site, server: &Server, words: &[&str]) -> String {
    let token = site.ask(&["token", "issue", "--name", "eve", "--role", "participant"]);
    let mut command = site.command(&[&["--server", server.url.as_str(), "--json"], words].concat());
    let ran = finish(command.env("INTERLOCK_TOKEN", token["token"].as_str().unwrap()), b"");
    let problem = ran.failed(3, "ROLE_MISSING").only_json();
    problem["request_id"].as_str().unwrap().to_owned()
}

fn listed(site: &Site, more: &[&str]) -> Vec<Value> {
    site.ask(&[&["denial", "list"], more].concat())["denials"].as_array().unwrap().clone()
}

#[test]
fn what_a_caller_was_not_allowed_is_looked_up_by_its_request() {
    let site = Site::with_instance("");
    let server = site.up(&["--server-only"]);
    assert_eq!(site.run(&["denial", "list"]).ok().out, "no denials\n");
    let jobs = denied(&site, &server, &["job", "list"]);
    let own = denied(&site, &server, &["denial", "show", &jobs]);
    let shown = site.ask(&["denial", "show", &jobs]);
    let found = (&shown["actor"], &shown["role"], &shown["operation"], &shown["reason"]);
    assert_eq!(found, (&json!("eve"), &json!("participant"), &json!("list_jobs"), &json!("ROLE_MISSING")));
    // The last one is noted a moment before the server ends.
    let last = denied(&site, &server, &["status"]);
    site.ask(&["stop"]);
    drop(server);
    let _server = site.up(&["--server-only"]);
    let requests = |more: &[&str]| -> Vec<String> {
        listed(&site, more).iter().map(|denial| denial["request_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(requests(&[]), [last.clone(), own.clone(), jobs.clone()]);
    assert_eq!(requests(&["--actor", "eve", "--operation", "get_denial", "--since", "1h"]), [own]);
    assert_eq!(requests(&["--actor", "anna"]), Vec::<String>::new());
    let table = site.run(&["denial", "list", "--limit", "1"]).ok().out;
    assert!(table.contains("REQUEST") && table.contains(&last) && table.contains("get_status"), "{table}");
    let one = site.run(&["denial", "show", &last]).ok().out;
    assert!(one.contains("eve") && one.contains("FORBIDDEN") && one.contains("ROLE_MISSING"), "{one}");
    site.run(&["denial", "show", "never"]).failed(1, "DENIAL_NOT_FOUND");
    site.run(&["denial", "show", "no id"]).failed(2, "PARAMETER_INVALID");
    site.run(&["denial", "list", "--operation", "nothing"]).failed(2, "PARAMETER_INVALID");
    site.run(&["denial", "list", "--since", "yesterday"]).failed(2, "USAGE_INVALID");
}

#[test]
fn servers_of_a_database_show_the_same_denials() {
    let Some(database) = TestDatabase::make("servers_of_a_database_show_the_same_denials") else { return };
    let sites = places(database.url(), 3, "");
    let servers: Vec<_> = sites.iter().map(|site| site.up(&["--server-only"])).collect();
    let mut ids: Vec<_> =
        sites.iter().zip(&servers).map(|(site, server)| denied(site, server, &["job", "list"])).collect();
    ids.sort_unstable();
    for site in &sites {
        let all = until("the denials of all servers", || {
            let all = listed(site, &[]);
            (all.len() == ids.len()).then_some(all)
        });
        let mut found: Vec<_> = all.iter().map(|denial| denial["request_id"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, ids);
        for id in &ids {
            assert_eq!(site.ask(&["denial", "show", id])["actor"], "eve");
        }
    }
}
