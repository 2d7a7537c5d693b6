//! Rules of handing wakes to supervisors: never two live processes for one agent.

use std::collections::BTreeSet;

use super::{Lease, RELEASES_MAX, Wake, WakeResult, WakeState};
use crate::actor::AgentName;
use crate::command::{ClaimWakes, Envelope, RenewWakes};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Reply};
use crate::limits::CLAIM_WAKES_MAX;
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, status_events};
use crate::time::Now;

/// Due wakes of agents that do not run, oldest first. Wakes whose holder is gone are released first: its lease
/// ran out, or it is this very supervisor in an earlier life, whose agents died with it.
pub(crate) fn claim(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    now: &Now,
) -> Result<Decision, Stop> {
    let mut events = Vec::new();
    let mut effects = Vec::new();
    let mut ready: Vec<&Wake> = Vec::new();
    let mut busy: BTreeSet<&AgentName> = BTreeSet::new();
    for wake in facts.live_wakes()? {
        match facts.lease(wake.wake_id) {
            Some(lease) if !is_gone(lease, command, now) => {
                busy.insert(&wake.agent);
            }
            // Never started: another supervisor may have it, nothing has to be told.
            _ if wake.state == WakeState::Pending => ready.push(wake),
            _ if wake.releases >= RELEASES_MAX => {
                effects.push(Effect::Unlease(wake.wake_id));
                give_up(facts, env, wake, now, &mut events)?;
            }
            _ => {
                events.push(Event::WakeReleased {
                    wake_id: wake.wake_id,
                    thread_id: wake.thread_id,
                    agent: wake.agent.clone(),
                    reason: Reason::LeaseExpired,
                });
                ready.push(wake);
            }
        }
    }
    ready.retain(|wake| !wake.held && (wake.due_at <= now.wall || wake.state == WakeState::Running));
    ready.sort_by_key(|wake| (wake.due_at, wake.wake_id));
    let limit = usize::try_from(command.limit.min(CLAIM_WAKES_MAX)).unwrap_or(0);
    let mut claimed = Vec::new();
    for wake in ready {
        if claimed.len() < limit && busy.insert(&wake.agent) {
            let lease = lease(facts, wake, command, now);
            effects.push(Effect::Lease(lease.clone()));
            claimed.push((wake.clone(), lease));
        }
    }
    Ok(Decision { events, effects, reply: Reply::Claimed(claimed), replayed: None })
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
        let holds = |lease: &&Lease| {
            lease.fence == *fence
                && lease.supervisor == command.supervisor
                && lease.incarnation == command.incarnation
        };
        if let Some(lease) = facts.lease(*wake_id).filter(holds) {
            let until = now.wall.plus_ms(facts.policy.lease_ms);
            effects.push(Effect::Lease(Lease { until, ..lease.clone() }));
            kept.push((*wake_id, wake.ladder.accepted_at.is_some()));
        }
    }
    Ok(Decision { events: Vec::new(), effects, reply: Reply::Renewed(kept), replayed: None })
}
