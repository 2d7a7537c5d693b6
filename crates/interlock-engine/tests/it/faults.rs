//! A store that fails: no half state, and the same request again does what it should have done.

use interlock_core::facts::Reply;
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;
use interlock_core::{Code, Reason};
use interlock_engine::Outcome;
use interlock_engine::read::Store as _;
use interlock_testkit::faults::Fault;

use crate::world::{World, acks, becomes, opens, posts, registers};

/// Repeats a request with its key until it is done; every failure on the way says that it may be repeated.
async fn done(world: &World, key: &str, command: interlock_core::Command) -> Outcome {
    for _ in 0..3 {
        match world.does(&world.lead(), key, command.clone()).await {
            Ok(outcome) => return outcome,
            Err(refusal) => {
                assert_eq!((refusal.reason, refusal.code()), (Reason::StoreUnavailable, Code::Unavailable));
                assert!(refusal.code().is_retryable());
            }
        }
    }
    panic!("`{key}` was never done");
}

/// A small job, every step of it asked for again until it is done.
async fn job(world: &World) -> ThreadId {
    done(world, "agent", registers("executor")).await;
    let Reply::Thread(thread) = done(world, "open", opens(&["executor"])).await.reply else { panic!() };
    let first = done(world, "post", posts(thread, "please")).await;
    let Reply::Message(_, id, 1, _) = first.reply else { panic!("{first:?}") };
    let again = done(world, "post", posts(thread, "please")).await;
    let Reply::Message(_, same, 1, _) = again.reply else { panic!("{again:?}") };
    assert_eq!(id, same);
    done(world, "ack", acks(thread, 1)).await;
    done(world, "resolve", becomes(thread, Status::Resolved)).await;
    thread
}

async fn nothing_is_half_done(world: &World, thread: ThreadId) {
    let kinds: Vec<Vec<String>> = world.ledger().await.iter().map(kinds).collect();
    assert_eq!(
        kinds,
        [
            vec!["agent.registered/1"],
            vec!["thread.created/1"],
            vec!["thread.message_posted/1", "wake.requested/1"],
            vec!["thread.cursor_moved/1"],
            vec!["thread.status_changed/1", "thread.message_posted/1", "wake.finished/1"],
        ]
    );
    assert_eq!(world.bodies(thread).await, ["please", ""]);
    assert_eq!(world.ledger_verifies().await, 5);
}

fn kinds(entry: &serde_json::Value) -> Vec<String> {
    entry["events"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_store_that_fails_at_any_call_leaves_no_half_state() {
    for fault in [Fault::Before, Fault::After] {
        let mut n = 1;
        loop {
            let world = World::new().await;
            world.store.fail_call(n, fault);
            let thread = job(&world).await;
            let is_over = world.store.is_fault_ahead();
            world.store.heal();
            nothing_is_half_done(&world, thread).await;
            // What an engine knows that remembers nothing is the same.
            let world = world.restart();
            nothing_is_half_done(&world, thread).await;
            if is_over {
                break;
            }
            n += 1;
        }
        assert!(n > 6, "only {n} calls were made to fail");
    }
}

#[tokio::test]
async fn the_tree_is_read_again_after_a_failed_batch() {
    let world = World::new().await;
    let thread = world.thread().await;
    done(&world, "a", posts(thread, "a")).await;
    let seen = world.store.tree_sizes().len();
    // The outcome is lost, but the entry is there: the tree the engine knew is too small.
    world.store.fail_call(1, Fault::After);
    done(&world, "b", posts(thread, "b")).await;
    done(&world, "c", posts(thread, "c")).await;
    assert_eq!(world.store.tree_sizes()[seen..], [Some(2), None, Some(3)]);
    assert_eq!(world.bodies(thread).await, ["a", "b", "c"]);
    assert_eq!(world.ledger_verifies().await, 4);
}

#[tokio::test]
async fn while_the_store_is_down_everybody_is_told_and_afterwards_served() {
    let world = World::new().await;
    let thread = world.thread().await;
    let before = world.store.dump(world.here).await.unwrap();
    world.store.set_down(true);
    for n in 0..3 {
        let refusal = world.does(&world.lead(), &n.to_string(), posts(thread, "x")).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::StoreUnavailable);
        let hint = refusal.hint.unwrap();
        assert!(hint.contains("same idempotency key"), "{hint}");
    }
    world.store.heal();
    assert_eq!(world.store.dump(world.here).await.unwrap(), before);
    world.does(&world.lead(), "0", posts(thread, "x")).await.unwrap();
    assert_eq!(world.bodies(thread).await, ["x"]);
}

#[tokio::test]
async fn an_engine_whose_first_look_at_a_workspace_fails_looks_again() {
    let world = World::new().await;
    world.store.set_down(true);
    let token = world.engine.issuer().mint(&world.lead(), world.engine.now(), 60_000).unwrap();
    let refusal = world.engine.authenticate(&token).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::StoreUnavailable);
    world.store.heal();
    assert_eq!(world.engine.authenticate(&token).await.unwrap(), world.lead());
}

#[tokio::test]
async fn a_restarted_engine_continues_the_same_ledger() {
    let world = World::new().await;
    let thread = world.thread().await;
    let first = done(&world, "a", posts(thread, "a")).await;
    let world = world.restart();
    // The reply was lost with the old engine; the key still finds it.
    assert_eq!(done(&world, "a", posts(thread, "a")).await, first);
    done(&world, "b", posts(thread, "b")).await;
    assert_eq!(world.bodies(thread).await, ["a", "b"]);
    assert_eq!(world.ledger_verifies().await, 3);
}
