//! Rules of handing wakes to supervisors: never two live processes for one agent.

use std::collections::BTreeSet;

use super::entry::{self, Entry};
use super::reaction::{finished, has_ended};
use super::takeover::{self, Holder};
use super::{Lease, Wake, WakeState};
use crate::actor::AgentName;
use crate::command::{ClaimWakes, Envelope, RenewWakes};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Key, Keys, Reply};
use crate::limits::CLAIM_WAKES_MAX;
use crate::time::{Now, Timestamp};

/// Wakes whose threads and agents are loaded for one claim, each of another agent: twice what it hands out, because
/// some of them are ended or put off by it.
const CANDIDATES_MAX: usize = 2 * CLAIM_WAKES_MAX as usize;

/// What a claim needs to know of the wakes that it may hand out, now that it is known which there are.
pub(crate) fn claim_keys(facts: &Facts) -> Keys {
    let mut keys = Keys::new();
    let Ok(wakes) = facts.live_wakes() else { return keys };
    let thread_of = |wake: &Wake| [Key::Thread(wake.thread_id), Key::ThreadWakes(wake.thread_id)];
    let mut waiting: Vec<&Wake> = Vec::new();
    let mut running = BTreeSet::new();
    for wake in wakes {
        match wake.state {
            // It may be released, and then handed out anew.
            WakeState::Running => {
                running.insert(&wake.agent);
                keys.extend(thread_of(wake));
                keys.insert(Key::Agent(wake.agent.clone()));
            }
            WakeState::Pending if wake.in_doubt_since.is_some() => {
                keys.extend(thread_of(wake));
                keys.insert(Key::Agent(wake.agent.clone()));
            }
            WakeState::Pending if !wake.held => waiting.push(wake),
            WakeState::Pending | WakeState::Finished => {}
        }
    }
    let is_full = entry::is_full(facts);
    waiting.retain(|wake| !running.contains(&wake.agent) && !(is_full && wake.is_put_off_as_fallback()));
    waiting.sort_by_key(|wake| order(wake));
    let mut agents = BTreeSet::new();
    for wake in waiting.into_iter().filter(|wake| agents.insert(&wake.agent)).take(CANDIDATES_MAX) {
        keys.extend(thread_of(wake));
        keys.insert(Key::Agent(wake.agent.clone()));
    }
    keys
}

/// Urgent ones first, then oldest first.
const fn order(wake: &Wake) -> (bool, Timestamp, crate::id::WakeId) {
    (!wake.is_urgent, wake.due_at, wake.wake_id)
}

/// What one claim has come to so far.
#[derive(Debug, Default)]
struct Taken {
    events: Vec<Event>,
    effects: Vec<Effect>,
    ready: Vec<Wake>,
    busy: BTreeSet<AgentName>,
    /// Wakes that were ended or released: an entry has a largest size, the next claim takes the others.
    settled: u32,
}

/// Due wakes of agents that do not run, urgent ones first, then oldest first. Wakes whose holder is gone are released first.
pub(crate) fn claim(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    now: &Now,
) -> Result<Decision, Stop> {
    if facts.halt()?.is_some() {
        return Ok(Decision { reply: Reply::Halted(super::halt::running(facts)?), ..Decision::unchanged() });
    }
    let mut taken = Taken::default();
    for wake in facts.live_wakes()? {
        if !has_ended(wake, &taken.events) {
            look_at(facts, env, command, wake, now, &mut taken)?;
        }
    }
    let Taken { mut events, mut effects, mut ready, mut busy, .. } = taken;
    ready.retain(|wake| {
        !wake.held && wake.due_at <= now.wall && wake.over(now.wall).is_none() && !is_over(wake, &events)
    });
    ready.sort_by_key(order);
    let limit = usize::try_from(command.limit.min(CLAIM_WAKES_MAX)).unwrap_or(0);
    let mut claimed = Vec::new();
    let mut fallbacks = entry::fallbacks_running(facts)?;
    for wake in ready {
        if claimed.len() >= limit || busy.contains(&wake.agent) {
            continue;
        }
        match entry::of(facts, &wake, &command.doors, fallbacks, now)? {
            Entry::Through { door, is_fallback, first } => {
                events.extend(first);
                fallbacks += u32::from(is_fallback);
                let lease = Lease { door: Some(door), ..lease(facts, &wake, command, now) };
                effects.push(Effect::Lease(lease.clone()));
                busy.insert(wake.agent.clone());
                claimed.push((wake, lease));
            }
            Entry::Later { first } => {
                busy.insert(wake.agent.clone());
                events.extend(first);
            }
        }
    }
    Ok(Decision { events, effects, reply: Reply::Claimed(claimed), replayed: None })
}

/// Whether a wake can be handed out, must be settled first, or keeps its agent busy.
fn look_at(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    wake: &Wake,
    now: &Now,
    taken: &mut Taken,
) -> Result<(), Stop> {
    let is_full = taken.settled >= CLAIM_WAKES_MAX;
    let end = wake.over(now.wall).filter(|_| wake.state == WakeState::Pending);
    if let Some((result, reason)) = end.filter(|_| !is_full) {
        // Claimed or not: the start of a process for it is refused from here on.
        taken.settled += 1;
        taken.events.push(finished(wake, result, Some(reason)));
        taken.effects.push(Effect::Unlease(wake.wake_id));
        return Ok(());
    }
    match takeover::holder(facts, wake, command, now) {
        Holder::Other => drop(taken.busy.insert(wake.agent.clone())),
        Holder::Nobody if wake.state == WakeState::Pending => {
            taken.effects.extend(facts.lease(wake.wake_id).and_then(over));
            taken.ready.push(wake.clone());
        }
        Holder::Nobody | Holder::Unknown if is_full => drop(taken.busy.insert(wake.agent.clone())),
        Holder::Nobody => {
            taken.settled += 1;
            let waits = takeover::release(facts, env, wake, now, &mut taken.events, &mut taken.effects)?;
            taken.ready.extend(waits);
        }
        Holder::Unknown => {
            taken.settled += 1;
            taken.effects.push(Effect::Unlease(wake.wake_id));
            takeover::unknown(facts, env, wake, now, &mut taken.events)?;
        }
    }
    Ok(())
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
