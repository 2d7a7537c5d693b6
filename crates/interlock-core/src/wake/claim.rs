//! Rules of handing wakes to supervisors: never two live processes for one agent.

use std::collections::BTreeSet;

use super::human::{self, Human};
use super::reaction::{finished, has_ended};
use super::{Lease, RELEASES_MAX, Wake, WakeResult, WakeState, on_wait_again};
use crate::actor::AgentName;
use crate::command::{ClaimWakes, Envelope, RenewWakes};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Reply};
use crate::limits::CLAIM_WAKES_MAX;
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, status_events};
use crate::time::{Now, Timestamp};

/// Due wakes of agents that do not run, urgent ones first, then oldest first. Wakes whose holder is gone are released first: its lease
/// ran out, or it is this very supervisor in an earlier life, whose agents died with it.
pub(crate) fn claim(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    now: &Now,
) -> Result<Decision, Stop> {
    if facts.halt()?.is_some() {
        return Ok(Decision { reply: Reply::Halted(super::halt::running(facts)?), ..Decision::unchanged() });
    }
    let mut events = Vec::new();
    let mut effects = Vec::new();
    let mut ready: Vec<Wake> = Vec::new();
    let mut busy: BTreeSet<AgentName> = BTreeSet::new();
    let mut orphans = 0;
    for wake in facts.live_wakes()? {
        if has_ended(wake, &events) {
            continue;
        }
        let lease = facts.lease(wake.wake_id);
        let end = wake.over(now.wall).filter(|_| wake.state == WakeState::Pending);
        if let Some((result, reason)) = end.filter(|_| orphans < CLAIM_WAKES_MAX) {
            // Claimed or not: the start of a process for it is refused from here on.
            orphans += 1;
            events.push(finished(wake, result, Some(reason)));
            effects.push(Effect::Unlease(wake.wake_id));
            continue;
        }
        if lease.is_some_and(|lease| !is_gone(lease, command, now)) {
            busy.insert(wake.agent.clone());
            continue;
        }
        if wake.state == WakeState::Pending {
            effects.extend(lease.and_then(over));
            ready.push(wake.clone());
        } else if orphans == CLAIM_WAKES_MAX {
            // An entry has a largest size: the next claim takes the others.
            busy.insert(wake.agent.clone());
        } else {
            orphans += 1;
            ready.extend(orphan(facts, env, wake, now, &mut events, &mut effects)?);
        }
    }
    ready.retain(|wake| {
        !wake.held && wake.due_at <= now.wall && wake.over(now.wall).is_none() && !is_over(wake, &events)
    });
    ready.sort_by_key(|wake| (!wake.is_urgent, wake.due_at, wake.wake_id));
    let limit = usize::try_from(command.limit.min(CLAIM_WAKES_MAX)).unwrap_or(0);
    let (mut claimed, mut deferred) = (Vec::new(), 0);
    for wake in ready {
        if claimed.len() < limit && !busy.contains(&wake.agent) {
            match human::look(facts, &wake, now)? {
                Human::Away => {}
                Human::Wait(_) if deferred == CLAIM_WAKES_MAX => continue,
                Human::Wait(event) => {
                    deferred += 1;
                    events.push(event);
                    continue;
                }
                Human::GoOn(released) => events.extend(released),
            }
            busy.insert(wake.agent.clone());
            let lease = lease(facts, &wake, command, now);
            effects.push(Effect::Lease(lease.clone()));
            claimed.push((wake, lease));
        }
    }
    Ok(Decision { events, effects, reply: Reply::Claimed(claimed), replayed: None })
}

