//! An instance whose database is PostgreSQL.

use interlock_testkit::postgres::TestDatabase;

use crate::site::Site;

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
}
