//! A whole batch as one statement: the head row moves on from what it was when the batch was decided, and every other row
//! is written only when it did.
//!
//! The rows are joined to the head that moved. Where it did not, because another server wrote meanwhile, the statement
//! finds nothing to write, and says so. On its own such a statement is its own transaction: one round trip, no BEGIN, no
//! COMMIT.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use interlock_store::Head;

use crate::apply::{
    AGENTS, ANSWERS, CHECKPOINT, ENTRIES, FINDINGS, HEAD, MEMBERS, MESSAGES, THREADS, TILES, TIMELINE, USED,
    Values, WAKES, Written, boxed,
};
use crate::clock::NOW;
use crate::row::signed;

/// What may stand beside each other in one statement, of which no part sees what another one writes. What changes rows
/// that the same batch may have made is not among them.
const PARTS: [&str; 12] = [
    ENTRIES, TILES, CHECKPOINT, AGENTS, THREADS, MEMBERS, MESSAGES, ANSWERS, FINDINGS, WAKES, TIMELINE, USED,
];

/// How the statements of batches begin that insert what they have.
const ROWS: &str = "SELECT $1, * FROM ";
/// The same when the head has moved.
const ROWS_IF_MOVED: &str = "SELECT * FROM moved CROSS JOIN ";

/// Different statements that a store makes; each is prepared on each of its connections. Batches of yet another shape are
/// written statement by statement.
const SHAPES_MAX: usize = 32;

/// Which of the parts a statement has, a bit for each.
type Shape = u16;

/// The statements made so far.
#[derive(Default)]
pub(crate) struct Shapes(Mutex<BTreeMap<Shape, Arc<str>>>);

/// What must hold when the head moves.
pub(crate) struct Guard<'a> {
    /// What it was when the batch was decided.
    pub(crate) head: &'a Head,
    /// How far the database's clock may be from the time that the batch was decided at.
    pub(crate) apart_ms: i64,
    /// Idempotency keys that nobody may have used.
    pub(crate) unused: Vec<Vec<u8>>,
}

/// A statement with its parameters after the workspace.
pub(crate) struct Whole {
    pub(crate) sql: Arc<str>,
    pub(crate) values: Values,
}

impl Shapes {
    /// All that a batch writes as one statement; given back as it was when it cannot be one.
    pub(crate) fn whole(&self, written: Vec<Written>, guard: Guard<'_>) -> Result<Whole, Vec<Written>> {
        let Some(sql) = shape(&written).and_then(|shape| self.sql(shape)) else { return Err(written) };
        let (mut head, mut rest) = (Values::new(), Values::new());
        // In the order of the parts, as the statement has them.
        let mut written = written;
        written.sort_by_key(|(sql, _)| PARTS.iter().position(|part| part == sql));
        for (sql, values) in written {
            if sql == HEAD { head = values } else { rest.extend(values) }
        }
        let Head { size, batch_id, wall_now, .. } = guard.head;
        head.extend([boxed(signed(*size)), boxed(batch_id.to_vec()), boxed(wall_now.as_millis())]);
        head.extend([boxed(guard.apart_ms), boxed(guard.unused)]);
        head.extend(rest);
        Ok(Whole { sql, values: head })
    }

    fn sql(&self, shape: Shape) -> Option<Arc<str>> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains_key(&shape) && made.len() >= SHAPES_MAX {
            return None;
        }
        Some(Arc::clone(made.entry(shape).or_insert_with(|| sql(shape).into())))
    }
}

/// Which parts these are; none when there is one that may not stand beside others, or no head.
fn shape(written: &[Written]) -> Option<Shape> {
    let mut shape = 0;
    let mut has_head = false;
    for (sql, _) in written {
        if *sql == HEAD {
            has_head = true;
            continue;
        }
        shape |= 1 << PARTS.iter().position(|part| part == sql)?;
    }
    has_head.then_some(shape)
}

fn sql(shape: Shape) -> String {
    // The first parameters are the workspace, the head that is written, and the guard.
    let mut taken = 11;
    let mut sql = format!(
        "WITH moved AS (UPDATE workspace SET size = $2, last_leaf = $3, last_at = $4, last_count = $5, batch_id = $6
         WHERE pk = $1 AND size = $7 AND batch_id = $8 AND abs({NOW} - $9) <= $10
         AND NOT EXISTS (SELECT 1 FROM unnest($11::bytea[]) AS k (key)
         CROSS JOIN LATERAL (SELECT 1 FROM idempotency WHERE ws = $1 AND key = k.key LIMIT 1) AS used) RETURNING pk)"
    );
    for (n, part) in PARTS.iter().enumerate().filter(|(n, _)| shape & (1 << n) != 0) {
        let (text, count) = renumbered(&part.replace(ROWS, ROWS_IF_MOVED), taken);
        taken += count;
        for piece in [", part", &n.to_string(), " AS (", &text, ")"] {
            sql.push_str(piece);
        }
    }
    sql.push_str(" SELECT (SELECT count(*) FROM moved), ");
    sql.push_str(NOW);
    sql
}

/// A part's own parameters, from $2 on, are numbered on from those that are taken; gives their number too.
fn renumbered(part: &str, taken: usize) -> (String, usize) {
    let mut pieces = part.split('$');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = piece.split_at(digits);
        let own = number.parse::<usize>().unwrap_or_default().saturating_sub(1);
        count = count.max(own);
        text.push('$');
        text.push_str(&(taken + own).to_string());
        text.push_str(rest);
    }
    (text, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_on() {
        let part = "INSERT INTO t (a, b, c) SELECT $1, * FROM unnest($2::bigint[], $3::text[]) ON CONFLICT DO NOTHING";
        let (text, count) = renumbered(&part.replace(ROWS, ROWS_IF_MOVED), 11);
        assert_eq!(count, 2);
        assert_eq!(
            text,
            "INSERT INTO t (a, b, c) SELECT * FROM moved CROSS JOIN unnest($12::bigint[], $13::text[]) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn every_part_waits_for_the_head() {
        for part in PARTS {
            assert_eq!(part.matches(ROWS).count(), 1, "{part}");
            assert!(!part.replace(ROWS, ROWS_IF_MOVED).contains("$1,"), "{part}");
        }
    }

    #[test]
    fn there_are_only_so_many_statements() {
        let shapes = Shapes::default();
        let made = (0..1 << PARTS.len()).filter(|shape| shapes.sql(*shape).is_some()).count();
        assert_eq!(made, SHAPES_MAX);
        assert!(shapes.sql(0).is_some(), "those that were made stay");
    }
}
