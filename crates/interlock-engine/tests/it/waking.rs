//! The rules of waking over a real store, which has to load what they need.

use interlock_core::actor::{Actor, Role};
use interlock_core::command::{ClaimWakes, Command, Report, ReportWake};
use interlock_core::facts::Reply;
use interlock_core::thread::Status;
use interlock_core::wake::{Claimant, Door, Lane, Lease, Outcome};
use interlock_core::{Reason, Refusal};
use interlock_engine::read::Store as _;

use crate::world::{World, becomes, opens, posts, registers};

pub(crate) async fn claim(world: &World, supervisor: &str, key: &str) -> Vec<Lease> {
    let command = Command::ClaimWakes(ClaimWakes {
        supervisor: supervisor.into(),
        incarnation: "life-1".into(),
        limit: 9,
        lane: Lane::Trigger,
        claimant: Claimant::default(),
        doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
    });
    match world.does(&world.lead(), key, command).await.unwrap().reply {
        Reply::Claimed(claimed) => claimed.into_iter().map(|(_, lease)| lease).collect(),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn started(world: &World, lease: &Lease) -> Result<(), Refusal> {
    let command = Command::ReportWake(ReportWake {
        wake_id: lease.wake_id,
        incarnation: lease.incarnation.clone(),
        fence: lease.fence,
        report: Report::Started { lane: Lane::Trigger, door: None },
    });
    let key = format!("{}-started", lease.wake_id);
    world.does(&world.lead(), &key, command).await.map(|_| ())
}

/// Its process has ended well.
pub(crate) async fn exits(world: &World, lease: &Lease) {
    let outcome = Outcome::Exited { code: 0 };
    let command = Command::ReportWake(ReportWake {
        wake_id: lease.wake_id,
        incarnation: lease.incarnation.clone(),
        fence: lease.fence,
        report: Report::Ended { outcome, usage: None, is_session_total: false, last_message: None },
    });
    world.does(&world.lead(), &format!("{}-ended", lease.wake_id), command).await.unwrap();
}

/// A thread is paused between a claim and its start: meanwhile no other supervisor gets the agent.
#[tokio::test]
async fn a_claim_held_back_by_its_thread_keeps_the_agent() {
    let world = World::new().await;
    let lead = world.lead();
    world.does(&lead, "agent", registers("executor")).await.unwrap();
    let mut threads = Vec::new();
    for key in ["one", "two"] {
        let Reply::Thread(id) = world.does(&lead, key, opens(&["executor"])).await.unwrap().reply else {
            panic!("no thread was opened")
        };
        threads.push(id);
    }
    world.does(&lead, "first", posts(threads[0], "go")).await.unwrap();
    let first = claim(&world, "s1", "c1").await.remove(0);
    world.does(&lead, "pause", becomes(threads[0], Status::Blocked)).await.unwrap();
    world.does(&lead, "second", posts(threads[1], "go")).await.unwrap();
    assert_eq!(claim(&world, "s2", "c2").await, []);
    world.does(&lead, "resume", becomes(threads[0], Status::Active)).await.unwrap();
    assert_eq!(started(&world, &first).await.unwrap_err().reason, Reason::LeaseLost);
}

/// What an agent that is quicker than its supervisor proves outlives a restart.
#[tokio::test]
async fn an_early_call_is_kept() {
    let world = World::new().await;
    let lead = world.lead();
    world.does(&lead, "agent", registers("executor")).await.unwrap();
    let Reply::Thread(thread) = world.does(&lead, "open", opens(&["executor"])).await.unwrap().reply else {
        panic!("no thread was opened")
    };
    world.does(&lead, "post", posts(thread, "go")).await.unwrap();
    let lease = claim(&world, "s1", "c1").await.remove(0);
    let agent = Actor { wake_id: Some(lease.wake_id), ..world.actor("executor", Role::Participant) };
    let call = Command::NoteCall { wake_id: lease.wake_id };
    world.does(&agent, "call", call).await.unwrap();
    let world = world.restart();
    started(&world, &lease).await.unwrap();
    let wake = world.store.wake(world.here, lease.wake_id).await.unwrap().unwrap();
    assert!(wake.ladder.accepted_at.is_some(), "{wake:?}");
}
