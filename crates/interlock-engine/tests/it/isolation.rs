//! Workspaces on one engine do not feel each other.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::Reason;
use interlock_core::actor::{Guarded, Permission, Role};
use interlock_core::command::Command;
use interlock_core::id::WorkspaceId;
use interlock_core::wake::{Claimant, Door};
use interlock_engine::{ClaimWait, Claimed, Request, authorize};
use interlock_store::{Heard, Neighbours, Order, StoreError, Word};
use tokio::sync::mpsc;

use crate::world::{World, posts, registers};

#[derive(Debug)]
struct Claims;

impl Guarded for Claims {
    const OPERATION: &'static str = "claim_wakes";
    const PERMISSION: Permission = Permission::WakeRun;
}

async fn claims(world: &World, workspace_id: WorkspaceId, wait: Duration) -> Claimed {
    let mut actor = world.actor("keeper", Role::Supervisor);
    actor.workspace_id = workspace_id;
    let permit = authorize::<Claims>(&actor).unwrap();
    let claim = ClaimWait {
        supervisor: format!("of-{workspace_id}"),
        incarnation: "1".into(),
        limit: 8,
        wait,
        claimant: Claimant::default(),
        doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
    };
    world.engine.claim(&permit, &Request::default(), &claim).await.unwrap()
}

#[tokio::test]
async fn halting_one_workspace_leaves_the_others_alone() {
    let world = Arc::new(World::new().await);
    let there = WorkspaceId::from_u128(2);
    world.serves(there).await;
    world.engine.halt(world.here);
    assert!(claims(&world, world.here, Duration::from_hours(1)).await.halt);
    assert!(!claims(&world, there, Duration::ZERO).await.halt);
    assert!(world.engine.is_halted(world.here).await && !world.engine.is_halted(there).await);
}

#[tokio::test]
async fn a_halt_ends_a_claim_that_waits() {
    let world = Arc::new(World::new().await);
    let waiting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { claims(&world, world.here, Duration::from_hours(1)).await }
    });
    world.store.batches_reach(1).await;
    world.engine.halt(world.here);
    assert!(waiting.await.unwrap().halt);
}

#[tokio::test]
async fn supervisors_are_known_to_their_own_workspace() {
    let world = World::new().await;
    let there = WorkspaceId::from_u128(2);
    world.serves(there).await;
    claims(&world, there, Duration::ZERO).await;
    assert!(world.engine.supervisors(world.here).is_empty());
    let known = world.engine.supervisors(there);
    assert_eq!(known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [format!("of-{there}")]);
}

#[tokio::test]
async fn a_thread_of_another_workspace_is_not_there() {
    let mut world = World::new().await;
    let thread = world.thread().await;
    let there = WorkspaceId::from_u128(2);
    world.serves(there).await;
    world.here = there;
    let boss = world.actor("boss", Role::Coordinator);
    let refusal = world.does(&boss, "post", posts(thread, "hello")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::ThreadNotFound);
    // The same key and name in two workspaces are two.
    world.does(&world.lead(), "open", registers("executor")).await.unwrap();
}

#[tokio::test]
async fn a_token_for_a_workspace_that_is_not_served_is_refused() {
    let world = World::new().await;
    let mut stranger = world.lead();
    stranger.workspace_id = WorkspaceId::from_u128(77);
    let token = world.engine.issuer().mint(&stranger, world.engine.now(), 60_000).unwrap();
    assert_eq!(world.engine.authenticate(&token).await.unwrap_err().reason, Reason::WorkspaceUnknown);
}

/// What another server says is heard here; what is said here nobody hears.
struct Wire(tokio::sync::Mutex<mpsc::UnboundedReceiver<Heard>>);

#[async_trait::async_trait]
impl Neighbours for Wire {
    async fn tell(&self, _: &Word) -> Result<(), StoreError> {
        Ok(())
    }

    async fn hear(&self) -> Result<Heard, StoreError> {
        match self.0.lock().await.recv().await {
            Some(heard) => Ok(heard),
            None => std::future::pending().await,
        }
    }
}

/// A word that agents may go on can be lost; what counts is what the store says.
#[tokio::test]
async fn a_server_that_heard_of_a_halt_and_not_of_its_end_goes_on() {
    let world = World::new().await;
    let (wire, hears) = mpsc::unbounded_channel();
    let neighbours: Arc<dyn Neighbours> = Arc::new(Wire(tokio::sync::Mutex::new(hears)));
    let _neighbourhood = world.engine.join(&neighbours).unwrap();
    let mut watch = world.engine.watch();
    let halt = Word {
        from: 1,
        workspace_id: world.here,
        size: 0,
        threads: None,
        supervisors: true,
        workers: false,
        order: Order::Halt,
    };
    wire.send(Heard::Word(halt)).unwrap();
    watch.next().await;
    assert!(claims(&world, world.here, Duration::ZERO).await.halt, "told, and not recorded yet");
    world.does(&world.lead(), "halt", Command::HaltAgents).await.unwrap();
    assert!(claims(&world, world.here, Duration::ZERO).await.halt);
    world.does(&world.lead(), "resume", Command::ResumeAgents { since: None }).await.unwrap();
    assert!(!claims(&world, world.here, Duration::ZERO).await.halt);
    assert!(!world.engine.is_halted(world.here).await);
}
