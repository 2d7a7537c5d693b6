//! What an engine remembers of supervisors.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::actor::{Guarded, Permission, Role};
use interlock_core::facts::Reply;
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;
use interlock_core::wake::{Claimant, Door, Lack, WakeState};
use interlock_engine::read::{Page, Store as _, WakeFilter};
use interlock_engine::{ClaimWait, Claimed, Engine, Request, authorize};

use crate::world::{World, agent, engine_over, opens, posts, registers};

/// As `SUPERVISORS_MAX` in docs/limits.md.
const SUPERVISORS_MAX: usize = 256;

#[tokio::test]
async fn the_supervisors_silent_for_longest_are_forgotten() {
    let world = World::new().await;
    for n in 0..=SUPERVISORS_MAX {
        world.engine.heard_again(world.here, &format!("sup-{n:03}")).await.unwrap();
    }
    let names: Vec<_> = world.engine.supervisors(world.here).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), SUPERVISORS_MAX);
    assert!(!names.contains(&"sup-000".to_owned()) && names.contains(&"sup-001".to_owned()));
    assert!(names.contains(&format!("sup-{SUPERVISORS_MAX:03}")));
    // Whoever calls again is no newcomer, and displaces nobody.
    world.engine.heard_again(world.here, "sup-001").await.unwrap();
    assert_eq!(world.engine.supervisors(world.here).len(), SUPERVISORS_MAX);
    let there = WorkspaceId::from_u128(2);
    world.serves(there).await;
    world.engine.heard_again(there, "another").await.unwrap();
    let names: Vec<_> = world.engine.supervisors(world.here).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"sup-001".to_owned()) && !names.contains(&"sup-002".to_owned()));
}

#[derive(Debug)]
struct Claims;

impl Guarded for Claims {
    const OPERATION: &'static str = "claim_wakes";
    const PERMISSION: Permission = Permission::WakeRun;
}

/// What a supervisor gets that asks once, and lacks the executor's program or has it.
async fn claims(world: &World, engine: &Engine, name: &str, lacks: bool) -> Claimed {
    let mut claimant = Claimant::default();
    if lacks {
        claimant.cannot_run.insert(agent("executor"), Lack::Program);
    }
    let claim = ClaimWait {
        supervisor: name.into(),
        incarnation: "1".into(),
        limit: 8,
        wait: Duration::ZERO,
        claimant,
        doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
    };
    let permit = authorize::<Claims>(&world.actor(name, Role::Supervisor)).unwrap();
    engine.claim(&permit, &Request::default(), &claim).await.unwrap()
}

/// Two servers on one database: who calls the other one is waited for, although it was never heard of here.
#[tokio::test]
async fn a_supervisor_of_another_server_is_waited_for() {
    let policy = Policy { placement_wait_ms: 1, ..Policy::default() };
    let world = World::with(policy.clone()).await;
    let beside = engine_over(Arc::<interlock_testkit::faults::FaultyStore>::clone(&world.store), policy);
    let lead = world.lead();
    world.does(&lead, "agent", registers("executor")).await.unwrap();
    let Reply::Thread(thread) = world.does(&lead, "open", opens(&["executor"])).await.unwrap().reply else {
        panic!("no thread was opened")
    };
    assert!(claims(&world, &beside, "able", false).await.wakes.is_empty());
    world.does(&lead, "post", posts(thread, "go")).await.unwrap();
    // It declines, and asks again when the time for others to come is long over.
    claims(&world, &world.engine, "plain", true).await;
    let declined_at = world.engine.now();
    while world.engine.now() < declined_at.plus_ms(10) {
        assert!(claims(&world, &world.engine, "plain", true).await.wakes.is_empty());
    }
    let page = Page { after: None, limit: 9 };
    let wakes = world.store.wakes(world.here, WakeFilter::default(), page).await.unwrap();
    assert_eq!(wakes[0].state, WakeState::Pending, "{wakes:?}");
    assert_eq!(claims(&world, &beside, "able", false).await.wakes.len(), 1);
}

/// No supervisor calls: once the wake is due for long whoever opened the thread is told, once, and the wake waits on.
#[tokio::test]
async fn a_wake_that_nobody_takes_is_told_of_once() {
    let policy = Policy { poll_interval_ms: 1, lease_ms: 2, stranded_after_ms: 2, ..Policy::default() };
    let world = World::with(policy).await;
    let lead = world.lead();
    world.does(&lead, "agent", registers("executor")).await.unwrap();
    let Reply::Thread(thread) = world.does(&lead, "open", opens(&["executor"])).await.unwrap().reply else {
        panic!("no thread was opened")
    };
    world.does(&lead, "post", posts(thread, "go")).await.unwrap();
    while world.bodies(thread).await.len() < 2 {
        world.engine.tell_of_stranded(world.here).await.unwrap();
    }
    let told_at = world.engine.now();
    while world.engine.now() < told_at.plus_ms(10) {
        world.engine.tell_of_stranded(world.here).await.unwrap();
    }
    let bodies = world.bodies(thread).await;
    assert!(bodies.len() == 2 && bodies[1].contains("no supervisor is there"), "{bodies:?}");
    assert!(world.engine.oldest_due_ms().await.unwrap() > 0);
    assert_eq!(claims(&world, &world.engine, "late", false).await.wakes.len(), 1);
}
