//! What a move takes along is all there is.

use std::collections::BTreeMap;

use interlock_store::archive::{DERIVED, TABLES};

use crate::made::{Made, block_on};

/// Columns that a move makes anew.
const OURS: [(&str, &str); 1] = [("ledger_checkpoint", "batch_id")];

#[test]
fn every_column_of_every_table_moves() {
    let Some(made) = Made::new("every_column_of_every_table_moves") else { return };
    block_on(made.try_open()).unwrap();
    let stored = made.0.sql(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()
         AND table_name NOT IN ('interlock_schema', 'workspace') AND column_name <> 'ws'
         ORDER BY table_name, column_name",
    );
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, column) in stored.lines().map(|line| line.split_once('|').unwrap()) {
        if !OURS.contains(&(table, column)) && !DERIVED.contains(&table) {
            found.entry(table).or_default().push(column);
        }
    }
    let moved = TABLES.iter().map(|table| {
        let mut columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        columns.sort_unstable();
        (table.name, columns)
    });
    assert_eq!(found, moved.collect());
}
