//! Rules of handing wakes to supervisors: never two live processes for one agent.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{self, Entry};
use super::reaction::{finished, has_ended};
use super::takeover::{self, Holder};
use super::{Lease, Wake, WakeState};
use crate::actor::AgentName;
use crate::command::{ClaimWakes, Envelope, RenewWakes};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Key, Keys, Reply};
use crate::guard::{self, Admission};
use crate::limits::{CLAIM_ASKED_MAX, CLAIM_ASKED_OF_AGENT_MAX, CLAIM_EVENTS_MAX, CLAIM_WAKES_MAX};
use crate::reason::Reason;
use crate::time::{Now, Timestamp};

/// Due wakes of agents that do not run, urgent ones first, then oldest first, as far as the guards admit them. Wakes whose
/// holder is gone are released first: its lease ran out, or it is this very supervisor in an earlier life, whose agents
/// died with it.
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
    let Found { ready, mut busy } = look(facts, env, command, now, &mut events, &mut effects)?;
    let limit = usize::try_from(command.limit.min(CLAIM_WAKES_MAX)).unwrap_or(0);
    let mut claimed = Vec::new();
    let mut fallbacks = entry::fallbacks_running(facts)?;
    for wake in asked_about(facts, ready) {
        if claimed.len() >= limit || events.len() >= CLAIM_EVENTS_MAX {
            break;
        }
        if busy.contains(&wake.agent) || !is_known(facts, &wake) {
            continue;
        }
        match guard::admit(facts, &wake, now)? {
            Admission::Start => {}
            Admission::Defer { reason, due_at } => {
                events.push(deferred(&wake, reason, due_at));
                continue;
            }
        }
        match entry::of(facts, &wake, &command.doors, fallbacks, now)? {
            Entry::Through { door, is_fallback, first } => {
                events.extend(first);
                fallbacks += u32::from(is_fallback);
                busy.insert(wake.agent.clone());
                let lease = Lease { door: Some(door), ..lease(facts, &wake, command, now) };
                effects.push(Effect::Lease(lease.clone()));
                // As the events make it: it is handed over as it then is.
                claimed.push((Wake { is_fallback, ..wake }, lease));
            }
            Entry::Later { first } => events.extend(first),
        }
    }
    Ok(Decision { events, effects, reply: Reply::Claimed(claimed), replayed: None })
}

/// What a claim has found.
struct Found {
    /// Wakes that are due and nobody holds.
    ready: Vec<Wake>,
    /// Agents that run, or that somebody is about to start.
    busy: BTreeSet<AgentName>,
}

/// End what is over, release what is lost, and gather what may be handed out.
fn look(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<Found, Stop> {
    let mut ready: Vec<Wake> = Vec::new();
    let mut busy: BTreeSet<AgentName> = BTreeSet::new();
    let mut orphans = 0;
    for wake in facts.live_wakes()? {
        if has_ended(wake, events) {
            continue;
        }
        // An entry has a largest size: the next claim takes the others.
        let is_full = orphans >= CLAIM_WAKES_MAX || events.len() >= CLAIM_EVENTS_MAX;
        let end = wake.over(now.wall).filter(|_| wake.state == WakeState::Pending);
        if let Some((result, reason)) = end.filter(|_| !is_full) {
            // Claimed or not: the start of a process for it is refused from here on.
            orphans += 1;
            events.push(finished(wake, result, Some(reason)));
            effects.push(Effect::Unlease(wake.wake_id));
            continue;
        }
        match takeover::holder(facts, wake, command, now.wall) {
            Holder::Other => drop(busy.insert(wake.agent.clone())),
            Holder::Nobody if wake.state == WakeState::Pending => {
                effects.extend(facts.lease(wake.wake_id).and_then(over));
                ready.push(wake.clone());
            }
            Holder::Nobody | Holder::Unknown if is_full => drop(busy.insert(wake.agent.clone())),
            Holder::Nobody => {
                orphans += 1;
                ready.extend(takeover::release(facts, env, wake, now, events, effects)?);
            }
            Holder::Unknown => {
                orphans += 1;
                effects.push(Effect::Unlease(wake.wake_id));
                takeover::unknown(facts, env, wake, now, events)?;
            }
        }
    }
    ready.retain(|wake| is_ready(wake, now.wall) && !is_over(wake, events));
    Ok(Found { ready, busy })
}

/// What a claim needs to know besides, now that the live wakes are there: what is lost, and what it may hand out.
pub(crate) fn claim_keys(facts: &Facts, command: &ClaimWakes, now: Timestamp) -> Keys {
    let mut keys = Keys::new();
    let mut ready = Vec::new();
    for wake in facts.live_wakes().into_iter().flatten() {
        match takeover::holder(facts, wake, command, now) {
            Holder::Other => {}
            Holder::Nobody if wake.state == WakeState::Pending => {
                ready.extend(Some(wake.clone()).filter(|wake| is_ready(wake, now)));
            }
            Holder::Nobody | Holder::Unknown => {
                keys.insert(Key::ThreadWakes(wake.thread_id));
                keys.extend(known(wake));
            }
        }
    }
    keys.extend(asked_about(facts, ready).iter().flat_map(known));
    keys
}

/// What the guards need to know of a wake.
fn known(wake: &Wake) -> [Key; 2] {
    [Key::Thread(wake.thread_id), Key::Agent(wake.agent.clone())]
}

/// Whether it was loaded. What another command of this batch has raised was not; the note of that command brings the
/// next claim.
fn is_known(facts: &Facts, wake: &Wake) -> bool {
    known(wake).iter().all(|key| facts.has(key))
}

fn is_ready(wake: &Wake, now: Timestamp) -> bool {
    !wake.held && wake.due_at <= now && wake.over(now).is_none()
}

/// Those that one claim asks the guards about, in their order: few of one agent, so that however many of its wakes are put
/// off, others' come too.
fn asked_about(facts: &Facts, mut ready: Vec<Wake>) -> Vec<Wake> {
    let is_full = entry::is_full(facts);
    ready.retain(|wake| !(is_full && wake.is_put_off_as_fallback()));
    ready.sort_by_key(|wake| (!wake.is_urgent, wake.due_at, wake.wake_id));
    let mut of_agent: BTreeMap<AgentName, usize> = BTreeMap::new();
    ready.retain(|wake| {
        let count = of_agent.entry(wake.agent.clone()).or_default();
        *count += 1;
        *count <= CLAIM_ASKED_OF_AGENT_MAX
    });
    ready.truncate(CLAIM_ASKED_MAX);
    ready
}

/// It waits until then, and no attempt is used.
pub(super) fn deferred(wake: &Wake, reason: Reason, due_at: Timestamp) -> Event {
    Event::WakeDeferred {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        reason,
        due_at,
    }
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

fn lease(facts: &Facts, wake: &Wake, command: &ClaimWakes, now: &Now) -> Lease {
    let last = facts.lease(wake.wake_id).map_or(wake.fence, |lease| lease.fence.max(wake.fence));
    Lease {
        wake_id: wake.wake_id,
        agent: wake.agent.clone(),
        supervisor: command.supervisor.clone(),
        incarnation: command.incarnation.clone(),
        fence: last.saturating_add(1),
        holds: wake.holds,
        door: None,
        is_in_doubt: wake.in_doubt_since.is_some(),
        is_called: false,
        until: now.wall.plus_ms(facts.policy.lease_ms),
    }
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
