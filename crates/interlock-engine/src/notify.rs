//! Who is told after a commit, and never before: long-polls wait here instead of polling.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_store::Order;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::neighbours::Outbox;

/// Notes kept for slow listeners; one that falls behind is told to look again.
const NOTES_MAX: usize = 1024;

/// What a commit concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Note {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The threads it changed.
    pub threads: Vec<ThreadId>,
    /// Whether a supervisor may have something to do.
    pub supervisors: bool,
    /// Whether a worker may have something to do.
    pub workers: bool,
    /// Whether something became of a job.
    pub jobs: bool,
    /// Whether a snapshot was taken.
    pub snapshots: bool,
}

impl Note {
    /// One that says nothing yet.
    pub(crate) const fn of(workspace_id: WorkspaceId) -> Self {
        Self {
            workspace_id,
            threads: Vec::new(),
            supervisors: false,
            workers: false,
            jobs: false,
            snapshots: false,
        }
    }
}

/// Sends notes: to whoever waits here, and to the other servers where there are any. No note at all says that anything
/// may have changed.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    here: broadcast::Sender<Option<Note>>,
    /// Notes sent here so far.
    sent: Arc<AtomicU64>,
    elsewhere: Arc<OnceLock<Outbox>>,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self { here: broadcast::Sender::new(NOTES_MAX), sent: Arc::default(), elsewhere: Arc::default() }
    }

    /// Whether there are others to be told.
    pub(crate) fn has_neighbours(&self) -> bool {
        self.elsewhere.get().is_some()
    }

    /// From now on tell others too.
    pub(crate) fn tell_also(&self, outbox: Outbox) {
        // A server joins once.
        drop(self.elsewhere.set(outbox));
    }

    /// After a commit that left the ledger with so many entries.
    pub(crate) fn send(&self, note: Note, size: u64) {
        if size > 0 {
            self.send_elsewhere(&note, size, Order::None);
        }
        self.send_here(Some(note));
    }

    pub(crate) fn send_here(&self, note: Option<Note>) {
        // Before the note itself: whoever has heard it finds that it was sent.
        self.sent.fetch_add(1, Ordering::SeqCst);
        // Nobody may be listening.
        drop(self.here.send(note));
    }

    pub(crate) fn send_elsewhere(&self, note: &Note, size: u64, order: Order) {
        if let Some(outbox) = self.elsewhere.get() {
            outbox.put(note, size, order);
        }
    }

    /// How many notes were sent here so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch(self.here.subscribe())
    }
}

/// Hears of every commit from its making on: make it before reading, and nothing is missed in between.
#[derive(Debug)]
pub struct Watch(broadcast::Receiver<Option<Note>>);

impl Watch {
    /// The next note, or `None` when anything may have changed, or for whoever fell behind: look again at everything. Never
    /// ends by itself while the engine lives.
    pub async fn next(&mut self) -> Option<Note> {
        match self.0.recv().await {
            Ok(note) => note,
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Forget what was heard so far: for whoever reads everything next.
    pub fn catch_up(&mut self) {
        self.0 = self.0.resubscribe();
    }

    /// Wait for the next commit; `false` when the engine has ended.
    pub(crate) async fn changed(&mut self) -> bool {
        !matches!(self.0.recv().await, Err(broadcast::error::RecvError::Closed))
    }

    /// Wait for a note that `wanted` wants; `false` when the time was up first. Whoever fell behind looks again.
    pub async fn wait(&mut self, until: Instant, wanted: impl Fn(&Note) -> bool) -> bool {
        loop {
            match tokio::time::timeout_at(until, self.0.recv()).await {
                Err(_) => return false,
                Ok(Ok(Some(note))) if !wanted(&note) => {}
                Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => return true,
                Ok(Err(broadcast::error::RecvError::Closed)) => {
                    // The engine is ending; its callers see that soon.
                    tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(100))).await;
                    return false;
                }
            }
        }
    }
}
