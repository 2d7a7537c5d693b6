//! Rules of what becomes of wakes whose supervisor is gone. Agents under a shim die with their supervisor, so a wake of theirs
//! is begun again; what a server of the runtime was told may go on, so it is looked at by those who can, or by a person.

use super::claim::over;
use super::reaction::finished;
use super::{Door, Lease, RELEASES_MAX, Wake, WakeResult, WakeState, doubt, on_wait_again};
use crate::command::{ClaimWakes, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Effect, Facts};
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, hand_on, status_events};
use crate::time::{Now, Timestamp};

/// Who has a wake, as far as the one who claims is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nobody any more: it may be taken.
    Nobody,
    /// Somebody else, for now.
    Other,
    /// Nobody any more, and what was begun may go on where the one who claims cannot look.
    Unknown,
}

/// Who has it. A supervisor's new life has proved that its former agents are dead; of another one that is so when it has
/// had the time to notice the end of its lease, and to end them.
pub(super) fn holder(facts: &Facts, wake: &Wake, command: &ClaimWakes, now: Timestamp) -> Holder {
    let lease = facts.lease(wake.wake_id);
    let is_own = |supervisor: &str| supervisor == command.supervisor;
    if lease.is_some_and(|lease| !is_gone(facts, lease, command, now)) {
        return Holder::Other;
    }
    let since = wake.in_doubt_since;
    if !may_go_on(wake) {
        return Holder::Nobody;
    }
    if wake.supervisor.as_deref().is_none_or(is_own) {
        return Holder::Nobody;
    }
    let patience_ms = facts.policy.lease_ms.saturating_add(facts.policy.takeover_grace_ms);
    match since {
        // The supervisor that can look came back once; it is given the time of a lease to come back again.
        Some(since) if now < since.plus_ms(patience_ms) => Holder::Other,
        _ => Holder::Unknown,
    }
}

/// Whether what was begun may go on without its supervisor.
pub(super) fn may_go_on(wake: &Wake) -> bool {
    let outlives = wake.door.is_some_and(Door::outlives_supervisor);
    wake.is_in_doubt() || (wake.state == WakeState::Running && outlives)
}

fn is_gone(facts: &Facts, lease: &Lease, command: &ClaimWakes, now: Timestamp) -> bool {
    // One that was given back is over at once, whatever the clock says.
    if lease.is_over() {
        return true;
    }
    if lease.supervisor != command.supervisor {
        return lease.until.plus_ms(facts.policy.takeover_grace_ms) <= now;
    }
    if lease.incarnation != command.incarnation {
        return true;
    }
    // What it knows of lives, however long its machine slept. Of what it does not know the answer to its claim was lost.
    let known = command.claimant.holds.as_ref();
    known.map_or(lease.until <= now, |known| !known.contains(&(lease.wake_id, lease.fence)))
}

/// The lease of the supervisor that claims, when its time ran out although it still has the wake: it goes on.
pub(super) fn kept(facts: &Facts, wake: &Wake, command: &ClaimWakes, now: Timestamp) -> Option<Effect> {
    let is_own = |lease: &&Lease| lease.supervisor == command.supervisor && lease.until <= now;
    let lease = facts.lease(wake.wake_id).filter(is_own)?;
    Some(Effect::Lease(Lease { until: now.plus_ms(facts.policy.lease_ms), ..lease.clone() }))
}

/// Every supervisor that is there lacks what its agent needs: a person is told.
pub(super) fn nowhere(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let body = format!(
        "No supervisor can run `{}`: each of them lacks its folder or its program. See: interlock log {}",
        wake.agent, wake.wake_id
    );
    let end = (WakeResult::Failed, Reason::SpawnFailed);
    give_up(facts, env, wake, end, (Reason::WakeFailed, &body), now, events)
}

/// A running wake whose holder is gone: it waits again, or is given up when that has happened too often; one that a person
/// has ended is over, unless its turn may go on. Gives the wake as it then is, when it waits.
pub(super) fn release(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<Option<Wake>, Stop> {
    let is_in_doubt = wake.door.is_some_and(Door::outlives_supervisor);
    if wake.cancelled.is_some() && !is_in_doubt {
        effects.push(Effect::Unlease(wake.wake_id));
        events.push(finished(wake, WakeResult::Cancelled, Some(Reason::WakeCancelled)));
        return Ok(None);
    }
    if wake.releases >= RELEASES_MAX {
        effects.push(Effect::Unlease(wake.wake_id));
        if is_in_doubt {
            unknown(facts, env, wake, now, events)?;
            return Ok(None);
        }
        let body = format!("`{}` lost its supervisor {RELEASES_MAX} times.", wake.agent);
        let end = (WakeResult::Failed, Reason::LeaseExpired);
        give_up(facts, env, wake, end, (Reason::WakeFailed, &body), now, events)?;
        return Ok(None);
    }
    events.push(Event::WakeReleased {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        reason: Reason::LeaseExpired,
        is_in_doubt,
    });
    effects.extend(facts.lease(wake.wake_id).and_then(over));
    let waits = if is_in_doubt {
        Some(doubt::on_wait(facts, wake, now, events, effects)?)
    } else {
        on_wait_again(facts, wake, now, events, effects)?
    };
    Ok(waits.map(|(seq, chain)| Wake {
        seq,
        chain,
        state: WakeState::Pending,
        attempts: wake.attempts.saturating_sub(1),
        releases: wake.releases.saturating_add(1),
        reason: Some(Reason::LeaseExpired),
        in_doubt_since: is_in_doubt.then_some(now.wall),
        deferred_since: None,
        is_override: false,
        ..wake.clone()
    }))
}

/// Nobody can tell what became of its last attempt, so it is not begun again: a person is told.
pub(super) fn unknown(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let body = format!(
        "nobody saw how the turn of `{}` ended, and it may go on. See: interlock wake show {}",
        wake.agent, wake.wake_id
    );
    let end = (WakeResult::Unknown, Reason::WakeInDoubt);
    give_up(facts, env, wake, end, (Reason::WakeInDoubt, &body), now, events)
}

/// A wake ends although nothing came of it, and its thread waits for a person.
fn give_up(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    (result, reason): (WakeResult, Reason),
    (blocked, body): (Reason, &str),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    events.push(finished(wake, result, Some(reason)));
    // Two wakes of one thread given up in one claim block it once.
    let is_said = |event: &Event| match event {
        Event::StatusChanged { thread_id, .. } | Event::OwnerAssigned { thread_id, .. } => *thread_id == wake.thread_id,
        _ => false,
    };
    let thread = facts.thread(wake.thread_id)?.filter(|thread| thread.members.contains_key(&wake.agent));
    let Some(thread) = thread.filter(|_| !events.iter().any(is_said)) else { return Ok(()) };
    if thread.status != Status::Active {
        return hand_on(facts, env, thread, (&wake.agent, body), now, events);
    }
    let change = StatusChange::guard(blocked, body, wake.chain.clone());
    status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    Ok(())
}
