//! What a webhook's row becomes.

use super::{Mark, Seeds, Webhook, WebhookState};
use crate::event::Event;
use crate::facts::{Corrupt, Facts, Position};

/// Apply an event of this module; others are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    match event {
        Event::WebhookCreated { webhook_id, by, role, filter, from, url_digest, url, url_salt, seed } => {
            // What is yet to come begins behind this very event.
            let next = from.unwrap_or(Mark::after(position.index, position.n));
            facts.insert_webhook(Webhook {
                webhook_id: *webhook_id,
                by: by.clone(),
                role: *role,
                created_at: position.at.at,
                filter: filter.clone(),
                state: WebhookState::Active,
                reason: None,
                url_digest: *url_digest,
                url: url.clone(),
                url_salt: *url_salt,
                seeds: Seeds { current: *seed, entry: position.index, previous: None },
                progress: next.into(),
            })?;
        }
        Event::WebhookUpdated { webhook_id, filter, url_digest, url, url_salt, .. } => {
            let webhook = facts.webhook_mut(*webhook_id)?;
            if let Some(filter) = filter {
                webhook.filter = filter.clone();
            }
            if let Some(digest) = url_digest {
                webhook.url_digest = *digest;
                webhook.url.clone_from(url);
                webhook.url_salt = *url_salt;
            }
        }
        Event::WebhookPaused { webhook_id, reason, .. } => {
            let webhook = facts.webhook_mut(*webhook_id)?;
            (webhook.state, webhook.reason) = (WebhookState::Paused, *reason);
        }
        Event::WebhookResumed { webhook_id, .. } => {
            let webhook = facts.webhook_mut(*webhook_id)?;
            (webhook.state, webhook.reason) = (WebhookState::Active, None);
        }
        Event::WebhookSecretRotated { webhook_id, previous_until, seed, .. } => {
            let seeds = &mut facts.webhook_mut(*webhook_id)?.seeds;
            let previous = Some((seeds.current, *previous_until));
            *seeds = Seeds { current: *seed, entry: position.index, previous };
        }
        Event::WebhookDeleted { webhook_id, .. } => facts.remove_webhook(*webhook_id)?,
        _ => {}
    }
    Ok(())
}
