//! How a webhook comes from one event to the next: in the ledger's order, and never twice.

use serde_json::json;

use super::decide::found;
use super::{JOB_KIND, Progress, Told, Webhook, WebhookState};
use crate::command::{AdvanceWebhook, Envelope};
use crate::decide::Stop;
use crate::facts::{Decision, Effect, Facts, Key, Keys, Reply};
use crate::id::{JobId, WebhookId};
use crate::job::{JobState, NewJob, enqueue};
use crate::limits::WEBHOOK_WAITING_MAX;
use crate::time::Now;

/// Make the next event a job and move on, in one transaction. Nothing changes when somebody else was faster, while the
/// event before has not been tried once, or when too many are being tried again already: then the ledger keeps the rest.
pub(crate) fn advance(
    facts: &Facts,
    env: &Envelope,
    command: &AdvanceWebhook,
    now: &Now,
) -> Result<Decision, Stop> {
    let webhook = found(facts, command.webhook_id)?;
    if webhook.state == WebhookState::Paused || webhook.progress.next != command.from {
        return Ok(Decision::unchanged());
    }
    let mut waiting = Vec::new();
    for id in &webhook.progress.waiting {
        if !is_over(facts, command, *id)? {
            waiting.push(*id);
        }
    }
    let mut effects = Vec::new();
    if let Some(told) = command.told {
        if waiting.len() >= WEBHOOK_WAITING_MAX || is_untried(facts, command, &waiting)? {
            return Ok(Decision::unchanged());
        }
        let new = NewJob {
            kind: JOB_KIND.into(),
            name: Some(name(command.webhook_id, told)),
            payload: json!({"webhook_id": webhook.webhook_id, "event": told.to_string()}),
            run_at: None,
            policy: command.policy,
        };
        let (job_id, effect) = enqueue(facts, env, &new, 0, now)?;
        waiting.push(job_id);
        effects.extend(effect);
    }
    let progress = Progress { next: command.to, waiting };
    effects.push(Effect::WebhookProgress(webhook.webhook_id, progress));
    Ok(Decision { effects, reply: Reply::Webhook(webhook.webhook_id), ..Decision::unchanged() })
}

/// Whether nothing more comes of a delivery by itself; also of the one whose worker asks, when it has been delivered.
fn is_over(facts: &Facts, command: &AdvanceWebhook, id: JobId) -> Result<bool, Stop> {
    let is_delivered = command.ended.is_some_and(|ended| ended.job_id == id && ended.is_delivered);
    Ok(is_delivered || facts.job(id)?.is_none_or(|job| job.state.is_terminal()))
}

/// Whether one of them has not come to the end of its first attempt.
fn is_untried(facts: &Facts, command: &AdvanceWebhook, waiting: &[JobId]) -> Result<bool, Stop> {
    for id in waiting {
        let Some(job) = facts.job(*id)? else { continue };
        let is_first = match job.state {
            JobState::Queued => job.attempts == 0,
            JobState::Running => job.attempts == 1 && command.ended.is_none_or(|ended| ended.job_id != *id),
            JobState::Completed | JobState::Dead => false,
        };
        if is_first {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The deliveries that are under way, and the one that is to be made.
pub(crate) fn advance_keys(facts: &Facts, command: &AdvanceWebhook) -> Keys {
    let waiting = |webhook: &Webhook| webhook.progress.waiting.iter().copied().map(Key::Job).collect();
    let mut keys: Keys = facts.webhook(command.webhook_id).ok().flatten().map(waiting).unwrap_or_default();
    keys.extend(command.told.map(|told| Key::JobNamed(JOB_KIND.into(), name(command.webhook_id, told))));
    keys
}

/// What people see of a delivery: whom it tells of what.
fn name(webhook_id: WebhookId, told: Told) -> String {
    format!("{webhook_id} {told}")
}
