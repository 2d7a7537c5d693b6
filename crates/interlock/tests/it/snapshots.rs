//! Snapshots in the program: taken, compared and checked by people, and taken along when the instance moves.

use std::path::Path;
use std::process::{Command, Stdio};

use interlock_testkit::postgres::TestDatabase;
use serde_json::{Value, json};

use crate::readme::{MARK, blocks};
use crate::site::Site;
use crate::world::finish;

#[test]
fn the_page_is_done_as_written() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = blocks(&page, MARK);
    assert_eq!(blocks.len(), 4, "the page lost its marked blocks");
    let site = Site::with_instance("");
    let _server = site.up(&["--server-only"]);
    let program = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("set -eu\n{}", blocks.concat())])
        .current_dir(site.path("."))
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", "/nonexistent"), ("LANG", "C.UTF-8"), ("USER", "anna")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n--- {err}");
    for said in [
        "before-upgrade",
        "version 2 comes tonight",
        "0 accepted = 0 done + 0 dead + 0 waiting + 0 running + 0 lost",
        "threads.opened",
        "+1",
        "the digest is that of the content",
        "snapshot.taken/1",
    ] {
        assert!(out.contains(said), "`{said}` is missing:\n{out}\n--- {err}");
    }
    let events = site.run(&["events", "--json", "--until-now", "--type", "snapshot."]).ok().out;
    assert_eq!(events.lines().count(), 2, "{events}");
    assert!(!events.contains("tonight"), "{events}");
}

#[test]
fn who_may_not_and_what_is_none_is_refused() {
    let site = Site::with_instance("");
    let server = site.up(&["--server-only"]);
    assert_eq!(site.run(&["snapshot", "list"]).ok().out, "no snapshots\n");
    let token = site.ask(&["token", "issue", "--name", "eve", "--role", "participant"]);
    for words in [["snapshot", "take", "mine"].as_slice(), &["snapshot", "list"]] {
        let mut command = site.command(&[&["--server", server.url.as_str(), "--json"], words].concat());
        let ran = finish(command.env("INTERLOCK_TOKEN", token["token"].as_str().unwrap()), b"");
        ran.failed(3, "ROLE_MISSING");
    }
    for words in [
        ["snapshot", "take"].as_slice(),
        &["snapshot", "take", "Not A Stage"],
        &["snapshot", "list", "--stage", ""],
        &["snapshot", "show", "snp_1"],
        &["snapshot", "compare", "snp_00000000000000000000000001"],
    ] {
        site.run(words).failed(2, "USAGE_INVALID");
    }
    let absent = "snp_00000000000000000000000001";
    site.run(&["snapshot", "show", absent]).failed(1, "SNAPSHOT_NOT_FOUND");
    site.run(&["snapshot", "compare", absent, absent]).failed(1, "SNAPSHOT_NOT_FOUND");
    let first = site.ask(&["snapshot", "take", "a", "--key", "k"]);
    assert_eq!(site.ask(&["snapshot", "take", "a", "--key", "k"]), first);
    site.run(&["snapshot", "take", "b", "--key", "k"]).failed(1, "KEY_REUSED");
}

/// From a file to PostgreSQL and back: every snapshot is the same, and what is counted goes on.
#[test]
fn snapshots_move_with_the_instance() {
    let Some(database) = TestDatabase::make("snapshots_move_with_the_instance") else { return };
    let site = Site::with_instance("");
    let counts = |taken: &Value| {
        let content = &taken["content"];
        json!([content["jobs"]["accepted"], content["jobs"]["lost"], content["threads"], content["messages"]])
    };
    let taken = |stage: &str| {
        let _server = site.up(&["--server-only"]);
        let taken = site.ask(&["snapshot", "take", stage, "--reason", "on the way"]);
        (taken, site.ask(&["snapshot", "list"])["snapshots"].as_array().unwrap().clone())
    };
    {
        let _server = site.up(&["--server-only"]);
        site.ask(&["thread", "create", "Work"]);
    }
    let (first, _) = taken("in-the-file");
    assert_eq!(first["content"]["threads"]["active"], 1);
    let there = site.ask(&["migrate", "--database-url", database.url()]);
    let (second, all) = taken("in-the-database");
    assert_eq!(all, [second.clone(), first.clone()]);
    assert_eq!(counts(&second), counts(&first));
    let back = site.ask(&["migrate", "--back"]);
    assert_ne!(back["digest"], there["digest"], "it has one more");
    let (third, all) = taken("in-the-file");
    assert_eq!(all, [third.clone(), second, first.clone()]);
    assert_eq!((counts(&third), third["content"]["jobs"].get("counted_since")), (counts(&first), None));
}