/// A running wake whose holder is gone: it waits again, or is given up when that has happened too often. Gives the
/// wake as it then is, when it waits.
fn orphan(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<Option<Wake>, Stop> {
    if wake.releases >= RELEASES_MAX {
        effects.push(Effect::Unlease(wake.wake_id));
        give_up(facts, env, wake, now, events)?;
        return Ok(None);
    }
    events.push(Event::WakeReleased {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        reason: Reason::LeaseExpired,
    });
    effects.extend(facts.lease(wake.wake_id).and_then(over));
    let waits = on_wait_again(facts, wake, now, events, effects)?;
    Ok(waits.map(|seq| Wake {
        seq,
        state: WakeState::Pending,
        attempts: wake.attempts.saturating_sub(1),
        releases: wake.releases.saturating_add(1),
        reason: Some(Reason::LeaseExpired),
        ..wake.clone()
    }))
}

/// Whether this claim itself has ended the wake or blocked its thread.
fn is_over(wake: &Wake, events: &[Event]) -> bool {
    events.iter().any(|event| match event {
        Event::WakeFinished { wake_id, .. } => *wake_id == wake.wake_id,
        Event::StatusChanged { thread_id, .. } => *thread_id == wake.thread_id,
        _ => false,
    })
}

/// The end of a lease. Its row stays, because it knows the fence, which must not be given twice; whatever the clock
/// does later, it holds nothing any more.
pub(super) fn over(lease: &Lease) -> Option<Effect> {
    let until = Timestamp::default();
    (lease.until != until).then(|| Effect::Lease(Lease { until, ..lease.clone() }))
}

fn is_gone(lease: &Lease, command: &ClaimWakes, now: &Now) -> bool {
    lease.until <= now.wall
        || (lease.supervisor == command.supervisor && lease.incarnation != command.incarnation)
}

fn lease(facts: &Facts, wake: &Wake, command: &ClaimWakes, now: &Now) -> Lease {
    let last = facts.lease(wake.wake_id).map_or(wake.fence, |lease| lease.fence.max(wake.fence));
    Lease {
        wake_id: wake.wake_id,
        agent: wake.agent.clone(),
        supervisor: command.supervisor.clone(),
        incarnation: command.incarnation.clone(),
        fence: last.saturating_add(1),
        holds: wake.holds,
        is_called: false,
        until: now.wall.plus_ms(facts.policy.lease_ms),
    }
}

fn give_up(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    events.push(Event::WakeFinished {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        result: WakeResult::Failed,
        reason: Some(Reason::LeaseExpired),
        exit_code: None,
    });
    if let Some(thread) = facts.thread(wake.thread_id)?
        && thread.status == Status::Active
        && thread.members.contains_key(&wake.agent)
        // Two wakes of one thread given up in one claim block it once.
        && !events.iter().any(|e| matches!(e, Event::StatusChanged { thread_id, .. } if *thread_id == wake.thread_id))
    {
        let body = format!("`{}` lost its supervisor {RELEASES_MAX} times.", wake.agent);
        let change = StatusChange::guard(thread, Reason::WakeFailed, &body);
        status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    }
    Ok(())
}

/// Leases of this life of the supervisor are prolonged; what is not in the answer was lost.
pub(crate) fn renew(facts: &Facts, command: &RenewWakes, now: &Now) -> Result<Decision, Stop> {
    let mut effects = Vec::new();
    let mut kept = Vec::new();
    for (wake_id, fence) in &command.wakes {
        let Some(wake) = facts.wake(*wake_id)? else { continue };
        // A running wake whose lease ran out while nobody looked is still this supervisor's: every claim that looks
        // releases it. A claim that was not started by then, or before its thread was blocked, is over.
        let holds = |lease: &&Lease| {
            lease.fence == *fence
                && lease.supervisor == command.supervisor
                && lease.incarnation == command.incarnation
                && (wake.state == WakeState::Running || (lease.until > now.wall && lease.may_start(wake)))
        };
        if let Some(lease) = facts.lease(*wake_id).filter(holds) {
            let until = now.wall.plus_ms(facts.policy.lease_ms);
            effects.push(Effect::Lease(Lease { until, ..lease.clone() }));
            kept.push((*wake_id, wake.ladder.accepted_at.is_some()));
        }
    }
    Ok(Decision { events: Vec::new(), effects, reply: Reply::Renewed(kept), replayed: None })
}
