//! An instance whose database is PostgreSQL.

use interlock_testkit::postgres::TestDatabase;

use crate::outcome::outcome;
use crate::site::Site;
use crate::world::finish;

/// The database's URL with a password in it, which nobody asks for here.
fn with_password(database: &TestDatabase) -> String {
    database.url().replacen('@', ":s3cret@", 1)
}

/// The whole way: kept across a restart, refused with other keys, and no password is ever shown.
#[test]
fn an_instance_is_kept_in_postgresql() {
    let Some(database) = TestDatabase::make("an_instance_is_kept_in_postgresql") else { return };
    let site = Site::with_instance("");
    let config = site.path(".interlock/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let line = format!("database_url = \"{}\"\n\n[policy]", database.url());
    std::fs::write(&config, text.replace("[policy]", &line)).unwrap();

    let server = site.up(&[]);
    site.run(&["thread", "create", "kept elsewhere"]).ok();
    drop(server);
    assert!(!site.path(".interlock/interlock.db").exists(), "nothing is in the file");

    let server = site.up(&[]);
    assert!(site.run(&["thread", "list"]).ok().out.contains("kept elsewhere"));
    drop(server);

    // The same workspace with other keys.
    let other = Site::with_instance("");
    let settings = std::fs::read_to_string(&config).unwrap();
    std::fs::write(other.path(".interlock/config.toml"), settings).unwrap();
    other.run(&["up", "--server-only"]).failed(1, "KEYS_DIFFER");
}

/// What is said of a database that is away does not show its password.
#[test]
fn a_password_is_never_shown() {
    let site = Site::with_instance("");
    let url = "postgresql://me:s3cret@127.0.0.1:1/interlock";
    let ran = site.run(&["up", "--server-only", "--database-url", url]).failed(4, "STORE_UNAVAILABLE");
    assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    let ran = site.run(&["doctor", "--json", "--database-url", url]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
}

/// No server is waited for that nothing names.
#[test]
fn an_address_that_makes_no_sense_is_no_reason_to_try_again() {
    let site = Site::with_instance("");
    for address in [
        "postgresql://me:s3cret@127.0.0.1:none/interlock",
        "postgresql://me:s3cret@localhost/interlock?sslmode=verify-ca",
        "postgresql://me:s3cret@localhost/interlock?sslmode=verify-full",
        "postgresql://me:s3cret@localhost/interlock?sslmode=require&sslrootcert=/nonexistent",
        "mysql://me:s3cret@localhost/interlock",
    ] {
        let ran = site.run(&["up", "--server-only", "--database-url", address]).failed(2, "CONFIG_INVALID");
        assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    }
}

/// `init` makes the tables and writes the database down, or makes no instance at all.
#[test]
fn a_new_instance_may_name_its_database() {
    let Some(database) = TestDatabase::make("a_new_instance_may_name_its_database") else { return };
    let url = with_password(&database);
    let site = Site::new();
    let away = "postgresql://me:s3cret@127.0.0.1:1/interlock";
    let ran = site.run(&["init", "--database-url", away]).failed(4, "STORE_UNAVAILABLE");
    assert!(!site.path(".interlock").exists() && !format!("{ran:?}").contains("s3cret"), "{ran:?}");

    let ran = site.run(&["init", "--database-url", &url]).ok();
    let doctor = || site.run(&["doctor", "--json"]).ok();
    let before = doctor();
    let server = site.up(&["--server-only"]);
    site.ask(&["thread", "create", "kept elsewhere"]);
    let after = doctor();
    assert!(!site.path(".interlock/interlock.db").exists(), "nothing is in the file");
    let said = |ran: &crate::world::Ran| {
        let report = ran.only_json();
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "database").unwrap().clone()
    };
    assert_eq!(said(&before)["verdict"], "warn", "{before:?}");
    assert_eq!(said(&after)["verdict"], "ok", "{after:?}");
    assert!(said(&after)["detail"].as_str().unwrap().contains("a ledger of 1 entries"), "{after:?}");
    let log = std::fs::read_to_string(site.path(".interlock/logs/server.log")).unwrap();
    let all = format!("{ran:?} {before:?} {after:?} {log} {}", server.running.errors());
    assert!(!all.contains("s3cret"), "{all}");
}

/// The whole job on PostgreSQL, named by a variable as the agents' own command lines must not see it.
#[test]
fn the_pilot_runs_on_postgresql() {
    let Some(database) = TestDatabase::make("the_pilot_runs_on_postgresql") else { return };
    let site = Site::new();
    let url = with_password(&database);
    let mut command = site.command(&["pilot", "--json", "--seed", "31"]);
    let ran = finish(command.env("INTERLOCK_DATABASE_URL", &url), b"");
    let story = outcome(&ran);
    assert_eq!(story["verdict"], "resolved", "{story}");
    assert_eq!(story["ledger"]["verified"], true, "{story}");
    assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    let entries = database.sql("SELECT count(*) FROM ledger_entry");
    assert_eq!(entries.trim(), story["ledger"]["size"].to_string(), "the ledger is in the database");
}
