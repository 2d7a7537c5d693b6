//! Denials on their way to the store: noted beside the request, written in groups, never waited for by a caller.
//!
//! A burst of them costs a bounded queue and a few transactions in a second. What does not fit is counted; so is what the
//! store refuses for good. While the store is away they wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use interlock_core::Refusal;
use interlock_core::actor::Actor;
use interlock_core::denial::{Attempt, Denial};
use interlock_core::id::WorkspaceId;
use interlock_core::limits::{DENIALS_KEPT_MAX, DENIALS_WAITING_MAX};
use interlock_store::{Store, StoreError};
use tokio::sync::watch;

use crate::engine::Engine;

/// Denials that one transaction writes.
const GROUP_MAX: usize = 256;
/// The shortest time between two groups that nobody waits for.
const PAUSE: Duration = Duration::from_millis(100);
/// The same while the store is away.
const AWAY: Duration = Duration::from_secs(1);

/// The denials of all workspaces served here.
pub(crate) struct Denials {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    /// One group at a time.
    writing: tokio::sync::Mutex<()>,
    /// Changes with every group that was written.
    written: watch::Sender<()>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(WorkspaceId, Denial)>,
    /// Those of which nothing is written.
    lost: u64,
    /// Lost ones that the log was not told of yet.
    untold: u64,
    /// Whether a task writes what waits.
    is_kept: bool,
}

impl Denials {
    /// None yet.
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let (queue, writing, written) =
            (Mutex::default(), tokio::sync::Mutex::default(), watch::Sender::default());
        Arc::new(Self { store, queue, writing, written })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Note one, to be written soon.
    fn note(self: &Arc<Self>, workspace_id: WorkspaceId, denial: Denial) {
        let mut queue = self.queue();
        if queue.waiting.len() >= DENIALS_WAITING_MAX {
            queue.lose(1);
        } else {
            queue.waiting.push_back((workspace_id, denial));
        }
        if !queue.is_kept {
            queue.is_kept = true;
            tokio::spawn(Arc::clone(self).keep());
        }
    }

    /// Write what waits, with a pause after each group, until nothing waits.
    async fn keep(self: Arc<Self>) {
        loop {
            let pause = if self.write_group().await { PAUSE } else { AWAY };
            tokio::time::sleep(pause).await;
            let mut queue = self.queue();
            if queue.waiting.is_empty() && queue.untold == 0 {
                queue.is_kept = false;
                return;
            }
        }
    }

    /// Write what waits now; `false` when the store is away.
    async fn settle(&self) -> bool {
        let mut left = self.queue().waiting.len();
        let mut is_well = true;
        while left > 0 && is_well {
            is_well = self.write_group().await;
            left = left.saturating_sub(GROUP_MAX);
        }
        // A group that somebody else has in hand was noted before.
        drop(self.writing.lock().await);
        is_well
    }

    /// Write the oldest of those that wait; `false` when the store is away, and they wait on.
    async fn write_group(&self) -> bool {
        let _turn = self.writing.lock().await;
        let (group, untold) = self.queue().take();
        if untold > 0 {
            tracing::warn!(count = untold, "denials.lost");
        }
        let mut by_workspace = BTreeMap::<WorkspaceId, Vec<Denial>>::new();
        for (workspace_id, denial) in group {
            by_workspace.entry(workspace_id).or_default().push(denial);
        }
        let mut is_well = true;
        for (workspace_id, denials) in by_workspace {
            let added = self.store.add_denials(workspace_id, denials.clone(), DENIALS_KEPT_MAX).await;
            match added {
                Ok(()) => self.written.send_modify(|()| {}),
                Err(StoreError::Unavailable(why)) => {
                    tracing::warn!(why, count = denials.len(), "denials.not_written");
                    self.queue().put_back(workspace_id, denials);
                    is_well = false;
                }
                Err(error) => {
                    tracing::error!(%error, count = denials.len(), "denials.refused");
                    self.queue().lose(denials.len());
                }
            }
        }
        is_well
    }
}

impl Queue {
    /// The oldest that wait, and how many were lost since the last time.
    fn take(&mut self) -> (Vec<(WorkspaceId, Denial)>, u64) {
        let count = self.waiting.len().min(GROUP_MAX);
        (self.waiting.drain(..count).collect(), std::mem::take(&mut self.untold))
    }

    /// They are the oldest, so that they go first again; within the limit, which others may have filled meanwhile.
    fn put_back(&mut self, workspace_id: WorkspaceId, denials: Vec<Denial>) {
        for denial in denials.into_iter().rev() {
            self.waiting.push_front((workspace_id, denial));
        }
        let surplus = self.waiting.len().saturating_sub(DENIALS_WAITING_MAX);
        self.waiting.truncate(DENIALS_WAITING_MAX);
        self.lose(surplus);
    }

    fn lose(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.lost += count;
        self.untold += count;
    }
}

impl Engine {
    /// Remember what a caller was denied, if the refusal denies anything. Returns at once.
    pub fn note_denial(&self, actor: &Actor, attempt: &Attempt, refusal: &Refusal) {
        if !refusal.is_denial() {
            return;
        }
        // Without randomness there are worse troubles than an id that may come again.
        let entropy = crate::random_bytes().unwrap_or_default();
        if let Some(denial) = Denial::of(actor, attempt, refusal, self.now(), &entropy) {
            self.denials.note(actor.workspace_id, denial);
        }
    }

    /// Write the denials that wait now: before somebody looks, and when the server ends. `false` when the store is away.
    pub async fn settle_denials(&self) -> bool {
        let denials = Arc::clone(&self.denials);
        // A task of its own: a reader that goes away takes no group along that is in hand.
        tokio::spawn(async move { denials.settle().await }).await.unwrap_or(false)
    }

    /// Denials that wait to be written.
    pub fn waiting_denials(&self) -> usize {
        self.denials.queue().waiting.len()
    }

    /// Hear of denials as they are written here.
    pub fn written_denials(&self) -> watch::Receiver<()> {
        self.denials.written.subscribe()
    }

    /// Denials of which nothing is written: too many were waiting, or the store refused them.
    pub fn lost_denials(&self) -> u64 {
        self.denials.queue().lost
    }
}
