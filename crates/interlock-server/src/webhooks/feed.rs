//! Moving on: from event to event of the ledger, as far as a webhook may be told.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::command::AdvanceWebhook;
use interlock_core::id::{WebhookId, WorkspaceId};
use interlock_core::webhook::{JOB_KIND, Mark, Told, Webhook, WebhookState};
use interlock_core::{Event, Refusal};
use interlock_engine::{Happened, Next, Place};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Webhooks;
use crate::context::failed;
use crate::events::{Filter, Sight, reader};

/// The shortest time between two looks at the ledger: commits come faster than that, and what is looked for is
/// deliveries to begin with, not to be waited for by anybody.
const LOOK: Duration = Duration::from_millis(10);
/// Entries that were looked at in vain before it is written down: after a restart they are looked at again.
const LOOKED_ENTRIES_MAX: u64 = 1_000;
/// How long it is waited before a webhook that could not move on is looked at again, when no delivery ends meanwhile.
const BLOCKED: Duration = Duration::from_secs(1);
/// Stretches of the ledger that are looked at in one go.
const STRETCHES_MAX: u32 = 64;

/// What is left to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rest {
    /// Nothing, until something happens.
    Nothing,
    /// Something that must wait for deliveries.
    Blocked,
    /// Something.
    More,
}

impl Webhooks {
    /// Keep the webhooks of a workspace moving until told to stop.
    pub async fn follow(self: Arc<Self>, ws: WorkspaceId, mut stop: watch::Receiver<bool>) {
        let mut heard = self.engine.watch();
        let mut pace = tokio::time::interval(LOOK);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let poll =
            Duration::from_millis(u64::try_from(self.engine.policy().poll_interval_ms).unwrap_or(1_000));
        while !*stop.borrow() {
            heard.catch_up();
            let rest = self.look(ws).await.unwrap_or_else(|refusal| {
                tracing::warn!(%refusal, "webhooks.not_looked_at");
                Rest::Blocked
            });
            self.turn.send_replace(());
            let until = Instant::now()
                + match rest {
                    Rest::Nothing => poll,
                    Rest::Blocked => BLOCKED.min(poll),
                    Rest::More => Duration::ZERO,
                };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                _heard = heard.wait(until, |note| note.workspace_id == ws) => {}
            }
            pace.tick().await;
        }
    }

    /// Look at all of them once; says what is left.
    async fn look(&self, ws: WorkspaceId) -> Result<Rest, Refusal> {
        let webhooks = self.store().webhooks(ws).await.map_err(failed)?;
        self.forget_others(ws, &webhooks);
        let mut rest = Rest::Nothing;
        for webhook in webhooks {
            let id = webhook.webhook_id;
            if webhook.state == WebhookState::Paused {
                continue;
            }
            let is_blocked = self.known(ws, id).blocked_until.is_some_and(|until| Instant::now() < until);
            let left = if is_blocked { Rest::Blocked } else { self.move_on(ws, webhook).await? };
            rest = rest.max(left);
        }
        Ok(rest)
    }

    /// After a delivery's attempt: what follows it may begin.
    pub(super) async fn move_on_after(&self, ws: WorkspaceId, id: WebhookId) -> Result<(), Refusal> {
        self.note(ws, id, |known| known.blocked_until = None);
        if let Some(webhook) = self.webhook(ws, id).await?
            && webhook.state == WebhookState::Active
        {
            self.move_on(ws, webhook).await?;
        }
        Ok(())
    }

    /// Make the next event that a webhook is to be told of a job, where there is one and the rules allow it; says what is
    /// left.
    async fn move_on(&self, ws: WorkspaceId, webhook: Webhook) -> Result<Rest, Refusal> {
        let id = webhook.webhook_id;
        let from = webhook.progress.next;
        for _ in 0..STRETCHES_MAX {
            let looked = self.known(ws, id).looked.max(from);
            let next = Next { index: looked.index, skip: looked.skip };
            let stretch = self.engine.happened(ws, next).await?;
            let to = Mark { index: stretch.next.index, skip: stretch.next.skip };
            let is_end = stretch.is_end;
            if let Some(place) = self.first(ws, &webhook, stretch.happened).await? {
                let Place { index, n } = place;
                self.note(ws, id, |known| known.looked = Mark { index, skip: n });
                let told = Some(Told { index, n });
                let is_moved = self.advance(ws, id, (from, Mark::after(index, n)), told).await?;
                if is_moved {
                    return Ok(Rest::More);
                }
                self.note(ws, id, |known| known.blocked_until = Some(Instant::now() + BLOCKED));
                return Ok(Rest::Blocked);
            }
            self.note(ws, id, |known| known.looked = to);
            if to.index.saturating_sub(from.index) >= LOOKED_ENTRIES_MAX {
                self.advance(ws, id, (from, to), None).await?;
                return Ok(if is_end { Rest::Nothing } else { Rest::More });
            }
            if is_end {
                return Ok(Rest::Nothing);
            }
        }
        Ok(Rest::More)
    }

    /// The first of these events that a webhook is to be told of.
    pub(super) async fn first(
        &self,
        ws: WorkspaceId,
        webhook: &Webhook,
        happened: Vec<Happened>,
    ) -> Result<Option<Place>, Refusal> {
        let filter = Filter::of_webhook(&webhook.filter);
        let reader = reader(ws, webhook);
        let mut sight = Sight::of(&reader, self.store());
        for one in happened {
            if is_told(&one.event) && filter.wants(&one) && sight.sees(&one.event).await? {
                return Ok(Some(one.place));
            }
        }
        Ok(None)
    }

    async fn advance(
        &self,
        ws: WorkspaceId,
        webhook_id: WebhookId,
        (from, to): (Mark, Mark),
        told: Option<Told>,
    ) -> Result<bool, Refusal> {
        let ended = self.known(ws, webhook_id).ended;
        let policy = self.options.policy();
        let command = AdvanceWebhook { webhook_id, from, to, told, policy, ended };
        self.engine.advance_webhook(ws, command).await
    }
}

/// That a delivery died is told to no webhook: to the one it concerns least of all, and two of them would keep each other
/// busy for ever.
fn is_told(event: &Event) -> bool {
    !matches!(event, Event::JobDied { job, .. } if job == JOB_KIND)
}
