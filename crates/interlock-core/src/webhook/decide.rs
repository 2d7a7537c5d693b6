//! Rules of webhooks: how many, what they may ask for, and what changes about them.

use super::{Mark, Webhook, WebhookFilter, WebhookState};
use crate::command::{CreateWebhook, Envelope, RotateWebhookSecret, UpdateWebhook};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Key, Keys, Reply};
use crate::id::WebhookId;
use crate::job::{Job, JobState};
use crate::limits::{
    TYPE_PREFIX_CHARS_MAX, WEBHOOK_OVERLAP_MS_MAX, WEBHOOK_TYPES_MAX, WEBHOOK_URL_BYTES_MAX, WEBHOOKS_MAX,
};
use crate::reason::{Reason, Refusal};
use crate::text::{Digest, Salt, digest, fingerprint};
use crate::time::Now;

/// Somebody is told of events from now on, or from an earlier place.
pub(crate) fn create(
    facts: &Facts,
    env: &Envelope,
    command: &CreateWebhook,
    now: &Now,
) -> Result<Decision, Stop> {
    let count = facts.webhooks()?.len();
    if count >= WEBHOOKS_MAX {
        let detail = format!("there are {count} webhooks, at most {WEBHOOKS_MAX} are allowed");
        return Err(Refusal::new(Reason::LimitExceeded, detail).hint("delete one that nobody needs").into());
    }
    check_filter(&command.filter)?;
    let (url_digest, url_salt) = url_of(env, &command.url)?;
    Ok(Decision::of(vec![Event::WebhookCreated {
        webhook_id: WebhookId::derive(now.wall, &env.entropy, 0),
        by: env.actor.name.clone(),
        role: env.actor.role,
        filter: command.filter.clone(),
        from: command.from,
        url_digest,
        url: command.url.clone(),
        url_salt,
        seed: seed(env),
    }]))
}

/// Another address, another filter, an end or a beginning of a pause.
pub(crate) fn update(
    facts: &Facts,
    env: &Envelope,
    command: &UpdateWebhook,
    now: &Now,
) -> Result<Decision, Stop> {
    let webhook = found(facts, command.webhook_id)?;
    let (webhook_id, by) = (webhook.webhook_id, env.actor.name.clone());
    let mut events = Vec::new();
    let url = command.url.as_ref().filter(|url| **url != webhook.url);
    let filter = command.filter.as_ref().filter(|filter| **filter != webhook.filter);
    if let Some(filter) = filter {
        check_filter(filter)?;
    }
    if url.is_some() || filter.is_some() {
        let address = url.map(|url| url_of(env, url)).transpose()?;
        events.push(Event::WebhookUpdated {
            webhook_id,
            by: by.clone(),
            filter: filter.cloned(),
            url_digest: address.map(|(digest, _)| digest),
            url: url.cloned().unwrap_or_default(),
            url_salt: address.map(|(_, salt)| salt).unwrap_or_default(),
        });
    }
    let mut effects = Vec::new();
    match (command.is_paused, webhook.state) {
        (Some(true), WebhookState::Active) => {
            events.push(Event::WebhookPaused { webhook_id, by, reason: None });
        }
        (Some(false), WebhookState::Paused) => {
            events.push(Event::WebhookResumed { webhook_id, by });
            effects = at_once(facts, webhook, now)?;
        }
        _ => {}
    }
    Ok(Decision { events, effects, reply: Reply::Webhook(webhook_id), replayed: None })
}

/// What waited out the pause goes now, and not when it would have looked again.
fn at_once(facts: &Facts, webhook: &Webhook, now: &Now) -> Result<Vec<Effect>, Stop> {
    let mut effects = Vec::new();
    for id in &webhook.progress.waiting {
        if let Some(job) = facts.job(*id)?.filter(|job| job.state == JobState::Queued) {
            effects.push(Effect::Job(Box::new(Job { run_at: now.wall, ..job.clone() })));
        }
    }
    Ok(effects)
}

/// The deliveries that a resumption hurries.
pub(crate) fn resume_keys(facts: &Facts, command: &UpdateWebhook) -> Keys {
    match facts.webhook(command.webhook_id) {
        Ok(Some(webhook)) if command.is_paused == Some(false) => {
            webhook.progress.waiting.iter().copied().map(Key::Job).collect()
        }
        _ => Keys::new(),
    }
}

