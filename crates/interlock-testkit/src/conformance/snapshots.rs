//! Snapshots: what is counted at a moment that somebody names.

use std::sync::Arc;

use interlock_core::command::{JobOutcome, TakeSnapshot};
use interlock_core::id::SnapshotId;
use interlock_core::snapshot::{Snapshot, Stage};
use interlock_core::{Command, Event, Reply};
use interlock_store::{Page, SnapshotFilter};

use super::jobs::{new_job, requeue};
use crate::{Database, Sequencer, Story};

fn take(stage: &str) -> Command {
    Command::TakeSnapshot(TakeSnapshot {
        stage: Stage::parse(stage).unwrap(),
        text: "why \u{1F980} \"now\"".into(),
    })
}

impl Story {
    /// A snapshot of a moment of this name.
    pub(crate) async fn snap(&mut self, stage: &str) -> Snapshot {
        let (reply, _) = self.does(take(stage)).await.unwrap();
        let Reply::Snapshot(id) = reply else { panic!("no snapshot: {reply:?}") };
        self.sequencer.mirror.snapshots[&id].clone()
    }
}

/// What is counted is what stands in the ledger before the batch, whatever comes before it in the same batch; it is signed,
/// and there after reopening.
pub async fn a_snapshot_counts_what_was_committed(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let thread = tale.open("work").await;
    tale.post(thread, "ann", "one", &[]).await.unwrap();
    let (done, dead) = (tale.enqueue(new_job("a", None, 1)).await, tale.enqueue(new_job("b", None, 1)).await);
    tale.later(250);
    for job in tale.take_jobs("w", 9).await.0 {
        let outcome = if job.job_id == done { JobOutcome::Done } else { JobOutcome::Failed("no".into()) };
        tale.finish(&job, outcome).await.unwrap();
    }
    tale.does(requeue(dead)).await.unwrap();
    let size = store.ledger_head(ws).await.unwrap().size;
    let batch = vec![
        tale.say(thread, "ann", "two"),
        tale.envelope("olga", Command::EnqueueJob(new_job("c", None, 1))),
        tale.envelope("olga", take("first")),
    ];
    let (outcomes, committed) = tale.sequencer.run(batch).await;
    committed.unwrap();
    let Ok(Reply::Snapshot(id)) = outcomes[2].as_ref().map(|done| done.reply.clone()) else {
        panic!("{outcomes:?}")
    };
    drop(store);
    let store = database.open().await;
    let taken = store.snapshot(ws, id).await.unwrap().unwrap();
    assert_eq!(taken, tale.sequencer.mirror.snapshots[&id]);
    assert_eq!((taken.content.ledger_size, taken.index), (size, size + 1));
    assert_eq!((taken.content.messages, taken.content.threads["active"]), (1, 1));
    let jobs = &taken.content.jobs;
    assert_eq!(
        (jobs.accepted, jobs.completed, jobs.waiting, jobs.dead, jobs.running, jobs.lost),
        (2, 1, 1, 0, 0, 0)
    );
    assert_eq!((jobs.claimed, jobs.died, jobs.requeued, jobs.time_to_complete.sum_ms), (2, 1, 1, 250));
    assert_eq!((jobs.counted_since, taken.text.as_str()), (None, "why \u{1F980} \"now\""));
    assert_eq!(taken.content.digest().unwrap(), taken.content_digest);
    // The ledger has the numbers and no words.
    let entry = store.entries(ws, taken.index, 1).await.unwrap().remove(0).envelope;
    let entry: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    let event: Event = serde_json::from_value(entry["events"][0].clone()).unwrap();
    let Event::SnapshotTaken { content, content_digest, text_digest, .. } = event else { panic!("{entry}") };
    assert_eq!((content.as_ref(), content_digest), (&taken.content, taken.content_digest));
    assert!(text_digest.is_some() && !entry.to_string().contains("why"));
    assert!(store.dump(ws).await.unwrap().iter().any(|line| line.starts_with("snapshot first ")));
    // What it did not see it sees the next time.
    let next = tale.snap("second").await.content;
    assert_eq!((next.ledger_size, next.messages, next.jobs.accepted), (size + 2, 2, 3));
}

