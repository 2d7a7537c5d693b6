//! `policy show`, and docs/policy.md, which says the same.

use std::collections::BTreeSet;

use interlock_core::policy::{CONSTANTS, Policy};
use serde_json::{Value, json};

use crate::site::Site;

/// Each constant as the command shows it, by name.
fn shown(site: &Site) -> Vec<Value> {
    site.ask(&["policy", "show"])["constants"].as_array().unwrap().clone()
}

#[test]
fn every_constant_is_shown_with_value_source_and_default_whether_a_server_runs_or_not() {
    let site = Site::with_instance("run_ms_max = 3600000\nlease_ms = 60000");
    let idle = shown(&site);
    let server = site.up(&["--server-only"]);
    assert_eq!(shown(&site), idle, "a server says what one would start with");
    let names: Vec<&str> = idle.iter().map(|constant| constant["name"].as_str().unwrap()).collect();
    let expected: Vec<&str> = CONSTANTS.iter().map(|constant| constant.name).collect();
    assert_eq!(names, expected);
    for constant in &idle {
        let is_set = ["run_ms_max", "lease_ms"].contains(&constant["name"].as_str().unwrap());
        assert_eq!(constant["source"], if is_set { "config" } else { "default" }, "{constant}");
        if constant["name"] == "run_ms_max" {
            assert_eq!((&constant["value"], &constant["default"]), (&json!(3_600_000), &json!(900_000)));
        } else {
            assert_eq!(constant["value"], constant["default"], "{constant}");
        }
    }
    let text = site.run(&["policy", "show"]).ok().out;
    let line = text.lines().find(|line| line.starts_with("run_ms_max")).unwrap();
    let words: Vec<&str> = line.split_whitespace().take(5).collect();
    assert_eq!(words, ["run_ms_max", "3600000", "900000", "ms", "config.toml"]);
    drop(server);
}

/// The policy's own serialized form is the list: a field that it gets is shown, or this fails.
#[test]
fn no_field_of_the_policy_is_missing_from_what_is_shown() {
    let site = Site::with_instance("escalation_owner = \"anna\"");
    let owner = Some(interlock_core::actor::AgentName::parse("anna").unwrap());
    let policy = serde_json::to_value(Policy { escalation_owner: owner, ..Policy::default() }).unwrap();
    let fields: BTreeSet<String> = policy.as_object().unwrap().keys().cloned().collect();
    let answer = site.ask(&["policy", "show"]);
    let constants = answer["constants"].as_array().unwrap().iter();
    let mut named: BTreeSet<String> =
        constants.map(|constant| constant["name"].as_str().unwrap().to_owned()).collect();
    named.extend((answer["escalation_owner"] == "anna").then(|| "escalation_owner".to_owned()));
    assert_eq!(named, fields);
    // People read the same: each with value, default and source.
    let text = site.run(&["policy", "show"]).ok().out;
    for name in &fields {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_set = name == "escalation_owner";
        let value = if is_set { "anna".to_owned() } else { policy[name].to_string() };
        assert_eq!((words[1], words[4]), (value.as_str(), if is_set { "config.toml" } else { "default" }));
        assert_eq!(words[2], if is_set { "nobody".to_owned() } else { value }, "{line}");
    }
    let unset = Site::with_instance("").run(&["policy", "show"]).ok().out;
    let line = unset.lines().find(|line| line.starts_with("escalation_owner")).unwrap();
    assert!(line.contains("nobody") && line.contains("default"), "{line}");
}

/// What a server would not start with is not shown as if it would.
#[test]
fn a_policy_that_makes_no_sense_is_refused() {
    for (set, part) in [
        ("identical_findings_max = 0", "`identical_findings_max` is 0, allowed are 1 to 1000000"),
        ("takeover_grace_ms = 99", "`takeover_grace_ms` is 99, allowed are 100 to 86400000"),
        ("accept_timeout_ms = 900000", "`accept_timeout_ms` must be below `run_ms_max`"),
        ("fallback_run_ms_max = 8000", "`accept_timeout_ms` must be below `fallback_run_ms_max`"),
        ("poll_interval_ms = 60000", "`poll_interval_ms` must be below `lease_ms`"),
        ("session_recheck_ms = 60001", "`session_recheck_ms` must not be above `session_defer_max_ms`"),
        ("human_quiet_ms = 60001", "`human_quiet_ms` must not be above `session_defer_max_ms`"),
        ("auto_wake_interval_ms = 300000", "`auto_wake_interval_ms` must be below `auto_wake_window_ms`"),
        ("job_backoff_ms = 600001", "`job_backoff_ms` must not be above `job_backoff_max_ms`"),
    ] {
        let site = Site::with_instance(set);
        for words in [&["policy", "show"][..], &["up", "--server-only"]] {
            let ran = site.run(words);
            assert!(ran.err.contains(part), "{}", ran.err);
            assert_eq!(ran.code, 2, "{words:?}");
        }
    }
}

/// At its limit each of these rules is kept.
#[test]
fn a_policy_at_its_limits_is_taken() {
    for set in [
        "takeover_grace_ms = 100",
        "accept_timeout_ms = 899999",
        "fallback_run_ms_max = 8001",
        "poll_interval_ms = 59999",
        "session_recheck_ms = 60000",
        "human_quiet_ms = 60000",
        "auto_wake_interval_ms = 299999",
        "job_backoff_ms = 600000",
    ] {
        let site = Site::with_instance(set);
        let (name, value) = set.split_once(" = ").unwrap();
        let shown = shown(&site);
        let constant = shown.iter().find(|constant| constant["name"] == name).unwrap();
        assert_eq!(constant["value"].to_string(), value);
    }
}

#[test]
fn the_page_has_every_constant_with_its_default_and_unit() {
    let page = include_str!("../../../../docs/policy.md");
    let rows: Vec<Vec<String>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').skip(1).map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert_eq!(rows.len(), CONSTANTS.len());
    for (row, constant) in rows.iter().zip(CONSTANTS) {
        let expected =
            [format!("`{}`", constant.name), constant.default.to_string(), constant.unit.to_string()];
        assert_eq!(row[..3], expected);
        let range = format!("{} to {}", constant.min, constant.max);
        assert_eq!(row[3], range, "{}", constant.name);
    }
}
