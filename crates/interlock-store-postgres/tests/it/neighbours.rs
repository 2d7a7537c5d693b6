//! Servers of one database hear each other, and what was not said is found by looking.

use std::collections::BTreeSet;
use std::sync::Arc;

use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_store::{Heard, Neighbours, Order, Store, Word};
use interlock_testkit::{Sequencer, Story};

use crate::made::{Made, block_on};

fn word(number: u64) -> Word {
    let threads = Some(BTreeSet::from([ThreadId::from_u128(number.into())]));
    let workspace_id = WorkspaceId::from_u128(1);
    let size = number;
    Word { from: number, workspace_id, size, threads, supervisors: true, workers: true, order: Order::None }
}

/// One that listens already.
async fn listening(made: &Made) -> Arc<dyn Neighbours> {
    let neighbours = made.try_open().await.unwrap().neighbours();
    assert_eq!(neighbours.hear().await, Ok(Heard::Anything), "whoever comes looks at everything once");
    neighbours
}

#[test]
fn every_server_hears_every_word_in_order() {
    let Some(made) = Made::new("every_server_hears_every_word_in_order") else { return };
    block_on(async {
        let (one, two) = (listening(&made).await, listening(&made).await);
        for number in 1..=50 {
            one.tell(&word(number)).await.unwrap();
        }
        for number in 1..=50 {
            assert_eq!(one.hear().await, Ok(Heard::Word(word(number))));
            assert_eq!(two.hear().await, Ok(Heard::Word(word(number))));
        }
    });
}

/// A lost connection is noticed, and whoever listens again looks at everything: words may have been lost.
#[test]
fn a_lost_connection_is_made_again() {
    let Some(made) = Made::new("a_lost_connection_is_made_again") else { return };
    block_on(async {
        let neighbours = listening(&made).await;
        neighbours.tell(&word(1)).await.unwrap();
        assert_eq!(neighbours.hear().await, Ok(Heard::Word(word(1))));
        made.0.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        assert!(neighbours.hear().await.is_err());
        assert_eq!(neighbours.hear().await, Ok(Heard::Anything));
        // The one that speaks may notice only when it speaks.
        if neighbours.tell(&word(2)).await.is_err() {
            neighbours.tell(&word(2)).await.unwrap();
        }
        assert_eq!(neighbours.hear().await, Ok(Heard::Word(word(2))));
    });
}

/// A server that ended between its commit and its word.
#[test]
fn a_ledger_that_grew_without_a_word_is_noticed() {
    let Some(made) = Made::new("a_ledger_that_grew_without_a_word_is_noticed") else { return };
    block_on(async {
        let neighbours = listening(&made).await;
        let store: Arc<dyn Store> = Arc::new(made.try_open().await.unwrap());
        Story::begin(Sequencer::new(store, 1).await).await;
        assert_eq!(neighbours.hear().await, Ok(Heard::Anything));
    });
}
