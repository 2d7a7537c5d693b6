//! Claiming wakes with a long-poll: woken by the commit that makes one due, with polling as the net.

use std::sync::atomic::Ordering;
use std::time::Duration;

use interlock_core::actor::Guarded;
use interlock_core::command::{ClaimWakes, Command};
use interlock_core::facts::Reply;
use interlock_core::id::{WakeId, WorkspaceId};
use interlock_core::wake::{Claimant, Door, Lane, Lease, Urgent, Wake};
use interlock_core::{Refusal, Timestamp};
use tokio::time::Instant;

use crate::auth::Permit;
use crate::committer::unavailable;
use crate::engine::{Engine, Request};

/// What a claim asks for.
#[derive(Debug, Clone)]
pub struct ClaimWait {
    /// The supervisor's name.
    pub supervisor: String,
    /// This life of it.
    pub incarnation: String,
    /// Wakes at most.
    pub limit: u32,
    /// How long to wait for the first.
    pub wait: Duration,
    /// What it says of itself.
    pub claimant: Claimant,
    /// The doors that it knows.
    pub doors: Vec<Door>,
}

/// What a claim got.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The wakes with their leases.
    pub wakes: Vec<(Wake, Lease)>,
    /// What brought them.
    pub lane: Lane,
    /// All agents are to be stopped.
    pub halt: bool,
    /// Wakes of the caller whose processes are to be stopped.
    pub stop: Vec<WakeId>,
    /// What turns that the caller runs are to be told of.
    pub urgent: Vec<Urgent>,
}

impl Claimed {
    const fn of(lane: Lane) -> Self {
        Self { wakes: Vec::new(), lane, halt: false, stop: Vec::new(), urgent: Vec::new() }
    }

    fn halted(lane: Lane) -> Self {
        Self { halt: true, ..Self::of(lane) }
    }
}

impl Engine {
    /// From now on no commit ends a claim's wait: for measurements and tests of the polling net.
    pub fn drop_announcements(&self) {
        self.drops_announcements.store(true, Ordering::Relaxed);
    }

    /// Take due wakes, waiting for the first.
    ///
    /// # Errors
    /// What a rule refuses, or what the store cannot do now.
    pub async fn claim<G: Guarded>(
        &self,
        permit: &Permit<G>,
        request: &Request,
        claim: &ClaimWait,
    ) -> Result<Claimed, Refusal> {
        let until = Instant::now() + claim.wait;
        let mut watch = self.watch();
        let mut lane = Lane::Trigger;
        let workspace = permit.actor().workspace_id;
        loop {
            self.heard_of(workspace, &claim.supervisor, &claim.claimant).await?;
            // What was told is forgotten once it is in the store: the word that ends it may be lost.
            if self.was_told_to_stop(workspace) && self.is_halted(workspace).await {
                return Ok(Claimed::halted(lane));
            }
            let asked_at = self.now();
            let command = Command::ClaimWakes(ClaimWakes {
                supervisor: claim.supervisor.clone(),
                incarnation: claim.incarnation.clone(),
                limit: claim.limit,
                lane,
                claimant: self.among_others(&claim.claimant),
                doors: claim.doors.clone(),
            });
            let outcome = self.execute(permit, request, command).await?;
            let wakes = match outcome.reply {
                Reply::Claimed(wakes) => wakes,
                Reply::Halted(_) => {
                    self.halt_is_recorded(workspace);
                    return Ok(Claimed::halted(lane));
                }
                Reply::ToStop(stop) => return Ok(Claimed { stop, ..Claimed::of(lane) }),
                Reply::ToTell(urgent) => return Ok(Claimed { urgent, ..Claimed::of(lane) }),
                _ => Vec::new(),
            };
            if !wakes.is_empty() || Instant::now() >= until {
                return Ok(Claimed { wakes, ..Claimed::of(lane) });
            }
            let next = until.min(Instant::now() + self.poll_pause(workspace, asked_at).await?);
            let wanted = |note: &crate::Note| note.supervisors && note.workspace_id == workspace;
            let is_announced = if self.drops_announcements.load(Ordering::Relaxed) {
                tokio::time::sleep_until(next).await;
                false
            } else {
                watch.wait(next, wanted).await
            };
            lane = if is_announced { Lane::Trigger } else { Lane::Poll };
        }
    }

    /// Until the next wake falls due, but no longer than the polling interval. What was due already when the claim
    /// was decided could not be had; a commit says when it can, and asking again would only burn time.
    async fn poll_pause(&self, workspace: WorkspaceId, asked_at: Timestamp) -> Result<Duration, Refusal> {
        let interval = self.policy.poll_interval_ms;
        let due = self.store.next_due(workspace, asked_at).await.map_err(|error| unavailable(&error))?;
        let pause = due.map_or(interval, |due| due.ms_since(self.now()).clamp(10, interval));
        Ok(Duration::from_millis(u64::try_from(pause).unwrap_or(1_000)))
    }
}
