//! A database whose statistics nobody gathers, as in the first minutes of every one: what a batch reads does not grow with
//! what there is. The planner takes tables that it knows nothing of for small, and would read all of a workspace's rows.

use std::sync::Arc;

use interlock_core::Command;
use interlock_core::command::CancelMessage;
use interlock_testkit::{Sequencer, Story};

use crate::made::{Made, block_on};

/// Batches, each of which looks up keys, answers a message and takes that back.
const BATCHES: u64 = 600;
/// Rows of a table that grows that are read for each batch, on the average: before there are statistics every row may be.
const ROWS_MAX: u64 = 40;

/// Rows that were found by the indexes of what grows with every post, once all of them are counted: the table with most.
fn rows_read(made: &Made) -> (u64, String) {
    let sql = "SELECT max(idx_tup_fetch), string_agg(relname || ' ' || idx_tup_fetch, ', '),
               sum(n_tup_ins) FILTER (WHERE relname = 'message') FROM pg_stat_user_tables
               WHERE relname IN ('message', 'idempotency', 'ledger_entry', 'timeline')";
    // Sessions count when they end, or once a second.
    for _ in 0..1_000 {
        let line = made.0.sql(sql);
        let [most, all, written] = line.trim().split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if written.parse::<u64>().unwrap() >= BATCHES {
            return (most.parse().unwrap(), all.to_owned());
        }
    }
    panic!("the database never counts {BATCHES} posts");
}

#[test]
fn what_a_batch_reads_does_not_grow_with_the_workspace() {
    let Some(made) = Made::new("what_a_batch_reads_does_not_grow_with_the_workspace") else { return };
    block_on(async { drop(made.try_open().await.unwrap()) });
    for table in ["message", "idempotency", "ledger_entry", "timeline"] {
        made.0.sql(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)"));
    }
    block_on(async {
        let store = Arc::new(made.try_open().await.unwrap());
        let mut tale = Story::begin(Sequencer::new(store, 1).await).await;
        let thread = tale.open("work").await;
        tale.post(thread, "ann", "the first", &["una"]).await.unwrap();
        for _ in 1..BATCHES {
            let last = tale.sequencer.mirror.messages.values().next_back().unwrap().message.head.message_id;
            let answer = {
                let mut post = Story::chat(thread, "about that", &["una"]);
                post.in_reply_to = Some(last);
                tale.envelope("ann", Command::PostMessage(post))
            };
            let (thread_id, text) = (thread, "no".to_owned());
            let cancel = Command::CancelMessage(CancelMessage { thread_id, message_id: last, text });
            let cancel = tale.envelope("olga", cancel);
            let (outcomes, committed) = tale.sequencer.run(vec![answer, cancel]).await;
            committed.unwrap();
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    });
    let (most, all) = rows_read(&made);
    assert!(most <= BATCHES * ROWS_MAX, "rows read by {BATCHES} batches: {all}");
}
