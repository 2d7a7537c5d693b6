//! Webhooks, and how they move from event to event.

use std::sync::Arc;

use interlock_core::command::{
    AdvanceWebhook, CreateWebhook, DeliveryEnded, JobOutcome, RotateWebhookSecret, UpdateWebhook,
};
use interlock_core::id::{JobId, WebhookId, WorkspaceId};
use interlock_core::job::{Job, JobState, RetryPolicy};
use interlock_core::limits::{WEBHOOK_WAITING_MAX, WEBHOOKS_MAX};
use interlock_core::webhook::{Mark, Told, Webhook, WebhookFilter, WebhookState};
use interlock_core::{Command, Reason, Reply};
use interlock_store::{JobFilter, Page, Store};

use super::jobs::requeue;
use crate::{Database, Sequencer, Story};

const POLICY: RetryPolicy = RetryPolicy { base_ms: 100, cap_ms: 1_000, attempts_max: 3 };
const URL: &str = "https://receiver.example/\u{1F980}?token=s3cret";

impl Story {
    /// A webhook is made, told of something, changed, given another secret, or deleted.
    pub(crate) async fn hook(&mut self, who: u8, which: u8) {
        let ids: Vec<WebhookId> = self.sequencer.mirror.webhooks.keys().copied().collect();
        let Some(webhook_id) = ids.get(usize::from(which) % ids.len().max(1)).copied() else {
            let _made = self.make_webhook(None).await;
            return;
        };
        match who % 6 {
            0 => drop(self.make_webhook(Some(Mark { index: which.into(), skip: 1 })).await.ok()),
            1 => drop(self.advance(webhook_id, 3, None).await),
            2 => {
                let filter = WebhookFilter { types: vec!["wake.".into()], ..WebhookFilter::default() };
                let change = UpdateWebhook {
                    webhook_id,
                    url: Some(format!("{URL}&n={which}")),
                    filter: Some(filter),
                    is_paused: Some(which.is_multiple_of(2)),
                };
                drop(self.does(Command::UpdateWebhook(change)).await.unwrap());
            }
            3 => {
                let rotate = RotateWebhookSecret { webhook_id, overlap_ms: u64::from(which) };
                drop(self.does(Command::RotateWebhookSecret(rotate)).await.unwrap());
            }
            4 => {
                let gone = Command::PauseWebhook { webhook_id, reason: Reason::WebhookGone };
                drop(self.does(gone).await.unwrap());
            }
            _ => drop(self.does(Command::DeleteWebhook { webhook_id }).await.unwrap()),
        }
    }

    async fn make_webhook(&mut self, from: Option<Mark>) -> Result<WebhookId, Reason> {
        let create = CreateWebhook { url: URL.into(), filter: WebhookFilter::default(), from };
        match self.does(Command::CreateWebhook(create)).await {
            Ok((Reply::Webhook(id), _)) => Ok(id),
            Ok(other) => panic!("no webhook: {other:?}"),
            Err(refusal) => Err(refusal.reason),
        }
    }

    fn stand(&self, id: WebhookId) -> &Webhook {
        &self.sequencer.mirror.webhooks[&id]
    }

    /// Moves a webhook on by so many entries, over an event; says whether it moved.
    async fn advance(&mut self, id: WebhookId, by: u64, ended: Option<DeliveryEnded>) -> bool {
        let from = self.stand(id).progress.next;
        let told = Told { index: from.index, n: from.skip };
        let command = AdvanceWebhook {
            webhook_id: id,
            from,
            to: Mark { index: from.index + by, skip: 0 },
            told: Some(told),
            policy: POLICY,
            ended,
        };
        self.does(Command::AdvanceWebhook(command)).await.unwrap().0 == Reply::Webhook(id)
    }
}

async fn begin(database: &Arc<dyn Database>) -> (Arc<dyn Store>, Story, WorkspaceId, WebhookId) {
    let store = database.open().await;
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let ws = tale.sequencer.workspace_id;
    let id = tale.make_webhook(None).await.unwrap();
    (store, tale, ws, id)
}