/// The receiver said that it is there no more.
pub(crate) fn pause(
    facts: &Facts,
    env: &Envelope,
    webhook_id: WebhookId,
    reason: Reason,
) -> Result<Decision, Stop> {
    let webhook = found(facts, webhook_id)?;
    if webhook.state == WebhookState::Paused {
        return Ok(Decision::unchanged());
    }
    let by = env.actor.name.clone();
    Ok(Decision::of(vec![Event::WebhookPaused { webhook_id, by, reason: Some(reason) }]))
}

/// Another secret; the one before counts for a while beside it.
pub(crate) fn rotate(
    facts: &Facts,
    env: &Envelope,
    command: &RotateWebhookSecret,
    now: &Now,
) -> Result<Decision, Stop> {
    let webhook = found(facts, command.webhook_id)?;
    if command.overlap_ms > WEBHOOK_OVERLAP_MS_MAX {
        let (asked, max) = (command.overlap_ms, WEBHOOK_OVERLAP_MS_MAX);
        let detail = format!("`overlap_ms` is {asked}, the old secret counts for {max} at most");
        return Err(Refusal::new(Reason::LimitExceeded, detail).into());
    }
    let overlap_ms = i64::try_from(command.overlap_ms).unwrap_or(i64::MAX);
    Ok(Decision::of(vec![Event::WebhookSecretRotated {
        webhook_id: webhook.webhook_id,
        by: env.actor.name.clone(),
        previous_until: now.wall.plus_ms(overlap_ms),
        seed: seed(env),
    }]))
}

/// Nobody is told any more.
pub(crate) fn delete(facts: &Facts, env: &Envelope, webhook_id: WebhookId) -> Result<Decision, Stop> {
    found(facts, webhook_id)?;
    Ok(Decision::of(vec![Event::WebhookDeleted { webhook_id, by: env.actor.name.clone() }]))
}

/// The webhook, which must be there.
pub(super) fn found(facts: &Facts, webhook_id: WebhookId) -> Result<&Webhook, Stop> {
    let none = || Refusal::new(Reason::WebhookNotFound, format!("there is no webhook `{webhook_id}`"));
    Ok(facts.webhook(webhook_id)?.ok_or_else(none)?)
}

/// Nobody guesses it: it comes of the entropy of the request.
fn seed(env: &Envelope) -> Digest {
    fingerprint("interlock webhook seed 1", &[&env.entropy])
}

fn url_of(env: &Envelope, url: &str) -> Result<(Digest, Salt), Refusal> {
    if url.len() > WEBHOOK_URL_BYTES_MAX {
        let (has, max) = (url.len(), WEBHOOK_URL_BYTES_MAX);
        let detail = format!("the address has {has} bytes, at most {max} are allowed");
        return Err(Refusal::new(Reason::LimitExceeded, detail));
    }
    let salt = Salt::derive(&env.entropy, 0);
    Ok((digest(&salt, &[url.as_bytes()]), salt))
}

fn check_filter(filter: &WebhookFilter) -> Result<(), Refusal> {
    let count = filter.types.len();
    if count > WEBHOOK_TYPES_MAX {
        let detail = format!("`types` has {count} beginnings, at most {WEBHOOK_TYPES_MAX} are allowed");
        return Err(Refusal::new(Reason::LimitExceeded, detail));
    }
    filter.types.iter().try_for_each(|text| check_type_prefix(text))
}

/// Whether a type can begin like this.
///
/// # Errors
/// `PARAMETER_INVALID` when none does.
pub fn check_type_prefix(text: &str) -> Result<(), Refusal> {
    let fits = (1..=TYPE_PREFIX_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_./".contains(&b));
    if fits {
        return Ok(());
    }
    let detail =
        format!("`type` is the beginning of a type: 1 to {TYPE_PREFIX_CHARS_MAX} of a-z 0-9 `_` `.` `/`");
    Err(Refusal::new(Reason::ParameterInvalid, detail).hint("such as `wake.` or `thread.`"))
}

impl From<Mark> for super::Progress {
    fn from(next: Mark) -> Self {
        Self { next, waiting: Vec::new() }
    }
}
