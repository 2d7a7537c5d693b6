//! Databases that are not ours, or not yet ours, or not there.

use interlock_core::id::WorkspaceId;
use interlock_store::StoreError;
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::{Database as _, Sequencer, Story};

use crate::made::{Made, block_on};

#[test]
fn another_programs_database_is_left_alone() {
    let Some(made) = Made::new("another_programs_database_is_left_alone") else { return };
    made.0.sql("CREATE TABLE theirs (x int)");
    let error = block_on(made.try_open()).err();
    assert!(matches!(error, Some(StoreError::Foreign(_))), "{error:?}");
    // It would fail if anything of ours had been made.
    made.0.sql("CREATE TABLE workspace (x int)");
}

#[test]
fn a_database_of_a_later_version_is_refused() {
    let Some(made) = Made::new("a_database_of_a_later_version_is_refused") else { return };
    block_on(made.try_open()).unwrap();
    made.0.sql("INSERT INTO interlock_schema (version) VALUES (99)");
    assert!(matches!(block_on(made.try_open()).err(), Some(StoreError::TooNew { found: 99, known: 8.. })));
}

/// What messages from before answers were kept say of each other is found when the database is brought up to date.
#[test]
fn answers_of_an_earlier_version_are_found() {
    let Some(made) = Made::new("answers_of_an_earlier_version_are_found") else { return };
    let before = block_on(async {
        let store = made.open().await;
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
        for title in ["one", "two"] {
            let thread = tale.open(title).await;
            tale.discuss(thread).await;
        }
        store.dump(tale.sequencer.workspace_id).await.unwrap()
    });
    assert!(before.iter().filter(|line| line.starts_with("answer ")).count() > 40);
    made.0.sql("DROP INDEX wake_by_agent; DROP INDEX wake_of_agent_live; DROP TABLE snapshot; DROP TABLE job_totals; DROP TABLE supervisor; DROP TABLE session; DROP TABLE denial; DROP TABLE webhook; DROP TABLE answer; DROP TABLE halt; ALTER TABLE message DROP COLUMN extra; DELETE FROM interlock_schema WHERE version > 4");
    let after = block_on(async { made.open().await.dump(WorkspaceId::from_u128(1)).await.unwrap() });
    assert_eq!(after, before);
}

#[test]
fn jobs_of_an_earlier_version_are_counted_from_then_on() {
    let Some(made) = Made::new("jobs_of_an_earlier_version_are_counted_from_then_on") else { return };
    let database = std::sync::Arc::new(made);
    block_on(interlock_testkit::conformance::jobs_of_an_earlier_version_are_counted_from_then_on(
        database.clone(),
        || {
            database.0.sql(
                "DROP TABLE snapshot; DROP TABLE job_totals; DELETE FROM interlock_schema WHERE version > 10",
            );
        },
    ));
}

/// A database of a linguistic order gives the rows of each table in the order that every other store gives them in.
#[test]
fn names_are_sorted_alike_whatever_the_databases_own_order_is() {
    let Some(made) = Made::new("names_are_sorted_alike_whatever_the_databases_own_order_is") else { return };
    block_on(made.try_open()).unwrap();
    let found = made.0.sql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name IN ('agent', 'name')
         AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' ORDER BY 1",
    );
    assert_eq!(found.trim(), "");
}

#[test]
fn several_servers_may_open_at_once() {
    let Some(made) = Made::new("several_servers_may_open_at_once") else { return };
    block_on(async {
        let (one, two, three) = tokio::join!(made.try_open(), made.try_open(), made.try_open());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
    });
}

/// What is said of a server that is away never shows the password.
#[test]
fn a_server_that_is_away() {
    let options = Options::at("postgresql://me:s3cret@%2Fnonexistent/x");
    let error = block_on(PostgresStore::open(&options)).err();
    assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    assert!(!format!("{options:?} {error:?}").contains("s3cret"));
}

/// A server that takes the connection and says nothing counts as away.
#[test]
fn a_server_that_hangs() {
    block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgresql://me@127.0.0.1:{}/x", listener.local_addr().unwrap().port());
        let error = PostgresStore::open(&Options::at(url)).await.err();
        assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    });
}

#[test]
fn the_ledgers_table_only_grows() {
    let Some(made) = Made::new("the_ledgers_table_only_grows") else { return };
    block_on(made.try_open()).unwrap();
    for change in ["DELETE FROM ledger_entry", "UPDATE ledger_entry SET idx = 0", "TRUNCATE ledger_entry"] {
        let check = format!(
            "DO $$ BEGIN {change}; RAISE 'it was allowed' USING ERRCODE = '22000'; EXCEPTION WHEN raise_exception THEN NULL; END $$"
        );
        made.0.sql(&check);
    }
}
