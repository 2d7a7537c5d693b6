//! `interlock bench`: its shape and its ways to end. What it measures depends on the machine, and is no test.

use interlock_testkit::postgres::TestDatabase;
use serde_json::Value;

use crate::world::World;

/// The members of a row, as machines rely on them.
const ROW: [&str; 13] = [
    "anchor", "case", "clients", "goal", "met", "p50", "p95", "p99", "ratio", "store", "unit", "value", "why",
];

fn report(ran: &crate::world::Ran) -> Value {
    let mut lines = ran.out.lines();
    let report: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(lines.next(), None, "one object and nothing else");
    assert_eq!(report["schema"], "bench/1");
    assert_eq!(report["bench"], "messaging");
    report
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_goal_has_a_row_with_finite_figures() {
    let world = World::new();
    let ran = world.run(&["bench", "messaging", "--quick", "--dir", ".", "--json"]).ok();
    let report = report(&ran);
    assert_eq!(report["problem"], Value::Null);
    assert_eq!(
        keys(&report["machine"]),
        ["cores", "cpu", "disk", "fdatasync_ms", "kernel", "load_before", "memory_mb"]
    );
    let rows = report["rows"].as_array().unwrap();
    let of: Vec<_> =
        rows.iter().map(|row| (row["case"].as_str().unwrap(), row["clients"].as_u64().unwrap())).collect();
    assert_eq!(
        of,
        [
            ("binary", 0),
            ("start", 0),
            ("memory", 0),
            ("post", 1),
            ("post", 8),
            ("post", 64),
            ("post", 256),
            ("read", 8),
            ("visible_p50", 1),
            ("visible_p99", 1),
            ("mcp", 0),
            ("wake", 0)
        ]
    );
    for row in rows {
        assert_eq!(keys(row), ROW);
        assert_eq!(keys(&row["goal"]), ["limit", "of", "op"]);
        assert!(row["value"].as_f64().is_some_and(|value| value > 0.0), "{row}");
        assert!(row["met"].is_boolean() || row["why"].as_str().is_some_and(|why| !why.is_empty()), "{row}");
        if row["case"] == "post" {
            assert!(row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0 && ratio.is_finite()), "{row}");
            assert!(row["anchor"].as_f64().is_some_and(|anchor| anchor > 0.0), "{row}");
            assert!(row["p99"].as_f64() >= row["p50"].as_f64(), "{row}");
        }
    }
    assert!(!world.path(".").read_dir().unwrap().any(|_| true), "nothing is left behind");
}

#[test]
fn wakes_are_measured_with_processes_by_lane_alone_and_among_many() {
    let world = World::new();
    let ran = world.run(&["bench", "wake", "--quick", "--dir", ".", "--json"]).ok();
    let report: Value = serde_json::from_str(ran.out.trim_end()).unwrap();
    assert_eq!((&report["schema"], &report["bench"]), (&"bench/1".into(), &"wake".into()));
    assert_eq!(report["problem"], Value::Null, "{report}");
    let rows = report["rows"].as_array().unwrap();
    let cases: Vec<_> = rows.iter().map(|row| row["case"].as_str().unwrap()).collect();
    let wanted = [
        "poll",
        "trigger_p50",
        "trigger_p95",
        "storm",
        "flight",
        "threads_visible_p50",
        "threads_visible_p95",
        "threads_wake",
        "dormant",
        "idle",
        "idle_server",
    ];
    assert_eq!(cases, wanted);
    for row in rows {
        assert_eq!(keys(row), ROW);
        assert!(row["met"].is_boolean() || row["why"].as_str().is_some_and(|why| !why.is_empty()), "{row}");
    }
    let of = |case: &str| rows.iter().find(|row| row["case"] == case).unwrap();
    // What was found by polling has waited for it; what was announced has not.
    assert!(of("poll")["value"].as_f64() > of("trigger_p50")["value"].as_f64(), "{rows:?}");
    assert_eq!((of("dormant")["value"].as_f64(), of("dormant")["clients"].as_u64()), (Some(1.0), Some(50)));
    assert!(!world.path(".").read_dir().unwrap().any(|_| true), "nothing is left behind");
}

#[test]
fn people_read_a_table() {
    let ran = World::new().run(&["bench", "messaging", "--quick", "--dir", ".", "--case", "binary"]).ok();
    assert!(
        ran.out.contains("GOAL") && ran.out.contains("binary") && ran.out.contains("fdatasync"),
        "{ran:?}"
    );
    assert!(!ran.out.contains("post"), "{ran:?}");
}

#[test]
fn what_cannot_be_measured_is_a_problem_in_the_report() {
    let ran = World::new().run(&["bench", "messaging", "--quick", "--dir", "absent", "--json"]);
    assert_ne!(ran.code, 0);
    let report = report(&ran);
    assert_eq!(report["problem"]["reason"], "PATH_UNWRITABLE");
    assert_eq!(report["rows"], serde_json::json!([]));
}

#[test]
fn an_unknown_case_is_a_usage_error() {
    assert_eq!(World::new().run(&["bench", "messaging", "--case", "absent"]).code, 2);
}

