//! Webhooks in numbers: what became of attempts here, how many there are, and how far they are behind.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use interlock_core::Refusal;
use interlock_core::webhook::WebhookState;

use super::Webhooks;
use crate::context::failed;

/// What became of attempts since this server began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    gone: AtomicU64,
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempted {
    Delivered,
    Failed,
    /// The receiver says that it is gone.
    Gone,
}

impl Tally {
    pub(super) fn add(&self, attempted: Attempted) {
        let counter = match attempted {
            Attempted::Delivered => &self.delivered,
            Attempted::Failed => &self.failed,
            Attempted::Gone => &self.gone,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The webhooks of one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) count: u64,
    /// Ledger entries that the one furthest behind was not told of yet.
    pub(crate) behind: u64,
}

impl Webhooks {
    /// Attempts by what became of them.
    pub(crate) fn attempts(&self) -> [(&'static str, u64); 3] {
        let Tally { delivered, failed, gone } = &self.tally;
        [("delivered", delivered), ("failed", failed), ("gone", gone)]
            .map(|(outcome, counter)| (outcome, counter.load(Ordering::Relaxed)))
    }

    /// The webhooks of all workspaces served here, by state.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub(crate) async fn standing(&self) -> Result<BTreeMap<WebhookState, Standing>, Refusal> {
        let mut all: BTreeMap<_, _> =
            WebhookState::ALL.iter().map(|state| (*state, Standing::default())).collect();
        for ws in self.engine.workspaces() {
            let webhooks = self.store().webhooks(ws).await.map_err(failed)?;
            if webhooks.is_empty() {
                continue;
            }
            let size = self.store().ledger_head(ws).await.map_err(failed)?.size;
            for webhook in &webhooks {
                let behind = size.saturating_sub(self.looked(ws, webhook).index);
                let standing = all.entry(webhook.state).or_default();
                standing.count += 1;
                standing.behind = standing.behind.max(behind);
            }
        }
        Ok(all)
    }
}
