//! What goes wrong again and again in programs that wake agents, as far as it is about what is kept: each test is named
//! after what must never happen. docs/known-defects.md has the whole list, with what is tested elsewhere.

use interlock_core::Reason;
use interlock_core::actor::Role;
use interlock_core::command::{Command, PostMessage};
use interlock_core::facts::Reply;
use interlock_core::id::{FindingId, ThreadId};
use interlock_core::policy::Policy;
use interlock_core::thread::{MessageKind, Status};
use interlock_engine::read::Store as _;
use interlock_testkit::faults::Fault;
use serde_json::json;

use crate::waking::{claim, exits, started};
use crate::world::{World, acks, opens, posts, registers};

/// A world with these rules, and a thread of the lead and the executor.
async fn pair(policy: Policy) -> (World, ThreadId) {
    let world = World::with(policy).await;
    world.does(&world.lead(), "agent", registers("executor")).await.unwrap();
    let opened = world.does(&world.lead(), "open", opens(&["executor"])).await.unwrap();
    let Reply::Thread(thread) = opened.reply else { panic!("no thread was opened") };
    (world, thread)
}

/// The same finding, reported under another id each time.
fn finds(thread: ThreadId, n: u128) -> Command {
    let Command::PostMessage(post) = posts(thread, "") else { unreachable!() };
    let data = json!({
        "finding_id": FindingId::from_u128(n), "path": "src/lib.rs", "line": 3, "rule": "unused",
        "severity": "high", "message": "never read",
    });
    let serde_json::Value::Object(data) = data else { unreachable!() };
    Command::PostMessage(PostMessage {
        kind: MessageKind::Event,
        event_type: Some("finding_reported".into()),
        data: Some(data),
        ..post
    })
}

/// Every guard counts in memory, and is as good as new after a restart.
#[tokio::test]
async fn no_guard_forgets_with_its_server() {
    // The same words, and the same finding, of one agent.
    for (what, reason) in [("words", Reason::RepeatedMessages), ("finding", Reason::IdenticalFindings)] {
        let (mut world, thread) = pair(Policy::default()).await;
        for n in 0..3 {
            let said = if what == "words" { posts(thread, "acknowledged") } else { finds(thread, n) };
            let status = world.store.thread(world.here, thread).await.unwrap().unwrap().status;
            assert_eq!(status, Status::Active, "{what}: before {n}");
            let executor = world.actor("executor", Role::Participant);
            world.does(&executor, &format!("say-{n}"), said).await.unwrap();
            world = world.restart();
        }
        let row = world.store.thread(world.here, thread).await.unwrap().unwrap();
        assert_eq!((row.status, row.reason), (Status::Blocked, Some(reason)), "{what}");
    }
    // The wakes of a minute.
    let policy = Policy { wakes_per_minute_max: 2, ..Policy::default() };
    let (mut world, thread) = pair(policy).await;
    for n in 1..=2 {
        world.does(&world.lead(), &format!("post-{n}"), posts(thread, &format!("go {n}"))).await.unwrap();
        let lease = claim(&world, "keeper", &format!("claim-{n}")).await.remove(0);
        started(&world, &lease).await.unwrap();
        world = world.restart();
        let executor = world.actor("executor", Role::Participant);
        world.does(&executor, &format!("ack-{n}"), acks(thread, n)).await.unwrap();
        exits(&world, &lease).await;
        world = world.restart();
    }
    world.does(&world.lead(), "once more", posts(thread, "and on")).await.unwrap();
    let world = world.restart();
    assert_eq!(claim(&world, "keeper", "claim").await, [], "the third within a minute");
    let rows = world.store.dump(world.here).await.unwrap();
    assert!(rows.iter().any(|row| row.contains("WAKE_RATE_LIMITED")), "{rows:?}");
}

/// Something is done, or refused to an operator, and the record of it could not be written: nobody notices.
#[tokio::test]
async fn nothing_is_done_or_refused_without_its_record() {
    for fault in [Fault::Before, Fault::After] {
        let mut n = 1;
        loop {
            let world = World::new().await;
            let olga = world.actor("olga", Role::Operator);
            world.does(&olga, "first", registers("executor")).await.unwrap();
            world.store.fail_call(n, fault);
            let refused = world.does(&olga, "again", registers("executor")).await.unwrap_err().reason;
            let done = world.does(&olga, "other", registers("reviewer")).await;
            let is_over = world.store.is_fault_ahead();
            world.store.heal();
            let kinds: Vec<String> =
                world.ledger().await.iter().map(|entry| entry["events"][0]["kind"].to_string()).collect();
            let count = |kind: &str| kinds.iter().filter(|found| found.contains(kind)).count();
            match refused {
                Reason::AgentExists => assert_eq!(count("operator.action_refused/1"), 1, "{n} {fault:?}"),
                // Said to have an open outcome, and to be asked for again.
                Reason::StoreUnavailable => {}
                other => panic!("{other}"),
            }
            if done.is_ok() {
                assert_eq!(count("agent.registered/1"), 2, "{n} {fault:?}");
            }
            if is_over {
                break;
            }
            n += 1;
        }
        assert!(n > 2, "only {n} calls were made to fail");
    }
}
