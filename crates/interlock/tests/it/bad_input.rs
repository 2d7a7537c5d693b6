//! What `pilot` and `up` refuse, with the reason, and without a change on disk.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use crate::repository::{empty, git};
use crate::site::{Site, changed, files};
use crate::world::{Ran, finish};

const NOTHING: [PathBuf; 0] = [];

/// A pilot that failed before it began, with the problem it names.
#[track_caller]
fn refused(ran: Ran, code: i32, reason: &str) -> Value {
    let story = crate::outcome::outcome(&ran.failed(code, reason));
    assert_eq!(story["verdict"], "failed");
    assert!(story["problem"]["hint"].is_string(), "{story}");
    assert_eq!(story["wakes"], Value::Array(vec![]));
    story["problem"].clone()
}

#[test]
fn a_pilot_needs_a_repository_with_a_commit() {
    let site = Site::new();
    std::fs::create_dir(site.path("folder")).unwrap();
    site.write("file", "");
    empty(&site.path("empty"));
    git(&site.path("empty"), &["config", "core.bare", "false"]);
    std::fs::create_dir(site.path("bare")).unwrap();
    git(&site.path("bare"), &["init", "--quiet", "--bare"]);
    let before = files(&site.path(""));
    for (path, reason) in [
        ("nowhere", "NOT_A_REPOSITORY"),
        ("folder", "NOT_A_REPOSITORY"),
        ("file", "NOT_A_REPOSITORY"),
        ("bare", "NOT_A_REPOSITORY"),
        ("empty", "REPOSITORY_EMPTY"),
    ] {
        let problem = refused(site.run(&["pilot", "--json", "--repo", path]), 2, reason);
        assert!(problem["detail"].as_str().unwrap().contains(path), "{problem}");
        assert_eq!(problem["code"], "INVALID_ARGUMENT");
    }
    assert_eq!(changed(&before, &files(&site.path(""))), NOTHING);
}

#[test]
fn a_pilot_needs_a_place_for_its_files() {
    let site = Site::new();
    let file = site.write("file", "");
    for place in [file, PathBuf::from("/proc/no/such/place")] {
        let mut command = site.command(&["pilot", "--json", "--seed", "1"]);
        let problem = refused(finish(command.env("TMPDIR", &place), b""), 2, "PATH_UNWRITABLE");
        assert!(problem["detail"].as_str().unwrap().contains(place.to_str().unwrap()), "{problem}");
    }
    assert_eq!(site.pilot_folders(), NOTHING);
}

#[test]
fn an_occupied_address_is_named() {
    let site = Site::with_instance("");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let problem = site.run(&["up", "--json", "--listen", &address]).failed(4, "ADDRESS_OCCUPIED").only_json();
    assert!(problem["detail"].as_str().unwrap().contains(&address), "{problem}");
    assert!(problem["hint"].is_string(), "{problem}");
    assert!(!site.path(".interlock/run.json").exists());
    drop(taken);
    assert!(site.up(&["--listen", &address]).url.ends_with(&address));
}

/// Start a server that must refuse; neither the database nor anything else people care for may change.
#[track_caller]
fn refuses_to_start(site: &Site, code: i32, reason: &str) -> Value {
    let kept = || {
        let mut found = files(&site.path(".interlock"));
        // What a server notes of itself, and the shared memory and the empty log of the database.
        let own =
            ["lock", "logs/server.log", "interlock.db-shm"].map(|name| site.path(".interlock").join(name));
        found.retain(|path, bytes| {
            let is_empty_log = path.ends_with("interlock.db-wal") && bytes.is_empty();
            !is_empty_log && !own.contains(path)
        });
        found
    };
    let before = kept();
    let problem = site.run(&["up", "--json"]).failed(code, reason).only_json();
    assert_eq!(changed(&before, &kept()), NOTHING);
    assert!(problem["hint"].is_string(), "{problem}");
    problem
}

#[test]
fn a_rate_of_nothing_starts_nothing() {
    for wrong in
        ["requests_per_second_max = 0", "requests_burst_max = 0", "requests_burst_max = -1", "more = 1"]
    {
        let site = Site::with_instance("");
        let file = site.path(".interlock/config.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        assert!(config.contains("[rate]\n"), "{config}");
        std::fs::write(&file, config.replace("[rate]\n", &format!("[rate]\n{wrong}\n"))).unwrap();
        refuses_to_start(&site, 2, "CONFIG_INVALID");
    }
}

#[test]
fn a_broken_configuration_starts_nothing() {
    for (policy, words) in [
        ("accept_timeout_ms = 0", "`accept_timeout_ms` is 0"),
        ("surprise = 1", "surprise"),
        ("lease_ms = \"long\"", "line "),
        ("identical_findings_max = 0", "`identical_findings_max` is 0"),
    ] {
        let site = Site::with_instance(policy);
        let problem = refuses_to_start(&site, 2, "CONFIG_INVALID");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
}

/// The bytes of a database of ours, after its server has ended well.
fn database(site: &Site) -> Vec<u8> {
    let _server = site.up(&[]);
    site.ask(&["thread", "create", "Talk"]);
    site.ask(&["stop"]);
    let file = site.path(".interlock/interlock.db");
    assert_eq!(std::fs::metadata(file.with_extension("db-wal")).map_or(0, |log| log.len()), 0);
    std::fs::read(file).unwrap()
}

/// Where SQLite's header has the number of the program, and that of the schema.
const APPLICATION_ID: usize = 68;
const USER_VERSION: usize = 60;

#[test]
fn a_database_of_somebody_else_is_not_touched() {
    let site = Site::with_instance("");
    let ours = database(&site);
    let file = site.path(".interlock/interlock.db");
    let with = |at: usize, bytes: [u8; 4]| {
        let mut changed = ours.clone();
        changed[at..at + 4].copy_from_slice(&bytes);
        changed
    };
    // Another program's number, none at all, a later schema, no database, and a text.
    for (bytes, code, reason) in [
        (with(APPLICATION_ID, [0x0f, 0x05, 0x51, 0x12]), 2, "DATABASE_FOREIGN"),
        (with(APPLICATION_ID, [0; 4]), 2, "DATABASE_FOREIGN"),
        (with(USER_VERSION, [0, 0, 0, 99]), 2, "SCHEMA_TOO_NEW"),
        (
            (0..20_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect(),
            2,
            "DATABASE_FOREIGN",
        ),
        (b"not a database, but the only copy of a novel".to_vec(), 2, "DATABASE_FOREIGN"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let problem = refuses_to_start(&site, code, reason);
        assert!(problem["detail"].as_str().unwrap().contains("interlock.db"), "{problem}");
    }
    std::fs::write(&file, &ours).unwrap();
    let _server = site.up(&[]);
    assert_eq!(site.ask(&["thread", "list"])["threads"].as_array().unwrap().len(), 1);
}

#[test]
fn a_broken_database_is_data_loss_and_not_touched() {
    let site = Site::with_instance("");
    let ours = database(&site);
    let file = site.path(".interlock/interlock.db");
    let mut holed = ours.clone();
    holed[100..].fill(0xa5);
    for bytes in [holed, ours[..5_000].to_vec()] {
        std::fs::write(&file, bytes).unwrap();
        let problem = refuses_to_start(&site, 5, "DATABASE_BROKEN");
        assert_eq!(problem["code"], "DATA_LOSS");
    }
}