/// Newest first, of a stage or of all, from any place on.
pub async fn pages_of_snapshots(database: Arc<dyn Database>) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let mut all = Vec::new();
    for n in 0..7 {
        all.insert(0, tale.snap(if n % 3 == 0 { "third" } else { "other" }).await);
        tale.later(1);
    }
    let page = |after: Option<SnapshotId>, limit| Page { after, limit };
    let any = SnapshotFilter::default;
    assert_eq!(store.snapshots(ws, any(), page(None, 100)).await.unwrap(), all);
    assert_eq!(store.snapshots(ws, any(), page(None, 2)).await.unwrap(), all[..2]);
    assert_eq!(store.snapshots(ws, any(), page(Some(all[1].snapshot_id), 3)).await.unwrap(), all[2..5]);
    let third = || SnapshotFilter { stage: Some(Stage::parse("third").unwrap()) };
    let of_stage: Vec<_> = all.iter().filter(|one| one.content.stage.as_str() == "third").cloned().collect();
    assert_eq!(of_stage.len(), 3);
    assert_eq!(store.snapshots(ws, third(), page(None, 100)).await.unwrap(), of_stage);
    let after = Some(of_stage[0].snapshot_id);
    assert_eq!(store.snapshots(ws, third(), page(after, 1)).await.unwrap(), of_stage[1..2]);
    let none = SnapshotFilter { stage: Some(Stage::parse("thir").unwrap()) };
    assert!(store.snapshots(ws, none, page(None, 9)).await.unwrap().is_empty());
    assert_eq!(store.snapshot(ws, SnapshotId::from_u128(1)).await.unwrap(), None);
    // Another workspace has its own, and its own totals.
    let mut other = Story::begin(Sequencer::new(store.clone(), 2).await).await;
    other.later(100);
    let theirs = other.snap("third").await;
    assert_eq!(store.snapshot(ws, theirs.snapshot_id).await.unwrap(), None);
    assert_eq!(store.snapshots(other.sequencer.workspace_id, any(), page(None, 9)).await.unwrap(), [theirs]);
}

/// A database from before anything was counted says since when it is, and what it says adds up. `back` makes it one again.
pub async fn jobs_of_an_earlier_version_are_counted_from_then_on(
    database: Arc<dyn Database>,
    back: impl FnOnce(),
) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let done = tale.enqueue(new_job("a", None, 1)).await;
    let held = tale.enqueue(new_job("b", None, 9)).await;
    tale.enqueue(new_job("c", None, 1)).await;
    for job in tale.take_jobs("w", 9).await.0.into_iter().filter(|job| job.job_id != held) {
        let outcome = if job.job_id == done { JobOutcome::Done } else { JobOutcome::Failed("no".into()) };
        tale.finish(&job, outcome).await.unwrap();
    }
    tale.enqueue(new_job("d", None, 1)).await;
    let idle = Story::begin(Sequencer::new(store.clone(), 2).await).await;
    drop(store);
    back();
    let store = database.open().await;
    let again = |Story { sequencer, told }| Story { sequencer: sequencer.reopened(store.clone()), told };
    let (mut tale, mut idle) = (again(tale), again(idle));
    let jobs = tale.snap("after").await.content.jobs;
    assert!(jobs.counted_since.is_some());
    assert_eq!(
        (jobs.accepted, jobs.completed, jobs.dead, jobs.waiting, jobs.running, jobs.lost),
        (3, 0, 1, 1, 1, 0)
    );
    assert_eq!((jobs.claimed, jobs.died, jobs.retried, jobs.requeued), (2, 1, 0, 0));
    // From then on as ever.
    tale.later(10_000);
    let taken = tale.take_jobs("w", 9).await.0;
    assert_eq!(taken.len(), 2, "the silent worker's too");
    for job in taken {
        tale.finish(&job, JobOutcome::Done).await.unwrap();
    }
    let jobs = tale.snap("later").await.content.jobs;
    assert_eq!(
        (jobs.accepted, jobs.completed, jobs.dead, jobs.waiting, jobs.running, jobs.lost),
        (3, 2, 1, 0, 0, 0)
    );
    assert_eq!(jobs.claimed, jobs.completed + jobs.retried + jobs.put_off + jobs.died + jobs.running);
    // Of a workspace without jobs nobody knows what was forgotten; of one that is made later everything is known.
    let jobs = idle.snap("after").await.content.jobs;
    assert_eq!((jobs.accepted, jobs.counted_since.is_some()), (0, true));
    let mut made_later = Story::begin(Sequencer::new(store.clone(), 3).await).await;
    assert_eq!(made_later.snap("begin").await.content.jobs.counted_since, None);
}
