//! One attempt to deliver an event, as the work of a job, and a test at a person's wish.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interlock_api::v1::event::{CloudEvent, EventData};
use interlock_core::command::{DeliveryEnded, JobOutcome};
use interlock_core::id::{JobId, WebhookId, WorkspaceId};
use interlock_core::job::Job;
use interlock_core::limits::WEBHOOK_RETRY_AFTER_MS_MAX;
use interlock_core::webhook::{JOB_KIND, Webhook, WebhookState};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::{Place, Work};
use serde_json::json;
use tokio::time::Instant;

use super::post::{Answer, Parcel};
use super::tally::Attempted;
use super::{Webhooks, sign};
use crate::events::{Sight, cloud_event, reader};

/// How long a delivery of a paused webhook sleeps before it looks again; a resumption wakes it.
const PAUSED_LOOK_MS: i64 = 10 * 60_000;

/// What a delivery's job needs to know.
#[derive(serde::Deserialize)]
struct Payload {
    webhook_id: WebhookId,
    event: String,
}

/// What became of a request that was sent.
pub(crate) struct Tried {
    pub(crate) answer: Result<Answer, String>,
    pub(crate) duration: Duration,
}

impl Tried {
    /// Whether the receiver took it.
    pub(crate) fn is_delivered(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status))
    }
}

/// The deliveries of one workspace's webhooks.
struct Deliveries {
    webhooks: Arc<Webhooks>,
    ws: WorkspaceId,
}

impl Webhooks {
    /// The work of delivery jobs of a workspace.
    pub fn work(self: &Arc<Self>, workspace_id: WorkspaceId) -> Arc<dyn Work> {
        Arc::new(Deliveries { webhooks: Arc::clone(self), ws: workspace_id })
    }

    /// Send an event, signed with every secret that counts now.
    async fn send(&self, ws: WorkspaceId, webhook: &Webhook, event: &CloudEvent) -> Result<Tried, Refusal> {
        let now = self.engine.now();
        let defect = |error: serde_json::Error| Refusal::new(Reason::Defect, error.to_string());
        let body = serde_json::to_vec(event).map_err(defect)?;
        // The place in the ledger stays what it is, however often it is sent. No dot: the signature is over parts
        // between dots.
        let id = format!("{}-{}", webhook.webhook_id, event.id.replace('.', "-"));
        let seconds = now.as_millis() / 1_000;
        let secrets = self.engine.webhook_secrets(ws, webhook, now);
        let signature = sign::signature(&secrets, &id, seconds, &body)?;
        let parcel = Parcel { id, seconds, signature, body };
        let began = Instant::now();
        let answer = match self.target(&webhook.url) {
            Ok(target) => self.poster.post(&target, &parcel).await,
            // Allowed when it was made, and not any more.
            Err(refusal) => Err(refusal.detail),
        };
        Ok(Tried { answer, duration: began.elapsed() })
    }

    /// Send an event that says nothing, whatever the webhook's filter and state.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, or what the store cannot do now.
    pub(crate) async fn test(&self, ws: WorkspaceId, id: WebhookId) -> Result<Tried, Refusal> {
        let none = || Refusal::new(Reason::WebhookNotFound, format!("there is no webhook `{id}`"));
        let webhook = self.webhook(ws, id).await?.ok_or_else(none)?;
        let kind = "webhook.test/1";
        let random = interlock_engine::random_token()
            .map_err(|error| Refusal::new(Reason::Defect, error.to_string()))?;
        let event = CloudEvent {
            specversion: "1.0".to_owned(),
            id: format!("test-{random}"),
            source: format!("interlock:{ws}"),
            kind: kind.to_owned(),
            subject: None,
            time: self.engine.now(),
            datacontenttype: "application/json".to_owned(),
            actor: webhook.by.clone(),
            traceparent: None,
            data: EventData { event: json!({"kind": kind, "webhook_id": id}), message: None },
        };
        self.send(ws, &webhook, &event).await
    }
}

