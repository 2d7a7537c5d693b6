//! Commands that wait together are committed together.

use std::sync::Arc;

use interlock_core::actor::Role;
use interlock_core::command::Command;
use interlock_core::facts::{Key, Reply};
use interlock_core::id::ThreadId;
use interlock_core::{Code, Reason};
use interlock_store::StoreError;
use tokio::task::{JoinHandle, JoinSet, yield_now};

use crate::world::{Answer, World, acks, agent, posts, registers};

/// The committer is held up by a first command; then these wait, and go together when it is let go.
async fn together(world: &Arc<World>, commands: Vec<(String, Command)>) -> Vec<Answer> {
    let held = world.store.hold_batches().await;
    let first = spawn(world, "first".into(), acks(ThreadId::from_u128(9), 1));
    let begun = world.store.batches();
    world.store.batches_reach(begun + 1).await;
    let waiting: Vec<_> = commands.into_iter().map(|(key, command)| spawn(world, key, command)).collect();
    // One thread runs these tests' tasks in turn: after a round, each has queued its command.
    yield_now().await;
    drop(held);
    assert_eq!(first.await.unwrap().unwrap_err().reason, Reason::ThreadNotFound);
    let mut answers = Vec::new();
    for one in waiting {
        answers.push(one.await.unwrap());
    }
    answers
}

fn spawn(world: &Arc<World>, key: String, command: Command) -> JoinHandle<Answer> {
    let world = Arc::clone(world);
    tokio::spawn(async move { world.does(&world.lead(), &key, command).await })
}

fn seq(answer: &Answer) -> u64 {
    match answer.as_ref().unwrap().reply {
        Reply::Message(_, _, seq, _) => seq,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_commands_land_in_few_batches_without_gaps() {
    let world = Arc::new(World::new().await);
    let thread = world.thread().await;
    let before = world.store.batches();
    let commands = (0..200).map(|n| (format!("post-{n}"), posts(thread, &n.to_string()))).collect();
    let answers = together(&world, commands).await;
    let used = world.store.batches() - before;
    assert!(used <= 3, "201 commands took {used} batches");
    let mut seqs: Vec<_> = answers.iter().map(seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
    assert_eq!(world.bodies(thread).await.len(), 200);
    assert_eq!(world.ledger_verifies().await, 201);
}

#[tokio::test]
async fn of_a_batch_that_the_database_refuses_only_the_offender_is_refused() {
    let world = Arc::new(World::new().await);
    let thread = world.thread().await;
    world.store.refuse(Key::Agent(agent("mallory")), StoreError::Rejected("too big".into()));
    let commands = vec![
        ("a".into(), posts(thread, "before")),
        ("b".into(), registers("mallory")),
        ("c".into(), posts(thread, "after")),
    ];
    let answers = together(&world, commands).await;
    assert_eq!((seq(&answers[0]), seq(&answers[2])), (1, 2));
    let refusal = answers[1].as_ref().unwrap_err();
    assert_eq!((refusal.reason, refusal.code()), (Reason::Defect, Code::Internal));
    assert_eq!(world.bodies(thread).await, ["before", "after"]);
    // It is not frozen either: nothing that is stored is broken.
    world.does(&world.lead(), "d", posts(thread, "still open")).await.unwrap();
    assert_eq!(world.ledger_verifies().await, 4);
}

#[tokio::test]
async fn retries_with_one_key_in_one_batch_change_things_once() {
    let world = Arc::new(World::new().await);
    let thread = world.thread().await;
    let mut commands = vec![("one".to_owned(), posts(thread, "hello")); 16];
    commands.push(("one".to_owned(), posts(thread, "another body")));
    let answers = together(&world, commands).await;
    let first = answers[0].as_ref().unwrap();
    for again in &answers[1..16] {
        assert_eq!(again.as_ref().unwrap(), first);
    }
    let other = answers[16].as_ref().unwrap_err();
    assert_eq!((other.reason, other.code()), (Reason::KeyReused, Code::IdempotencyConflict));
    assert_eq!(world.bodies(thread).await, ["hello"]);
}

#[tokio::test]
async fn commands_of_one_batch_see_the_effects_of_those_before_them() {
    let world = Arc::new(World::new().await);
    let thread = world.thread().await;
    let commands = vec![
        ("a".into(), acks(thread, 1)),
        ("b".into(), posts(thread, "hello")),
        ("c".into(), acks(thread, 1)),
        ("d".into(), registers("twin")),
        ("e".into(), registers("twin")),
    ];
    let answers = together(&world, commands).await;
    assert_eq!(answers[0].as_ref().unwrap_err().reason, Reason::CursorAhead);
    assert_eq!(answers[2].as_ref().unwrap().reply, Reply::Cursor(thread, 1));
    assert_eq!(answers[3].as_ref().unwrap().reply, Reply::Agent(agent("twin")));
    assert_eq!(answers[4].as_ref().unwrap_err().reason, Reason::AgentExists);
}

#[tokio::test]
async fn callers_beyond_the_queue_are_told_to_come_back() {
    let world = Arc::new(World::new().await);
    let held = world.store.hold_batches().await;
    let (mut asked, unknown) = (JoinSet::new(), ThreadId::from_u128(9));
    // More than may wait and be under way at once.
    for n in 0..6_000 {
        let world = Arc::clone(&world);
        asked.spawn(async move {
            let who = world.actor("somebody", Role::Participant);
            world.does(&who, &n.to_string(), acks(unknown, 1)).await.unwrap_err().reason
        });
    }
    let first = asked.join_next().await.unwrap().unwrap();
    assert_eq!((first, first.code()), (Reason::ServerBusy, Code::RateLimited));
    assert!(first.code().is_retryable());
    drop(held);
    let rest = asked.join_all().await;
    assert!(rest.iter().all(|reason| matches!(reason, Reason::ServerBusy | Reason::ThreadNotFound)));
    let served = rest.iter().filter(|reason| **reason == Reason::ThreadNotFound).count();
    assert!(served >= 4_096, "only {served} could wait");
    // There is room again.
    let thread = world.thread().await;
    world.does(&world.lead(), "post", posts(thread, "hello")).await.unwrap();
}

#[tokio::test]
async fn nobody_hears_of_a_commit_before_it_is_one() {
    let world = Arc::new(World::new().await);
    let thread = world.thread().await;
    let mut watch = world.engine.watch();
    let held = world.store.hold_batches().await;
    let begun = world.store.batches();
    let post = spawn(&world, "post".into(), posts(thread, "hello"));
    world.store.batches_reach(begun + 1).await;
    let now = tokio::time::Instant::now();
    assert!(!watch.wait(now, |_| true).await);
    drop(held);
    let far = now + std::time::Duration::from_hours(1);
    assert!(watch.wait(far, |note| note.threads.contains(&thread)).await);
    assert_eq!(world.bodies(thread).await, ["hello"]);
    post.await.unwrap().unwrap();
}
