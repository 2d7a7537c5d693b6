//! What every handler is given besides its permit and parameters.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::actor::Actor;
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, WAIT_MS_MAX};
use interlock_core::thread::{self, Thread};
use interlock_core::{Reason, Refusal, Timestamp};
use interlock_engine::read::{Store, StoreError};
use interlock_engine::{Engine, Note, Request, Watch};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::events::Seats;
use crate::metrics::Metrics;
use crate::rate::Rates;
use crate::webhooks::Webhooks;

/// What the server holds.
pub(crate) struct State {
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Metrics,
    pub(crate) seats: Seats,
    pub(crate) webhooks: Arc<Webhooks>,
    /// How often each caller may ask.
    pub(crate) rates: Rates,
    /// Turns true when the server stops; long-polls end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// One call.
pub(crate) struct Ctx {
    pub(crate) state: Arc<State>,
    pub(crate) request: Request,
    pub(crate) actor: Actor,
}

impl Ctx {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.state.engine
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.state.engine.store()
    }

    pub(crate) const fn workspace(&self) -> WorkspaceId {
        self.actor.workspace_id
    }

    /// The thread, when the caller may know that it exists.
    pub(crate) async fn visible(&self, id: ThreadId) -> Result<Thread, Refusal> {
        let found = self.store().thread(self.workspace(), id).await.map_err(failed)?;
        let found = found.ok_or_else(|| thread::not_found(id))?;
        let is_seen = found.members.contains_key(&self.actor.name) || self.actor.role.sees_all_threads();
        if is_seen { Ok(found) } else { Err(thread::hidden(id)) }
    }

    /// Wait for any commit of the caller's workspace; `false` when the time is up or the server stops.
    pub(crate) async fn wait_here(&self, watch: &mut Watch, until: Instant) -> bool {
        let workspace = self.workspace();
        self.wait(watch, until, |note| note.workspace_id == workspace).await
    }

    /// Wait for a commit that concerns what `wanted` says; `false` when the time is up or the server stops.
    pub(crate) async fn wait(
        &self,
        watch: &mut Watch,
        until: Instant,
        wanted: impl Fn(&Note) -> bool,
    ) -> bool {
        let mut stopping = self.state.stopping.clone();
        tokio::select! {
            heard = watch.wait(until, wanted) => heard,
            _ = stopping.wait_for(|stopping| *stopping) => false,
        }
    }

    /// The same, where something also becomes otherwise by itself at `turns_at`: `true` then too.
    pub(crate) async fn wait_for_turn(
        &self,
        watch: &mut Watch,
        until: Instant,
        turns_at: Option<Timestamp>,
        wanted: impl Fn(&Note) -> bool,
    ) -> bool {
        let turn = turns_at.map(|at| Instant::now() + self.until(at)).filter(|turn| *turn < until);
        let Some(turn) = turn else { return self.wait(watch, until, wanted).await };
        self.wait(watch, turn, wanted).await || Instant::now() >= turn
    }

    /// How long it is until then; something, also where that is now, so that nobody who waits for it spins.
    fn until(&self, at: Timestamp) -> Duration {
        Duration::from_millis(at.ms_since(self.engine().now()).max(1).unsigned_abs())
    }
}

/// How long a long-poll may wait, within the limit.
pub(crate) fn wait(wait_ms: u32) -> Result<Duration, Refusal> {
    if wait_ms <= WAIT_MS_MAX {
        return Ok(Duration::from_millis(u64::from(wait_ms)));
    }
    Err(Refusal::new(
        Reason::LimitExceeded,
        format!("`wait_ms` is {wait_ms}, at most {WAIT_MS_MAX} are waited at once"),
    )
    .hint("ask again when the wait has ended without an answer"))
}

/// When a long-poll that may wait so long ends.
pub(crate) fn deadline(wait_ms: u32) -> Result<Instant, Refusal> {
    Ok(Instant::now() + wait(wait_ms)?)
}

/// The number of rows asked for, within the limit.
pub(crate) fn rows(limit: u32) -> Result<u32, Refusal> {
    match limit {
        0 => Ok(PAGE_ROWS_DEFAULT),
        1..=PAGE_ROWS_MAX => Ok(limit),
        _ => Err(Refusal::new(
            Reason::LimitExceeded,
            format!("`limit` is {limit}, at most {PAGE_ROWS_MAX} rows are given at once"),
        )
        .hint("follow next_cursor for more")),
    }
}

/// A cursor that is the text of its list's key.
pub(crate) fn cursor<K: std::str::FromStr>(cursor: Option<&String>) -> Result<Option<K>, Refusal> {
    cursor
        .map(|text| {
            text.parse().map_err(|_| {
                Refusal::new(Reason::ParameterInvalid, "the cursor is none that this list gave")
                    .hint("pass next_cursor on as it is")
            })
        })
        .transpose()
}

/// What a failed read means for the caller.
#[expect(clippy::needless_pass_by_value, reason = "reads as map_err(failed)")]
pub(crate) fn failed(error: StoreError) -> Refusal {
    Engine::refusal(&error)
}

#[cfg(test)]
mod tests;
