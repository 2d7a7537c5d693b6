//! What a move takes along is all there is.

use std::collections::BTreeMap;

use interlock_store::archive::{DERIVED, TABLES};
use interlock_store_sqlite::{Options, SqliteStore};
use rusqlite::Connection;

/// The internal number of the workspace, and the key that is made of it.
const OURS: [&str; 2] = ["ws", "place"];

#[test]
fn every_column_of_every_table_moves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("interlock.db");
    drop(SqliteStore::open(&Options::at(&file)).unwrap());
    let connection = Connection::open(file).unwrap();
    let sql = "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c
               WHERE t.type = 'table' AND t.name <> 'workspace' AND t.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in rows.unwrap().map(Result::unwrap) {
        let is_derived = DERIVED.iter().any(|name| table.starts_with(name));
        if !OURS.contains(&column.as_str()) && !is_derived {
            found.entry(table).or_default().push(column);
        }
    }
    for columns in found.values_mut() {
        columns.sort_unstable();
    }
    let moved = TABLES.iter().map(|table| {
        let mut columns: Vec<String> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        columns.sort_unstable();
        (table.name.to_owned(), columns)
    });
    assert_eq!(found, moved.collect());
}
