//! Webhooks: events go to whoever asked for them, each a job of its own.
//!
//! A webhook's place in the ledger moves in the transaction that makes the next delivery a job, and it moves on when the
//! first attempt of the one before has ended. So events arrive in the ledger's order, those that fail step aside, and
//! whatever is killed in between none is missed. Nothing is kept in memory that matters.

mod address;
mod deliver;
mod feed;
mod options;
mod post;
mod sign;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interlock_core::command::DeliveryEnded;
use interlock_core::id::{WebhookId, WorkspaceId};
use interlock_core::webhook::{Mark, Webhook};
use interlock_core::{Reason, Refusal};
use interlock_engine::Engine;
use interlock_engine::read::Store;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::context::failed;
use address::Networks;
pub(crate) use address::Target;
pub use options::WebhookOptions;
use post::Poster;
pub(crate) use tally::Standing;

/// What tells the webhooks of a server's workspaces.
pub struct Webhooks {
    engine: Arc<Engine>,
    options: WebhookOptions,
    poster: Poster,
    /// What is known besides the rows, and costs a little time when it is lost.
    known: Mutex<BTreeMap<(WorkspaceId, WebhookId), Known>>,
    tally: tally::Tally,
    /// Changes whenever an attempt has ended, or the ledger was looked at.
    turn: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Before this nothing is for it, or it was made a job.
    looked: Mark,
    /// The delivery that ended last.
    ended: Option<DeliveryEnded>,
    /// Until then it is not tried to move on, but by a delivery that ends.
    blocked_until: Option<Instant>,
}

impl Webhooks {
    /// Webhooks of this engine's workspaces.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for options that make no sense.
    pub fn new(engine: Arc<Engine>, options: WebhookOptions) -> Result<Arc<Self>, Refusal> {
        if let Some(fault) = options.fault() {
            return Err(Refusal::new(Reason::ConfigInvalid, fault).hint("mend [webhooks] in config.toml"));
        }
        let networks = Networks::parse(&options.allow_networks)?;
        let poster =
            Poster::new(networks, options.ca_file.as_deref(), Duration::from_millis(options.timeout_ms))?;
        let turn = watch::Sender::new(());
        let (known, tally) = (Mutex::default(), tally::Tally::default());
        Ok(Arc::new(Self { engine, options, poster, known, tally, turn }))
    }

    /// Where an address leads.
    ///
    /// # Errors
    /// `WEBHOOK_URL_REFUSED`.
    pub(crate) fn target(&self, url: &str) -> Result<Target, Refusal> {
        self.poster.target(url)
    }

    /// What of an address tells no secret: where it leads.
    pub(crate) fn origin(url: &str) -> String {
        Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
    }

    /// Hear of every turn.
    pub(crate) fn turns(&self) -> watch::Receiver<()> {
        self.turn.subscribe()
    }

    /// What a webhook is looked at next: what is in its row, or further on what this server has seen to be not for it.
    pub(crate) fn looked(&self, ws: WorkspaceId, webhook: &Webhook) -> Mark {
        self.known(ws, webhook.webhook_id).looked.max(webhook.progress.next)
    }

    /// Deliveries of a webhook that are under way.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub(crate) async fn waiting(&self, ws: WorkspaceId, webhook: &Webhook) -> Result<u32, Refusal> {
        let ended = self.known(ws, webhook.webhook_id).ended;
        let mut count = 0;
        for id in &webhook.progress.waiting {
            let is_delivered = ended.is_some_and(|ended| ended.job_id == *id && ended.is_delivered);
            let job = self.store().job(ws, *id).await.map_err(failed)?;
            if !is_delivered && job.is_some_and(|job| !job.state.is_terminal()) {
                count += 1;
            }
        }
        Ok(count)
    }

    fn store(&self) -> &dyn Store {
        self.engine.store()
    }

    async fn webhook(&self, ws: WorkspaceId, id: WebhookId) -> Result<Option<Webhook>, Refusal> {
        let webhooks = self.store().webhooks(ws).await.map_err(failed)?;
        Ok(webhooks.into_iter().find(|webhook| webhook.webhook_id == id))
    }

    fn known(&self, ws: WorkspaceId, id: WebhookId) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&(ws, id)).copied().unwrap_or_default()
    }

    fn note(&self, ws: WorkspaceId, id: WebhookId, change: impl FnOnce(&mut Known)) {
        change(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry((ws, id)).or_default());
    }

    /// Forget what concerns webhooks that are there no more.
    fn forget_others(&self, ws: WorkspaceId, webhooks: &[Webhook]) {
        let is_there = |id: WebhookId| webhooks.iter().any(|webhook| webhook.webhook_id == id);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, id), _| *of != ws || is_there(*id));
    }
}

#[cfg(test)]
mod tests;
