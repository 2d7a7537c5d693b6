//! Rows that contradict themselves freeze their workspace, and no other.

use interlock_core::id::WorkspaceId;
use interlock_core::{Code, Reason};

use crate::world::{World, posts, registers};

#[tokio::test]
async fn a_broken_row_freezes_its_workspace_and_says_so() {
    let mut world = World::new().await;
    let thread = world.thread().await;
    world.does(&world.lead(), "a", posts(thread, "a")).await.unwrap();
    let file = rusqlite::Connection::open(world.file()).unwrap();
    assert_eq!(file.execute("UPDATE thread SET doc = '{}'", []).unwrap(), 1);

    let refusal = world.does(&world.lead(), "b", posts(thread, "b")).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.code()), (Reason::StateCorrupt, Code::DataLoss));
    assert!(refusal.detail.contains("the workspace is frozen"), "{}", refusal.detail);
    assert!(refusal.hint.unwrap().contains("interlock doctor"));
    // Not even what does not touch the broken row: nobody knows what else is wrong.
    let refusal = world.does(&world.lead(), "c", registers("executor")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::StateCorrupt);
    let before = world.store.batches();
    world.does(&world.lead(), "d", registers("executor")).await.unwrap_err();
    assert_eq!(world.store.batches(), before, "a frozen workspace is left alone");
    assert_eq!(world.ledger_verifies().await, 2);

    let there = WorkspaceId::from_u128(2);
    world.serves(there).await;
    world.here = there;
    world.does(&world.lead(), "c", registers("executor")).await.unwrap();
}
