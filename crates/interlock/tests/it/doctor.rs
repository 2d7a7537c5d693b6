//! `doctor`: each check finds what it is for.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use interlock_store_sqlite::LOG_BYTES_MAX;
use serde_json::{Value, json};

use crate::stub::Stub;
use crate::world::World;

fn verdict(report: &Value, name: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!(check["hint"].is_null(), check["verdict"] == "ok", "what is not well has a hint: {check}");
    check["verdict"].as_str().unwrap().to_owned()
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_instance_is_fine_but_for_its_server() {
    let report = World::with_instance().run(&["doctor", "--json"]).ok().only_json();
    for name in ["instance", "config", "keys", "lock", "disk", "clock"] {
        assert_eq!(verdict(&report, name), "ok", "{name}");
    }
    for name in ["database", "server"] {
        assert_eq!(verdict(&report, name), "warn", "{name}");
    }
    assert_eq!(report["verdict"], "warn");
}

/// What was written last stands beside the database's file until it is moved there.
#[test]
fn the_size_of_the_database_is_all_that_it_takes() {
    let world = World::with_instance();
    let detail = || {
        let report = world.run(&["doctor", "--json"]).only_json();
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == "database").unwrap()["detail"].clone()
    };
    world.write(".interlock/interlock.db", "in its file");
    assert_eq!(detail(), "11 bytes");
    world.write(".interlock/interlock.db-wal", "beside");
    assert_eq!(detail(), "11 bytes, and 6 in its write-ahead log");
}

#[test]
fn keys_that_others_can_read_are_a_failure() {
    let world = World::with_instance();
    chmod(&world.path(".interlock/keys/issuer.pem"), 0o640);
    let ran = world.run(&["doctor", "--json"]);
    assert_eq!((ran.code, verdict(&ran.only_json(), "keys").as_str()), (1, "fail"));
    let ran = world.run(&["doctor"]);
    assert!(ran.out.contains("chmod 600 "), "{ran:?}");
}

/// A log beyond its limit is one that cannot be copied into the file.
#[test]
fn a_log_that_is_not_copied_is_told_of() {
    let world = World::with_instance();
    world.write(".interlock/interlock.db", "");
    let log = std::fs::File::create(world.path(".interlock/interlock.db-wal")).unwrap();
    for (bytes, told) in [(0, "ok"), (LOG_BYTES_MAX, "ok"), (LOG_BYTES_MAX + 1, "warn")] {
        log.set_len(bytes).unwrap();
        assert_eq!(verdict(&world.run(&["doctor", "--json"]).only_json(), "database"), told, "{bytes}");
    }
}

#[test]
fn keys_that_are_broken_or_do_not_fit_are_a_failure() {
    for (name, text) in [("issuer.pem", "nonsense"), ("ledger.pem", ""), ("ledger.vkey", "another")] {
        let world = World::with_instance();
        world.write(&format!(".interlock/keys/{name}"), text);
        let ran = world.run(&["doctor", "--json"]);
        assert_eq!((ran.code, verdict(&ran.only_json(), "keys").as_str()), (1, "fail"), "{name}");
    }
}

#[test]
fn a_folder_that_others_can_read_is_a_failure() {
    let world = World::with_instance();
    chmod(&world.path(".interlock"), 0o755);
    let ran = world.run(&["doctor", "--json"]);
    assert_eq!((ran.code, verdict(&ran.only_json(), "instance").as_str()), (1, "fail"));
}

#[test]
fn without_an_instance_the_machine_is_still_looked_at() {
    let ran = World::new().run(&["doctor", "--json"]);
    let report = ran.only_json();
    assert_eq!((ran.code, verdict(&report, "instance").as_str()), (1, "fail"));
    verdict(&report, "git");
    verdict(&report, "cargo");
}

#[test]
fn a_broken_configuration_is_a_failure_of_its_own() {
    let world = World::with_instance();
    world.write(".interlock/config.toml", "= broken");
    let ran = world.run(&["doctor", "--json"]);
    assert_eq!((ran.code, verdict(&ran.only_json(), "config").as_str()), (1, "fail"));
}

#[test]
fn a_running_server_is_asked_and_the_holder_of_the_lock_is_named() {
    let stub = Stub::always(
        200,
        json!({
            "workspace_id": "ws_00000000000000000000000009", "thread_counts": {}, "wake_counts": {}, "attention": [],
            "agents": [], "threads": [], "wakes": [], "supervisors": [], "is_halted": false, "ledger_size": 0,
        }),
    );
    let world = World::with_instance();
    world.says_server(std::process::id(), &stub.url);
    let lock = world.write(".interlock/lock", r#"{"pid":42,"what":"interlock up","since":"today"}"#);
    let held = std::fs::File::open(lock).unwrap();
    held.lock().unwrap();
    let report = world.run(&["doctor", "--json"]).ok().only_json();
    assert_eq!(verdict(&report, "server"), "ok");
    assert_eq!(verdict(&report, "agents"), "warn");
    assert!(report.to_string().contains("held by process 42 (interlock up, since today)"), "{report}");
}

#[test]
fn a_server_that_does_not_answer_is_a_failure() {
    let stub = Stub::always(200, json!({}));
    let url = stub.url.clone();
    drop(stub);
    let world = World::with_instance();
    world.says_server(std::process::id(), &url);
    let ran = world.run(&["doctor", "--json"]);
    assert_eq!((ran.code, verdict(&ran.only_json(), "server").as_str()), (1, "fail"));
}