/// The case that takes minutes is measured only when it is named.
#[test]
fn a_long_thread_and_many_who_wait_are_measured_when_asked_for() {
    let world = World::new();
    let ran = world.run(&["bench", "messaging", "--quick", "--dir", ".", "--case", "scale", "--json"]).ok();
    let report = report(&ran);
    let rows = report["rows"].as_array().unwrap();
    let cases: Vec<_> = rows.iter().map(|row| row["case"].as_str().unwrap()).collect();
    assert_eq!(cases, ["scale_newest", "scale_memory", "scale_waiting"]);
    assert!(rows.iter().all(|row| row["value"].as_f64().is_some_and(|value| value > 0.0)), "{rows:?}");
}

/// Every rate beside its anchors on PostgreSQL, and nothing of the anchors is left in the database.
#[test]
fn postgresql_has_its_own_anchors_and_servers() {
    let Some(database) = TestDatabase::make("postgresql_has_its_own_anchors_and_servers") else { return };
    let world = World::new();
    let words =
        ["bench", "messaging", "--quick", "--dir", ".", "--json", "--case", "post", "--case", "nodes"];
    let ran = world.run_in(&words, "INTERLOCK_DATABASE_URL", database.url().as_ref()).ok();
    let report = report(&ran);
    assert_eq!(report["problem"], Value::Null);
    let rows = report["rows"].as_array().unwrap();
    let of = |row: &Value| (row["case"].as_str().unwrap().to_owned(), row["clients"].as_u64().unwrap());
    let pairs = [1, 8, 64, 256].map(|clients| [("post", clients), ("queue", clients)]);
    let expected = pairs.into_iter().flatten().chain([("nodes_one", 64), ("nodes_several", 64)]);
    let expected: Vec<_> = expected.map(|(case, clients)| (case.to_owned(), clients)).collect();
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
    for row in rows {
        assert_eq!((keys(row), &row["store"]), (ROW.to_vec(), &"postgres".into()), "{row}");
        assert!(row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0 && ratio.is_finite()), "{row}");
    }
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'interlock_bench_%'"),
        "0\n"
    );
    assert_eq!(database.sql("SELECT count(*) FROM workspace"), "3\n", "one, and one for each further server");
}

#[test]
fn several_servers_need_a_database() {
    let ran = World::new().run(&["bench", "messaging", "--quick", "--dir", ".", "--case", "nodes", "--json"]);
    assert_eq!((ran.code, &report(&ran)["problem"]["reason"]), (2, &"USAGE_INVALID".into()), "{ran:?}");
}

/// Every row of the case `load`, and that what must hold on any machine holds.
#[track_caller]
fn is_right_under_load(report: &Value, store: &str) {
    assert_eq!(report["problem"], Value::Null);
    let rows = report["rows"].as_array().unwrap();
    let of = |row: &Value| (row["case"].as_str().unwrap().to_owned(), row["clients"].as_u64().unwrap());
    let expected = [
        ("load_errors", 6),
        ("load_writes", 4),
        ("load_reads", 2),
        ("load_shed", 16),
        ("load_limit", 16),
        ("load_recovery", 1),
        ("load_visible", 1),
        ("load_visible", 4),
        ("load_visible_p50", 4),
        ("load_burst_errors", 8),
        ("load_burst_order", 8),
    ];
    let expected: Vec<_> = expected.map(|(case, clients)| (case.to_owned(), clients)).to_vec();
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), expected);
    for row in rows {
        assert_eq!((keys(row), &row["store"]), (ROW.to_vec(), &store.into()), "{row}");
        assert!(!row["why"].as_str().unwrap().is_empty() || row["case"] == "load_visible", "{row}");
        match row["case"].as_str().unwrap() {
            "load_errors" | "load_shed" | "load_recovery" | "load_burst_errors" | "load_burst_order" => {
                assert_eq!((&row["value"], &row["met"]), (&0.0.into(), &true.into()), "{row}");
            }
            "load_limit" => assert_eq!(row["met"], true, "{row}"),
            "load_writes" | "load_reads" => {
                assert!(row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{row}");
            }
            _ => assert!(row["p95"].as_f64().is_some_and(|ms| ms > 0.0), "{row}"),
        }
    }
}

/// S002-104 to S002-107 in small: nothing fails, what is too much is told to wait, and every message stands there once.
#[test]
fn load_is_borne_when_asked_for() {
    let world = World::new();
    let ran = world.run(&["bench", "messaging", "--quick", "--dir", ".", "--case", "load", "--json"]).ok();
    is_right_under_load(&report(&ran), "sqlite");
    assert!(!world.path(".").read_dir().unwrap().any(|_| true), "nothing is left behind");
}

#[test]
fn load_is_borne_on_postgresql_too() {
    let Some(database) = TestDatabase::make("load_is_borne_on_postgresql_too") else { return };
    let words = ["bench", "messaging", "--quick", "--dir", ".", "--json", "--case", "load"];
    let ran = World::new().run_in(&words, "INTERLOCK_DATABASE_URL", database.url().as_ref()).ok();
    is_right_under_load(&report(&ran), "postgres");
}
