//! The same commands give the same dump as on SQLite.

use std::sync::Arc;

use interlock_store::Store;
use interlock_store_sqlite::{Options, SqliteStore};
use interlock_testkit::{Sequencer, Story};

use crate::made::{Made, block_on};

async fn dump(store: Arc<dyn Store>) -> Vec<String> {
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    // Any numbers will do, as long as they are the same: a linear congruence.
    let mut state: u64 = 42;
    for _ in 0..200 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [_, _, what, who, which, ..] = state.to_le_bytes().map(|byte| byte);
        tale.step((what, who, which)).await;
    }
    store.dump(tale.sequencer.workspace_id).await.unwrap()
}

#[test]
fn both_stores_give_the_same_dump() {
    let Some(made) = Made::new("both_stores_give_the_same_dump") else { return };
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let sqlite = SqliteStore::open(&Options::at(folder.path().join("interlock.db"))).unwrap();
        let there = dump(Arc::new(sqlite)).await;
        let here = dump(Arc::new(made.try_open().await.unwrap())).await;
        assert!(there.len() > 200, "{} lines", there.len());
        assert_eq!(here, there);
    });
}
