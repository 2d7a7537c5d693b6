//! Rules of handing wakes to supervisors: never two live processes for one agent.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{self, Entry};
use super::placement::{self, Place, place};
use super::reaction::{finished, has_ended};
use super::takeover::{self, Holder};
use super::{Lease, Urgent, Wake, WakeState, intervene, urgent};
use crate::actor::AgentName;
use crate::command::{ClaimWakes, Envelope, RenewWakes};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Kept, Key, Keys, Missing, Reply};
use crate::guard::{self, Admission};
use crate::limits::{CLAIM_ASKED_MAX, CLAIM_ASKED_OF_AGENT_MAX, CLAIM_EVENTS_MAX, CLAIM_WAKES_MAX};
use crate::reason::Reason;
use crate::time::{Now, Timestamp};

/// Due wakes of agents that do not run, urgent ones first, then oldest first, as far as the guards admit them. Wakes whose
/// holder is gone are released first: its lease ran out, or it is this very supervisor in an earlier life, whose agents
/// died with it, or it does not know of its claim. What may go on is looked for before anything of its agent is begun.
pub(crate) fn claim(
    facts: &Facts,
    env: &Envelope,
    command: &ClaimWakes,
    now: &Now,
) -> Result<Decision, Stop> {
    let mut events = Vec::new();
    let mut effects = Vec::new();
    let Found { ready, mut busy } = look(facts, env, command, now, &mut events, &mut effects)?;
    if facts.halt()?.is_some() {
        let reply = Reply::Halted(super::halt::running(facts)?);
        return Ok(Decision { events, effects, reply, replayed: None });
    }
    let Due { asked, surplus } = in_turn(facts, ready);
    let limit = usize::try_from(command.limit.min(CLAIM_WAKES_MAX)).unwrap_or(0);
    let running_max = usize::try_from(facts.policy.agents_running_max).unwrap_or(usize::MAX);
    let mut claimed = Vec::new();
    let mut fallbacks = entry::fallbacks_running(facts)?;
    for wake in asked {
        // Who finds no room is due all the same, and is handed out when somebody's process has ended.
        // Who is looked for has room: if it runs, it runs already.
        let has_room = busy.len() < running_max || wake.is_in_doubt();
        if claimed.len() >= limit || !has_room || events.len() >= CLAIM_EVENTS_MAX {
            break;
        }
        if busy.contains(&wake.agent) {
            continue;
        }
        if !is_known(facts, &wake) {
            // Its agent is not begun elsewhere before somebody has looked.
            busy.extend(Some(wake.agent).filter(|_| wake.in_doubt_since.is_some()));
            continue;
        }
        if !is_admitted(facts, env, &wake, command, now, (&mut events, &mut effects))? {
            continue;
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
    let room = CLAIM_EVENTS_MAX.saturating_sub(events.len());
    let after = guard::after_storm(&facts.policy, now);
    events.extend(surplus.iter().take(room).map(|wake| deferred(wake, Reason::WakeBacklog, after)));
    let reply = if claimed.is_empty() {
        match intervene::to_stop(facts, command, &events, &mut effects)? {
            stop if stop.is_empty() => match urgent::to_tell(facts, command, now, &mut effects)? {
                told if told.is_empty() => Reply::Claimed(claimed),
                told => Reply::ToTell(told),
            },
            stop => Reply::ToStop(stop),
        }
    } else {
        Reply::Claimed(claimed)
    };
    Ok(Decision { events, effects, reply, replayed: None })
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
    let is_halted = facts.halt()?.is_some();
    for wake in facts.live_wakes()? {
        if has_ended(wake, events) {
            continue;
        }
        // An entry has a largest size: the next claim takes the others.
        let is_full = orphans >= CLAIM_WAKES_MAX || events.len() >= CLAIM_EVENTS_MAX;
        let end = wake.over(now.wall).filter(|_| wake.state == WakeState::Pending && !wake.is_in_doubt());
        if let Some((result, reason)) = end.filter(|_| !is_full) {
            // Claimed or not: the start of a process for it is refused from here on.
            orphans += 1;
            events.push(finished(wake, result, Some(reason)));
            effects.push(Effect::Unlease(wake.wake_id));
            continue;
        }
        match takeover::holder(facts, wake, command, now.wall) {
            Holder::Other => {
                busy.insert(wake.agent.clone());
                effects.extend(takeover::kept(facts, wake, command, now.wall));
            }
            Holder::Nobody if wake.state == WakeState::Pending => {
                effects.extend(facts.lease(wake.wake_id).and_then(over));
                ready.push(wake.clone());
            }
            // What may go on is looked for by nobody until people let agents go on.
            Holder::Nobody | Holder::Unknown if is_halted && takeover::may_go_on(wake) => {}
            Holder::Nobody | Holder::Unknown if is_full => drop(busy.insert(wake.agent.clone())),
            Holder::Nobody => {
                orphans += 1;
                ready.extend(takeover::release(facts, env, wake, now, events, effects)?);
            }
            Holder::Unknown => {
                orphans += 1;
                busy.insert(wake.agent.clone());
                effects.push(Effect::Unlease(wake.wake_id));
                takeover::unknown(facts, env, wake, now, events)?;
            }
        }
    }
    let is_later = |wake: &&Wake| wake.is_in_doubt() && !is_ready(wake, now.wall);
    busy.extend(ready.iter().filter(is_later).map(|wake| wake.agent.clone()));
    // What waits for an agent that runs takes nobody's place among those that are asked for, and is no storm.
    let is_free = |wake: &Wake| !busy.contains(&wake.agent) && !is_over(wake, events);
    ready.retain(|wake| is_ready(wake, now.wall) && (wake.is_in_doubt() || is_free(wake)));
    let mut here = Vec::with_capacity(ready.len());
    for wake in ready {
        if wake.is_in_doubt() || placed(facts, &wake, command, now.wall)? != Place::Elsewhere {
            here.push(wake);
        }
    }
    Ok(Found { ready: here, busy })
}

/// What a claim needs to know besides, now that the live wakes are there: what is lost, and what it may hand out.
pub(crate) fn claim_keys(facts: &Facts, command: &ClaimWakes, now: Timestamp) -> Keys {
    let mut keys = Keys::new();
    let mut ready = Vec::new();
    let mut busy = BTreeSet::new();
    for wake in facts.live_wakes().into_iter().flatten() {
        match takeover::holder(facts, wake, command, now) {
            Holder::Other => drop(busy.insert(&wake.agent)),
            Holder::Nobody if wake.state == WakeState::Pending => {
                let is_here = wake.is_in_doubt() || placed(facts, wake, command, now) != Ok(Place::Elsewhere);
                ready.extend(Some(wake.clone()).filter(|wake| is_ready(wake, now) && is_here));
            }
            Holder::Nobody | Holder::Unknown => {
                keys.insert(Key::ThreadWakes(wake.thread_id));
                keys.extend(known(wake));
            }
        }
    }
    ready.retain(|wake: &Wake| wake.is_in_doubt() || !busy.contains(&wake.agent));
    let asked = in_turn(facts, ready).asked;
    keys.extend(asked.iter().flat_map(known));
    // Those that nobody can run end here, and their threads with them.
    let declined = asked.iter().filter(|wake| !wake.declined_by.is_empty());
    keys.extend(declined.map(|wake| Key::ThreadWakes(wake.thread_id)));
    keys
}

/// What the guards, and the way in, need to know of a wake.
fn known(wake: &Wake) -> [Key; 3] {
    let agent = &wake.agent;
    [Key::Thread(wake.thread_id), Key::Agent(agent.clone()), Key::Sessions(agent.clone())]
}

/// Whether it was loaded. What another command of this batch has raised was not; the note of that command brings the
/// next claim.
fn is_known(facts: &Facts, wake: &Wake) -> bool {
    known(wake).iter().all(|key| facts.has(key))
}

/// To look whether it goes on begins nothing, so nothing but its time holds that back.
fn is_ready(wake: &Wake, now: Timestamp) -> bool {
    wake.due_at <= now && (wake.is_in_doubt() || (!wake.held && wake.over(now).is_none()))
}

/// Wakes that are due, as one claim takes them.
struct Due {
    /// Those that the guards are asked about, in this order.
    asked: Vec<Wake>,
    /// Those that are too many.
    surplus: Vec<Wake>,
}

/// Each agent's first, then each one's second, and few of one, so that however many of its wakes are due or put off,
/// others' come too. What may go on comes before everything: until somebody has looked, its agent is busy.
fn in_turn(facts: &Facts, mut ready: Vec<Wake>) -> Due {
    let is_full = entry::is_full(facts);
    ready.retain(|wake| !(is_full && wake.is_put_off_as_fallback()));
    let in_turn = |wake: &Wake| (!wake.is_in_doubt(), !wake.is_urgent, wake.due_at, wake.wake_id);
    ready.sort_by_key(in_turn);
    let mut of_agent: BTreeMap<AgentName, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Wake)> = Vec::with_capacity(ready.len());
    for wake in ready {
        let rank = of_agent.entry(wake.agent.clone()).or_default();
        ranked.push((*rank, wake));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, wake)| (!wake.is_in_doubt(), *rank, in_turn(wake)));
    let few = ranked.iter().take_while(|(rank, _)| *rank < CLAIM_ASKED_OF_AGENT_MAX).count();
    let mut asked: Vec<Wake> = ranked.into_iter().map(|(_, wake)| wake).collect();
    asked.truncate(few);
    // To look is no part of a storm.
    let looks = asked.iter().take_while(|wake| wake.is_in_doubt()).count();
    let mut others = asked.split_off(looks);
    let surplus = guard::surplus(&facts.policy, &mut others);
    asked.extend(others);
    asked.truncate(CLAIM_ASKED_MAX);
    Due { asked, surplus }
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

/// Whether it is handed out as far as places and guards are concerned, and what it means when it is not. What was begun is
/// looked for where it was, and asks no guard.
fn is_admitted(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    command: &ClaimWakes,
    now: &Now,
    (events, effects): (&mut Vec<Event>, &mut Vec<Effect>),
) -> Result<bool, Stop> {
    if wake.is_in_doubt() {
        return Ok(true);
    }
    if !is_placed(facts, env, wake, command, now, (events, effects))? {
        return Ok(false);
    }
    match guard::admit(facts, wake, now)? {
        Admission::Start => Ok(true),
        Admission::Defer { reason, due_at } => {
            events.push(deferred(wake, reason, due_at));
            Ok(false)
        }
    }
}

/// Whether the supervisor that claims runs the wake, and what it means when it cannot.
fn is_placed(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    command: &ClaimWakes,
    now: &Now,
    (events, effects): (&mut Vec<Event>, &mut Vec<Effect>),
) -> Result<bool, Stop> {
    match placed(facts, wake, command, now.wall)? {
        Place::Here => return Ok(true),
        Place::Elsewhere => {}
        Place::Declined(lack) => events.push(placement::declined(wake, &command.supervisor, lack)),
        Place::Nowhere => {
            effects.push(Effect::Unlease(wake.wake_id));
            takeover::nowhere(facts, env, wake, now, events)?;
        }
    }
    Ok(false)
}

fn placed(facts: &Facts, wake: &Wake, command: &ClaimWakes, now: Timestamp) -> Result<Place, Missing> {
    place(facts, wake, (&command.supervisor, &command.claimant), now)
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
        is_told_to_stop: false,
        urgent_seq: 0,
        until: now.wall.plus_ms(facts.policy.lease_ms),
    }
}

/// What a renewal needs to know besides: what else waits for the agents whose turns can be told of it.
pub(crate) fn renew_keys(facts: &Facts, command: &RenewWakes) -> Keys {
    let wakes = command.wakes.iter().filter_map(|(id, _)| facts.wake(*id).ok().flatten());
    wakes.filter(|wake| urgent::is_through_live(wake)).map(|wake| Key::ThreadWakes(wake.thread_id)).collect()
}

/// What the turn of a wake is to be told of.
fn told(facts: &Facts, wake: &Wake, lease: &Lease, now: Timestamp) -> Option<Urgent> {
    // Of a wake through another door the others were not loaded.
    let others = facts.thread_wakes(wake.thread_id).ok()?;
    let urgent = urgent::waiting(wake, lease, others, now)?.clone();
    Some(Urgent { running: wake.wake_id, wake: urgent })
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
            kept.push(Kept {
                wake_id: *wake_id,
                is_accepted: wake.ladder.accepted_at.is_some(),
                is_cancelled: wake.cancelled.is_some(),
                urgent: told(facts, wake, lease, now.wall),
            });
        }
    }
    Ok(Decision { events: Vec::new(), effects, reply: Reply::Renewed(kept), replayed: None })
}
