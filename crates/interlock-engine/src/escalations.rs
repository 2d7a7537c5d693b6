//! Telling whoever must act in a blocked thread again, when that is due, and that no supervisor takes a wake.
//!
//! Nothing is remembered: which threads are blocked, since when and how often somebody was told stands in their rows. A
//! server that looks late, or several that look at once, tell once: the rules decide in the batch's transaction.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::command::{Command, RemindOwner};
use interlock_core::id::WorkspaceId;
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_core::thread::{Status, Thread};
use interlock_core::wake::WakeState;
use interlock_core::{Refusal, Timestamp};
use interlock_store::{Page, ThreadFilter, WakeFilter};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::committer::unavailable;
use crate::engine::Engine;

/// The longest time between two looks: what another server has blocked is found by then.
const LOOK_MAX: Duration = Duration::from_mins(1);
/// The shortest time between two looks.
const LOOK_MIN: Duration = Duration::from_millis(100);

const fn span(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl Engine {
    /// Tell again whoever must act in the blocked threads of a workspace, until told to stop.
    pub async fn remind_owners(self: Arc<Self>, ws: WorkspaceId, mut stop: watch::Receiver<bool>) {
        // A thread that is blocked now is told of no later than this after its time.
        let look = span(self.policy().escalation_reminder_ms).clamp(LOOK_MIN, LOOK_MAX);
        while !*stop.borrow() {
            let found = match self.tell_of_stranded(ws).await {
                Ok(next) => self.remind_due(ws).await.map(|due| [next, due].into_iter().flatten().min()),
                Err(refusal) => Err(refusal),
            };
            let pause = match found {
                Ok(next) => next.map_or(look, |next| span(next.ms_since(self.now()))),
                Err(refusal) => {
                    tracing::warn!(%refusal, "escalations.not_looked_at");
                    look
                }
            };
            let until = Instant::now() + pause.clamp(LOOK_MIN, look);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Look once at all wakes that are due for long, and have told whoever answers for them that nobody takes them; says
    /// when the next one is due for as long. A server that has just begun waits for those who come back.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn tell_of_stranded(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, Refusal> {
        let after_ms = self.policy().stranded_after_ms;
        if after_ms == 0 || self.began.elapsed() < span(self.policy().lease_ms) {
            return Ok(None);
        }
        let due_by = self.now().plus_ms(-after_ms);
        let filter =
            WakeFilter { state: Some(WakeState::Pending), due_by: Some(due_by), ..WakeFilter::default() };
        let mut page = Page { after: None, limit: PAGE_ROWS_MAX };
        loop {
            let found = self.store().wakes(ws, filter.clone(), page.clone()).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let Some(last) = found.last() else { break };
            page.after = Some(last.wake_id);
            for wake in found.iter().filter(|wake| wake.stranded_at_the_earliest(self.policy()).is_some()) {
                let command = Command::NoteStranded { wake_id: wake.wake_id };
                self.by_itself(ws, "note_stranded", command).await?;
            }
        }
        let next = self.store().next_due(ws, due_by).await;
        Ok(next.map_err(|error| unavailable(&error))?.map(|due| due.plus_ms(after_ms)))
    }

    /// Look once at all blocked threads, and tell whoever is to be told now; says when the next one is to be.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn remind_due(&self, ws: WorkspaceId) -> Result<Option<Timestamp>, Refusal> {
        let filter = ThreadFilter { status: Some(Status::Blocked), member: None };
        let mut page = Page { after: None, limit: PAGE_ROWS_MAX };
        let mut next: Option<Timestamp> = None;
        loop {
            let found = self.store().threads(ws, filter.clone(), page.clone()).await;
            let found = found.map_err(|error| unavailable(&error))?;
            let Some(last) = found.last() else { return Ok(next) };
            page.after = Some(last.thread_id);
            for thread in &found {
                let due = self.remind(ws, thread).await?;
                next = [next, due].into_iter().flatten().min();
            }
        }
    }

    /// Says when it is to be told again, unless that is now.
    async fn remind(&self, ws: WorkspaceId, thread: &Thread) -> Result<Option<Timestamp>, Refusal> {
        let (Some(due), Some(escalation)) = (thread.reminder_due(self.policy()), &thread.escalation) else {
            return Ok(None);
        };
        if due > self.now() {
            return Ok(Some(due));
        }
        let command = RemindOwner { thread_id: thread.thread_id, since: escalation.since };
        self.by_itself(ws, "remind_owner", Command::RemindOwner(command)).await?;
        tracing::info!(thread_id = %thread.thread_id, "escalation.reminded");
        Ok(None)
    }
}