impl Deliveries {
    /// One attempt. A refusal is a failure of ours, and tried again like one of the receiver.
    async fn attempt(&self, job: &Job) -> Result<JobOutcome, Refusal> {
        let corrupt = |why: String| Refusal::new(Reason::StateCorrupt, why);
        let payload: Payload =
            serde_json::from_value(job.payload.clone()).map_err(|error| corrupt(error.to_string()))?;
        let place: Place = payload.event.parse()?;
        let webhooks = &self.webhooks;
        let engine = &webhooks.engine;
        // Deleted meanwhile: there is nobody to be told.
        let Some(webhook) = webhooks.webhook(self.ws, payload.webhook_id).await? else {
            return Ok(JobOutcome::Done);
        };
        if webhook.state == WebhookState::Paused {
            return Ok(JobOutcome::Later(engine.now().plus_ms(PAUSED_LOOK_MS)));
        }
        let happened = engine.happened_at(self.ws, place).await?;
        let happened = happened.ok_or_else(|| corrupt(format!("the ledger has no event {place}")))?;
        // Membership counts when an event is sent, as it does for whoever follows the events.
        let reader = reader(self.ws, &webhook);
        if !Sight::of(&reader, webhooks.store()).sees(&happened.event).await? {
            return Ok(JobOutcome::Done);
        }
        let event = cloud_event(webhooks.store(), self.ws, &happened, engine.now()).await?;
        let tried = webhooks.send(self.ws, &webhook, &event).await?;
        let (id, ms) = (webhook.webhook_id, tried.duration.as_millis());
        match tried.answer {
            Ok(_) if tried.is_delivered() => {
                webhooks.tally.add(Attempted::Delivered);
                tracing::debug!(webhook_id = %id, event = %place, ms, "webhook.delivered");
                self.ended(id, job.job_id, true).await;
                return Ok(JobOutcome::Done);
            }
            Ok(Answer { status: 410, .. }) => {
                webhooks.tally.add(Attempted::Gone);
                tracing::warn!(webhook_id = %id, event = %place, "webhook.gone");
                engine.pause_webhook(self.ws, id, Reason::WebhookGone).await?;
                return Ok(JobOutcome::Later(engine.now().plus_ms(PAUSED_LOOK_MS)));
            }
            _ => {}
        }
        webhooks.tally.add(Attempted::Failed);
        let outcome = failed(&tried.answer, engine.now());
        tracing::info!(webhook_id = %id, event = %place, attempt = job.attempts, ?outcome, "webhook.not_delivered");
        self.ended(id, job.job_id, false).await;
        Ok(outcome)
    }

    /// What follows may begin. When it cannot, the look at the ledger finds it a little later.
    async fn ended(&self, webhook_id: WebhookId, job_id: JobId, is_delivered: bool) {
        let ended = DeliveryEnded { job_id, is_delivered };
        self.webhooks.note(self.ws, webhook_id, |known| known.ended = Some(ended));
        if let Err(refusal) = self.webhooks.move_on_after(self.ws, webhook_id).await {
            tracing::warn!(%webhook_id, %refusal, "webhook.not_moved_on");
        }
        self.webhooks.turn.send_replace(());
    }
}

/// What an answer that is no success means for the delivery.
fn failed(answer: &Result<Answer, String>, now: Timestamp) -> JobOutcome {
    match answer {
        Err(why) => JobOutcome::Failed(why.clone()),
        Ok(Answer { status: status @ (429 | 503), retry_after: Some(after) }) => {
            let ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX).min(WEBHOOK_RETRY_AFTER_MS_MAX);
            JobOutcome::FailedUntil(format!("the receiver answered {status}"), now.plus_ms(ms))
        }
        Ok(Answer { status: status @ 300..400, .. }) => {
            JobOutcome::Failed(format!("the receiver answered {status}; redirects are not followed"))
        }
        Ok(Answer { status, .. }) => JobOutcome::Failed(format!("the receiver answered {status}")),
    }
}

#[async_trait]
impl Work for Deliveries {
    fn kind(&self) -> &'static str {
        JOB_KIND
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        self.attempt(job).await.unwrap_or_else(|refusal| JobOutcome::Failed(refusal.to_string()))
    }
}