async fn jobs(store: &Arc<dyn Store>, ws: WorkspaceId) -> Vec<Job> {
    let mut jobs = store.jobs(ws, JobFilter::default(), Page { after: None, limit: 200 }).await.unwrap();
    jobs.reverse();
    jobs
}

/// Whoever moves it on, and however often: an event becomes one delivery, and the next one waits for its first attempt.
pub async fn a_webhook_is_told_of_each_event_once_and_in_order(database: Arc<dyn Database>) {
    let (store, mut tale, ws, id) = begin(&database).await;
    // It begins behind its own event: with what is yet to come.
    let first = tale.stand(id).progress.next;
    assert_eq!(first, Mark { index: store.ledger_head(ws).await.unwrap().size - 1, skip: 1 });
    // Two servers at once: one of them moves it.
    let command = AdvanceWebhook {
        webhook_id: id,
        from: first,
        to: Mark { index: first.index + 1, skip: 0 },
        told: Some(Told { index: first.index, n: 1 }),
        policy: POLICY,
        ended: None,
    };
    let twice = [0, 1].map(|_| tale.envelope("olga", Command::AdvanceWebhook(command.clone())));
    let (outcomes, committed) = tale.sequencer.run(twice.to_vec()).await;
    committed.unwrap();
    let replies: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().reply).collect();
    assert_eq!(replies, [Reply::Webhook(id), Reply::Unchanged]);
    let made = jobs(&store, ws).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].payload["event"], format!("{}.1", first.index));
    assert_eq!(made[0].name, Some(format!("{id} {}.1", first.index)));
    assert_eq!(made[0].policy, POLICY);
    // Neither while it waits nor while it is tried for the first time.
    assert!(!tale.advance(id, 1, None).await);
    let job = tale.take_jobs("w", 9).await.0.remove(0);
    assert!(!tale.advance(id, 1, None).await);
    let other = DeliveryEnded { job_id: JobId::from_u128(7), is_delivered: true };
    assert!(!tale.advance(id, 1, Some(other)).await);
    // Its worker says that the attempt has ended.
    let ended = DeliveryEnded { job_id: job.job_id, is_delivered: true };
    assert!(tale.advance(id, 1, Some(ended)).await);
    tale.finish(&job, JobOutcome::Done).await.unwrap();
    assert_eq!(tale.stand(id).progress.waiting.len(), 1, "what was delivered is waited for no more");
    assert_eq!(jobs(&store, ws).await.len(), 2);
    assert_eq!(store.webhooks(ws).await.unwrap(), [tale.stand(id).clone()]);
    // Nothing goes on while it is paused, and what waits is hurried when it is resumed.
    let pause = |is_paused| {
        let change = UpdateWebhook { webhook_id: id, url: None, filter: None, is_paused: Some(is_paused) };
        Command::UpdateWebhook(change)
    };
    let job = tale.take_jobs("w", 9).await.0.remove(0);
    tale.does(pause(true)).await.unwrap();
    let later = tale.sequencer.wall.plus_ms(600_000);
    tale.finish(&job, JobOutcome::Later(later)).await.unwrap();
    let slept = store.job(ws, job.job_id).await.unwrap().unwrap();
    assert_eq!((slept.attempts, slept.run_at, slept.state), (0, later, JobState::Queued), "no attempt");
    assert!(!tale.advance(id, 1, None).await);
    tale.does(pause(false)).await.unwrap();
    let woken = store.job(ws, job.job_id).await.unwrap().unwrap();
    assert_eq!(woken.run_at, tale.sequencer.wall);
    // Gone with everything that was known of it.
    tale.does(Command::DeleteWebhook { webhook_id: id }).await.unwrap();
    assert!(store.webhooks(ws).await.unwrap().is_empty());
    let again = tale.does(Command::DeleteWebhook { webhook_id: id }).await.unwrap_err();
    assert_eq!(again.reason, Reason::WebhookNotFound);
    for _ in 0..WEBHOOKS_MAX {
        tale.make_webhook(None).await.unwrap();
    }
    assert_eq!(tale.make_webhook(None).await.unwrap_err(), Reason::LimitExceeded);
}

