//! Snapshots: the same numbers at every server, after every restart, and whatever the store does not do.

use std::sync::Arc;

use interlock_core::command::{ClaimJobs, Command, FinishJob, JobOutcome, TakeSnapshot};
use interlock_core::facts::Reply;
use interlock_core::id::WorkspaceId;
use interlock_core::job::{Job, NewJob, RetryPolicy};
use interlock_core::policy::Policy;
use interlock_core::snapshot::{Jobs, Snapshot, Stage};
use interlock_engine::read::{JobFilter, Page, Store};
use interlock_engine::{Engine, Request, authorize};
use interlock_store::Workspace;
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::faults::Fault;
use interlock_testkit::postgres::TestDatabase;
use serde_json::json;

use crate::world::{AnyWrite, World, engine_over};

/// A server of a workspace.
struct Node<'a>(&'a Engine, &'a interlock_core::actor::Actor);

impl Node<'_> {
    async fn tries(&self, command: Command) -> Option<Reply> {
        let permit = authorize::<AnyWrite>(self.1).unwrap();
        self.0.execute(&permit, &Request::default(), command).await.ok().map(|outcome| outcome.reply)
    }

    async fn asks(&self) -> Option<Reply> {
        self.tries(Command::EnqueueJob(NewJob {
            kind: "errand".into(),
            name: None,
            payload: json!({}),
            run_at: None,
            policy: RetryPolicy { base_ms: 0, cap_ms: 0, attempts_max: 2 },
        }))
        .await
    }

    async fn takes(&self) -> Vec<Job> {
        let claim = ClaimJobs { worker: "w".into(), limit: 9, lease_ms: 60_000 };
        match self.tries(Command::ClaimJobs(claim)).await {
            Some(Reply::Jobs(jobs)) => jobs,
            None => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    async fn finishes(&self, job: &Job, outcome: JobOutcome) {
        let finish = FinishJob { job_id: job.job_id, fence: job.fence, outcome };
        drop(self.tries(Command::FinishJob(finish)).await);
    }

    async fn snaps(&self, stage: &str) -> Snapshot {
        let take = TakeSnapshot { stage: Stage::parse(stage).unwrap(), text: String::new() };
        match self.tries(Command::TakeSnapshot(take)).await {
            Some(Reply::Snapshot(id)) => {
                self.0.store().snapshot(self.1.workspace_id, id).await.unwrap().unwrap()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What does not depend on when it was counted.
fn timeless(jobs: Jobs) -> Jobs {
    Jobs { oldest_due_ms: 0, ..jobs }
}

#[tokio::test]
async fn a_restart_changes_no_number() {
    let world = World::new().await;
    let lead = world.lead();
    {
        let node = Node(&world.engine, &lead);
        for _ in 0..4 {
            node.asks().await.unwrap();
        }
        for (n, job) in node.takes().await.iter().enumerate().skip(1) {
            let outcome = if n == 1 { JobOutcome::Done } else { JobOutcome::Failed("no".into()) };
            node.finishes(job, outcome).await;
        }
    }
    let before = Node(&world.engine, &lead).snaps("before").await;
    let world = world.restart();
    let after = Node(&world.engine, &lead).snaps("after").await;
    assert_eq!(timeless(after.content.jobs.clone()), timeless(before.content.jobs));
    let jobs = after.content.jobs;
    assert_eq!((jobs.accepted, jobs.completed, jobs.waiting, jobs.running, jobs.lost), (4, 1, 2, 1, 0));
    assert_eq!(world.engine.job_tally().accepted, 0, "what this engine has done is another number");
    assert_eq!(after.content.ledger_size, before.index + 1);
    world.ledger_verifies().await;
}

/// Two servers of a database, each doing half of it.
#[tokio::test]
async fn two_servers_of_a_database_count_alike() {
    let Some(database) = TestDatabase::make("two_servers_of_a_database_count_alike") else { return };
    let workspace_id = WorkspaceId::from_u128(1);
    let mut engines = Vec::new();
    for _ in 0..2 {
        let store = PostgresStore::open(&Options::at(database.url())).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let origin = "interlock.test/snapshots".to_owned();
        store.create_workspace(Workspace { workspace_id, origin }).await.unwrap();
        engines.push(engine_over(store, Policy::default()));
    }
    let world = World::new().await;
    let lead = world.lead();
    let [one, two] = [Node(&engines[0], &lead), Node(&engines[1], &lead)];
    // At once, so that they meet in the middle of each other's batches.
    for _ in 0..10 {
        let asked = tokio::join!(one.asks(), two.asks());
        assert!(asked.0.is_some() && asked.1.is_some());
    }
    let (mine, theirs) = tokio::join!(one.takes(), two.takes());
    assert_eq!((mine.len(), theirs.len()), (9, 9));
    for (n, (mine, theirs)) in mine.iter().zip(&theirs).enumerate() {
        let outcome = || if n % 3 == 0 { JobOutcome::Failed("no".into()) } else { JobOutcome::Done };
        tokio::join!(one.finishes(mine, outcome()), two.finishes(theirs, outcome()));
    }
    let (first, second) = (one.snaps("one").await, two.snaps("two").await);
    let jobs = timeless(first.content.jobs.clone());
    assert_eq!(jobs, timeless(second.content.jobs.clone()));
    assert_eq!((jobs.accepted, jobs.completed, jobs.waiting, jobs.running, jobs.lost), (20, 12, 8, 0, 0));
    assert_eq!((jobs.claimed, jobs.retried, jobs.counted_since), (18, 6, None));
    assert_eq!(second.content.ledger_size, first.index + 1);
    // Each shows the other's.
    assert_eq!(engines[1].store().snapshot(workspace_id, first.snapshot_id).await.unwrap(), Some(first));
}

/// The store fails at any call, before or after it did what it was asked: what is counted is what is there.
#[tokio::test]
async fn what_a_failing_store_has_done_is_counted_once() {
    for fault in [Fault::Before, Fault::After] {
        let mut n = 1;
        loop {
            let world = World::new().await;
            let lead = world.lead();
            let node = Node(&world.engine, &lead);
            world.store.fail_call(n, fault);
            for _ in 0..2 {
                node.asks().await;
            }
            for job in node.takes().await {
                node.finishes(&job, JobOutcome::Done).await;
            }
            let is_over = world.store.is_fault_ahead();
            world.store.heal();
            let page = Page { after: None, limit: 100 };
            let rows = world.store.jobs(world.here, JobFilter::default(), page).await.unwrap();
            let jobs = node.snaps("after").await.content.jobs;
            assert_eq!((jobs.accepted, jobs.lost), (rows.len() as u64, 0), "{fault:?} at call {n}");
            assert_eq!(jobs.claimed, rows.iter().map(|job| job.fence).sum::<u64>());
            if is_over {
                break;
            }
            n += 1;
        }
        assert!(n > 4, "only {n} calls were made to fail");
    }
}
