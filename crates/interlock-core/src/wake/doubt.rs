//! Rules of a turn that may go on although whoever began it is gone. Until the supervisor that began it has looked, it
//! keeps its agent busy and nobody says that it is over, whatever became of what it was for; and to look begins nothing.

use super::reaction::take_behind;
use super::{Chain, Lease, Outcome, RELEASES_MAX, Wake, WakeState, intervene, takeover};
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts};
use crate::policy::Policy;
use crate::time::{Now, Timestamp};

impl Wake {
    /// Whether a turn of it may go on that nobody follows.
    pub fn is_in_doubt(&self) -> bool {
        self.state == WakeState::Pending && self.in_doubt_since.is_some()
    }

    /// How long what is done for it on this claim may run. What is found to run has had a part of its time already, however
    /// often it is found.
    pub fn run_ms_left(&self, policy: &Policy, lease: &Lease, now: Timestamp) -> i64 {
        let whole = if self.is_fallback_run() { policy.fallback_run_ms_max } else { policy.run_ms_max };
        let since = self.turn_since.or(self.ladder.dispatched_at).filter(|_| lease.is_in_doubt);
        since.map_or(whole, |since| whole.saturating_sub(now.ms_since(since)).clamp(0, whole))
    }
}

/// It waits to be looked at again, also in a thread that has ended, or that its agent has left. One that a person has ended
/// takes nothing else in: it will be over as soon as somebody has looked.
pub(super) fn on_wait(
    facts: &Facts,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<(u64, Option<Chain>), Stop> {
    if wake.cancelled.is_some() {
        return Ok((wake.seq, wake.chain.clone()));
    }
    let behind = take_behind(facts, wake, now, events, effects)?;
    Ok((behind.seq, behind.chain))
}

/// What the end of a look means by itself: that a person's word is carried out, or that nobody can tell. Nothing where it is
/// looked at again, or where nothing of it runs and it waits like any other.
pub(super) fn looked(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    outcome: Outcome,
    now: &Now,
) -> Result<Option<Decision>, Stop> {
    match outcome {
        Outcome::NotRunning | Outcome::DoorUnavailable | Outcome::SessionGone => {
            Ok(wake.cancelled.as_ref().map(|_| intervene::over(wake, None)))
        }
        Outcome::Halted | Outcome::CannotRun { .. } => Ok(None),
        Outcome::NotStarted | Outcome::SessionBusy if wake.releases < RELEASES_MAX => Ok(None),
        _ => unknown(facts, env, wake, now).map(Some),
    }
}

/// What became of the attempt before cannot be told.
pub(super) fn unknown(facts: &Facts, env: &Envelope, wake: &Wake, now: &Now) -> Result<Decision, Stop> {
    let mut events = Vec::new();
    takeover::unknown(facts, env, wake, now, &mut events)?;
    Ok(Decision { effects: vec![Effect::Unlease(wake.wake_id)], ..Decision::of(events) })
}