/// One that fails does not hold the next, and when many fail the ledger keeps the rest.
pub async fn deliveries_that_fail_step_aside_up_to_a_limit(database: Arc<dyn Database>) {
    let (store, mut tale, ws, id) = begin(&database).await;
    for n in 1..=WEBHOOK_WAITING_MAX {
        assert!(tale.advance(id, 1, None).await, "{n}");
        let job = tale.take_jobs("w", 1).await.0.into_iter().find(|job| job.attempts == 1).unwrap();
        let until = tale.sequencer.wall.plus_ms(50_000);
        tale.finish(&job, JobOutcome::FailedUntil("not now".into(), until)).await.unwrap();
        let waits = store.job(ws, job.job_id).await.unwrap().unwrap();
        assert_eq!((waits.run_at, waits.attempts), (until, 1), "not before it may");
    }
    let mark = tale.stand(id).progress.next;
    assert!(!tale.advance(id, 1, None).await);
    assert_eq!(tale.stand(id).progress.next, mark, "the place is kept");
    // What is not for it is passed over all the same.
    let over = AdvanceWebhook {
        webhook_id: id,
        from: mark,
        to: Mark { index: mark.index + 5, skip: 0 },
        told: None,
        policy: POLICY,
        ended: None,
    };
    assert_eq!(tale.does(Command::AdvanceWebhook(over)).await.unwrap().0, Reply::Webhook(id));
    // One comes to its end, for good or bad: there is room for one.
    tale.later(60_000);
    let job = tale.take_jobs("w", 1).await.0.remove(0);
    assert_eq!(job.attempts, 2);
    let died = tale.finish(&job, JobOutcome::Hopeless("gone".into())).await.unwrap();
    assert_eq!(died.len(), 1);
    assert!(tale.advance(id, 1, None).await);
    assert!(!tale.advance(id, 1, None).await);
    assert_eq!(tale.stand(id).progress.waiting.len(), WEBHOOK_WAITING_MAX);
    // A person's second chance does not stand in anybody's way.
    tale.does(requeue(job.job_id)).await.unwrap();
    assert_eq!(jobs(&store, ws).await.len(), WEBHOOK_WAITING_MAX + 1);
}

/// Neither the address nor what a secret grows from is in the ledger, and no seed in a dump.
pub async fn what_is_secret_of_a_webhook_is_in_no_dump(database: Arc<dyn Database>) {
    let (store, mut tale, ws, id) = begin(&database).await;
    let before = tale.stand(id).seeds.current;
    let rotate = RotateWebhookSecret { webhook_id: id, overlap_ms: 1_000 };
    tale.does(Command::RotateWebhookSecret(rotate)).await.unwrap();
    let webhook = store.webhooks(ws).await.unwrap().remove(0);
    assert_eq!(webhook.state, WebhookState::Active);
    let until = tale.sequencer.wall.plus_ms(1_000);
    assert_eq!(webhook.seeds.previous, Some((before, until)));
    let valid = |at| webhook.seeds.valid(at).copied().collect::<Vec<_>>();
    assert_eq!(valid(until.plus_ms(-1)), [webhook.seeds.current, before]);
    assert_eq!(valid(until), [webhook.seeds.current]);
    let dump = store.dump(ws).await.unwrap().join("\n");
    assert!(dump.contains("webhook.secret_rotated/1"), "{dump}");
    for seed in [before, webhook.seeds.current] {
        assert!(!dump.contains(&seed.to_string()), "{dump}");
    }
    for entry in store.entries(ws, 0, 1_000).await.unwrap() {
        let text = String::from_utf8(entry.envelope).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("receiver.example"), "{text}");
    }
}
