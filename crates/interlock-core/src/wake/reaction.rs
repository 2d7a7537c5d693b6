//! What posts, acknowledgements and the end of a thread do to wakes, in the same entry.

use std::collections::BTreeSet;

use super::{Ask, AsksKey, Chain, Evidence, Forgotten, Wake, WakeResult, WakeState};
use crate::actor::AgentName;
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Effect, Facts, Key};
use crate::id::{MessageId, ThreadId, WakeId};
use crate::reason::Reason;
use crate::thread::{MessageHead, Thread};
use crate::time::Now;

/// The first number of the wakes that escalations raise, among those that one envelope makes.
const ESCALATIONS_FROM: u32 = 1 << 16;

/// A message wakes its managed addressees: one pending wake per agent and thread, which later messages join.
pub(crate) fn on_post(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (ask, is_urgent, chain): (Ask, bool, Option<Chain>),
    asked: &BTreeSet<&AgentName>,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let thread_id = thread.thread_id;
    let wakes: Vec<&Wake> = facts.thread_wakes(thread_id)?.collect();
    if let Some(wake) =
        wakes.iter().find(|w| Some(w.wake_id) == env.actor.wake_id && w.ladder.acted_at.is_none())
    {
        events.push(Event::WakeActed { wake_id: wake.wake_id, thread_id, agent: wake.agent.clone() });
    }
    let managed = thread.members.iter().filter(|(name, member)| member.managed && asked.contains(name));
    for (n, (agent, member)) in (0_u32..).zip(managed) {
        let pending = wakes.iter().find(|wake| wake.agent == *agent && wake.is_joinable());
        events.push(match pending {
            // A wake that was started before and waits for its next attempt covers the new message too.
            Some(wake) => joined_now(wake, &ask, is_urgent, chain.clone(), now),
            None => Event::WakeRequested {
                wake_id: WakeId::derive(now.wall, &env.entropy, n),
                thread_id,
                agent: agent.clone(),
                seq: ask.seq,
                cause: env.actor.name.clone(),
                // The wall clock's, not the entry's: the hybrid clock only orders.
                due_at: now.wall,
                held: thread.holds_back(agent, chain.as_ref()),
                expires_at: ask.expires_at,
                is_urgent,
                is_standing: false,
                on: member.on.clone(),
                chain: chain.clone(),
            },
        });
    }
    Ok(())
}

/// Whoever must act in a thread is woken for the message with this `seq` that says so, where a supervisor can.
pub(crate) fn on_escalation(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (owner, seq, chain): (&AgentName, u64, Option<Chain>),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let Some(member) = thread.members.get(owner).filter(|member| member.managed) else { return Ok(()) };
    // One that agents led to goes on with their chain, so that it has an end also where nobody but agents must act.
    let chain = chain.map(|chain| Chain { is_escalation: true, ..chain });
    let is_too_long = |chain: &Chain| chain.hops > facts.policy.causal_hops_max.saturating_add(1);
    if thread.is_held_for(owner) || chain.as_ref().is_some_and(is_too_long) {
        return Ok(());
    }
    let thread_id = thread.thread_id;
    let waits = |wake: &&Wake| wake.agent == *owner && wake.is_joinable() && !has_ended(wake, events);
    let pending = facts.thread_wakes(thread_id)?.find(waits);
    let ask = Ask { seq, expires_at: None, is_withdrawn: false };
    let raised = events.iter().find_map(|event| match event {
        Event::WakeRequested { wake_id, thread_id: of, agent, .. } if *of == thread_id && agent == owner => {
            Some(*wake_id)
        }
        _ => None,
    });
    let event = match (pending, raised) {
        (Some(wake), _) => joined_now(wake, &ask, false, chain, now),
        (None, Some(wake_id)) => joined(wake_id, thread_id, &ask, false, chain),
        (None, None) => Event::WakeRequested {
            // Far from the numbers that a post's own addressees have; one entry may escalate several threads.
            wake_id: WakeId::derive(now.wall, &env.entropy, ESCALATIONS_FROM.saturating_add(count(events))),
            thread_id,
            agent: owner.clone(),
            seq,
            cause: env.actor.name.clone(),
            due_at: now.wall,
            held: false,
            expires_at: None,
            is_urgent: false,
            is_standing: false,
            on: member.on.clone(),
            chain,
        },
    };
    events.push(event);
    Ok(())
}

fn count(events: &[Event]) -> u32 {
    u32::try_from(events.len()).unwrap_or(u32::MAX)
}

/// A message that an earlier wake covers too.
const fn joined(
    wake_id: WakeId,
    thread_id: ThreadId,
    ask: &Ask,
    is_urgent: bool,
    chain: Option<Chain>,
) -> Event {
    Event::WakeJoined {
        wake_id,
        thread_id,
        seq: ask.seq,
        expires_at: ask.expires_at,
        is_urgent,
        is_standing: false,
        forgotten: None,
        chain,
        due_at: None,
    }
}

/// The same for one that waits. What its session was told of is one thing, this message is another: it is due at once.
fn joined_now(wake: &Wake, ask: &Ask, is_urgent: bool, chain: Option<Chain>, now: &Now) -> Event {
    let mut event = joined(wake.wake_id, wake.thread_id, ask, is_urgent, chain);
    if let Event::WakeJoined { due_at, .. } = &mut event {
        *due_at = wake.is_told().then_some(now.wall);
    }
    event
}

/// Nobody is woken for what was taken back; a process that runs may finish, and what asks for the same wake besides
/// keeps it.
pub(crate) fn on_withdrawal(
    facts: &Facts,
    thread: &Thread,
    head: &MessageHead,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let mut effects = Vec::new();
    for wake in facts.thread_wakes(thread.thread_id)? {
        let mut after = wake.clone();
        // What this very entry has added comes first, as it does when its events are applied.
        events.iter().filter_map(|event| joins(event, wake.wake_id)).for_each(|ask| after.ask(ask));
        after.asks.iter_mut().filter(|ask| ask.seq == head.seq).for_each(|ask| ask.is_withdrawn = true);
        let left = left(facts, thread, wake, head, events)?;
        if left != after.forgotten {
            let (wake_id, thread_id) = (wake.wake_id, thread.thread_id);
            events.push(Event::WakeRecounted { wake_id, thread_id, forgotten: left });
            after.forgotten = left;
        }
        if wake.state == WakeState::Pending
            && !wake.is_in_doubt()
            && let Some(end) = after.over(now.wall)
        {
            events.push(finished(wake, end.0, Some(end.1)));
            effects.push(Effect::Unlease(wake.wake_id));
        }
    }
    Ok(effects)
}

/// The message that an event adds to this wake.
fn joins(event: &Event, wake: WakeId) -> Option<Ask> {
    match event {
        Event::WakeJoined { wake_id, seq, expires_at, is_standing: false, forgotten: None, .. }
            if *wake_id == wake =>
        {
            Some(Ask { seq: *seq, expires_at: *expires_at, is_withdrawn: false })
        }
        _ => None,
    }
}

/// What is left of the messages that a wake does not remember one by one when this one is taken back: counted anew when
/// it may be the one that ends last, and with what this very entry makes the wake forget.
fn left(
    facts: &Facts,
    thread: &Thread,
    wake: &Wake,
    head: &MessageHead,
    events: &[Event],
) -> Result<Option<Forgotten>, Stop> {
    let counted = match (wake.forgotten, asks_key(thread, wake, head)) {
        (Some(gone), Some(key)) => {
            let last = facts.asks(&key)?.iter().find(|ask| ask.seq != head.seq);
            last.map(|ask| Forgotten { until: ask.expires_at, ..gone })
        }
        (gone, _) => gone,
    };
    let mut fresh = Wake { forgotten: None, ..wake.clone() };
    events.iter().filter_map(|event| joins(event, wake.wake_id)).for_each(|ask| fresh.ask(ask));
    let anew = fresh.forgotten.filter(|gone| !gone.has(head.seq));
    Ok(match (counted, anew) {
        (Some(counted), Some(anew)) => Some(counted.and(anew)),
        (counted, anew) => counted.or(anew),
    })
}

/// What has to be counted when a message is taken back that may end last among those that a wake does not remember one
/// by one.
fn asks_key(thread: &Thread, wake: &Wake, head: &MessageHead) -> Option<AsksKey> {
    let gone = wake.forgotten.filter(|gone| gone.has(head.seq) && gone.until == head.expires_at)?;
    Some(AsksKey {
        thread_id: thread.thread_id,
        agent: wake.agent.clone(),
        role: thread.members.get(&wake.agent)?.role,
        from_seq: gone.from_seq,
        to_seq: gone.to_seq,
    })
}

/// What taking a message back needs to know besides, now that the first facts are there.
pub(crate) fn withdrawal_keys(facts: &Facts, thread_id: ThreadId, message_id: MessageId) -> Vec<Key> {
    let (Ok(Some(thread)), Ok(Some(known)), Ok(wakes)) =
        (facts.thread(thread_id), facts.message(thread_id, message_id), facts.thread_wakes(thread_id))
    else {
        return Vec::new();
    };
    wakes.filter_map(|wake| asks_key(thread, wake, &known.head)).map(Key::Asks).collect()
}

/// An acknowledgement that passes a wake's `seq` is the proof that it was seen; one that waits is then not needed.
pub(crate) fn on_ack(
    facts: &Facts,
    env: &Envelope,
    thread_id: ThreadId,
    seq: u64,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let mut effects = Vec::new();
    for wake in facts.thread_wakes(thread_id)?.filter(|wake| wake.agent == env.actor.name && wake.seq <= seq)
    {
        let (wake_id, agent) = (wake.wake_id, wake.agent.clone());
        match wake.state {
            // A process that a supervisor is about to start for it would find nothing to do. With the wake's own
            // token it is that process which reads, before the report that it was started.
            WakeState::Pending
                if (wake.attempts == 0 || wake.is_told())
                    && !wake.is_in_doubt()
                    && env.actor.wake_id != Some(wake_id) =>
            {
                if wake.ladder.told_at.is_some() {
                    // Now it is known that the session heard.
                    let (agent, evidence) = (agent.clone(), Evidence::Hook);
                    events.push(Event::WakeAccepted { wake_id, thread_id, agent, evidence });
                }
                events.push(Event::WakeFinished {
                    wake_id,
                    thread_id,
                    agent,
                    result: WakeResult::AlreadyActive,
                    reason: Some(Reason::AlreadySeen),
                    exit_code: None,
                });
                effects.push(Effect::Unlease(wake_id));
            }
            WakeState::Pending | WakeState::Running if wake.ladder.seen_at.is_none() => {
                events.push(Event::WakeSeen { wake_id, thread_id, agent });
            }
            WakeState::Running | WakeState::Pending | WakeState::Finished => {}
        }
    }
    Ok(effects)
}

/// A wake waits for another attempt. In a thread that has ended it does not, and it takes in the one that was raised
/// while it ran: an agent has one pending wake in a thread. Says up to which `seq` it is for and by which chain, when it
/// waits.
pub(crate) fn on_wait_again(
    facts: &Facts,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<Option<(u64, Option<Chain>)>, Stop> {
    if facts.thread(wake.thread_id)?.is_some_and(|thread| !thread.status.takes_messages()) {
        effects.push(Effect::Unlease(wake.wake_id));
        events.push(superseded(wake, Some(Reason::ThreadEnded)));
        return Ok(None);
    }
    if !takes_part(facts, wake)? {
        effects.push(Effect::Unlease(wake.wake_id));
        events.push(superseded(wake, Some(Reason::ParticipantRemoved)));
        return Ok(None);
    }
    let behind = take_behind(facts, wake, now, events, effects)?;
    if let Some(end) = wake.over(now.wall).filter(|_| !behind.is_wanted) {
        effects.push(Effect::Unlease(wake.wake_id));
        events.push(finished(wake, end.0, Some(end.1)));
        return Ok(None);
    }
    Ok(Some((behind.seq, behind.chain)))
}

/// What a wake is for, with all that was asked of its agent while it ran.
pub(super) struct Behind {
    /// Up to which `seq`.
    pub(super) seq: u64,
    /// By which chain.
    pub(super) chain: Option<Chain>,
    /// Whether anything of it still counts.
    is_wanted: bool,
}

/// It takes in the wakes that were raised behind it.
pub(super) fn take_behind(
    facts: &Facts,
    wake: &Wake,
    now: &Now,
    events: &mut Vec<Event>,
    effects: &mut Vec<Effect>,
) -> Result<Behind, Stop> {
    let is_wanted = wake.over(now.wall).is_none();
    let mut all = Behind { seq: wake.seq, chain: wake.chain.clone(), is_wanted };
    // One that this very entry has ended already is not ended twice, and one that may go on is not ended at all.
    let is_later = |other: &&Wake| {
        other.agent == wake.agent
            && other.wake_id != wake.wake_id
            && !other.is_in_doubt()
            && !has_ended(other, events)
    };
    let behind: Vec<&Wake> = facts.thread_wakes(wake.thread_id)?.filter(is_later).collect();
    for later in behind {
        if let Some(end) = later.over(now.wall) {
            events.push(finished(later, end.0, Some(end.1)));
        } else {
            all.is_wanted = true;
            all.seq = all.seq.max(later.seq);
            all.chain = Chain::joined(all.chain, later.chain.clone());
            take_in(wake, later, events);
            events.push(superseded(later, None));
        }
        effects.push(Effect::Unlease(later.wake_id));
    }
    Ok(all)
}

/// Everything that asked for a later wake asks for this one.
fn take_in(wake: &Wake, later: &Wake, events: &mut Vec<Event>) {
    // Without names: an entry has a largest size, and the messages may be many.
    let chain = later.chain.clone().map(|chain| Chain { via: Vec::new(), ..chain });
    let live = later.asks.iter().filter(|ask| !ask.is_withdrawn);
    events.extend(live.map(|ask| joined(wake.wake_id, wake.thread_id, ask, later.is_urgent, chain.clone())));
    if let Some(gone) = later.forgotten {
        let ask = Ask { seq: gone.to_seq, expires_at: gone.until, is_withdrawn: false };
        let mut event = joined(wake.wake_id, wake.thread_id, &ask, later.is_urgent, chain.clone());
        if let Event::WakeJoined { forgotten, .. } = &mut event {
            *forgotten = Some(gone);
        }
        events.push(event);
    }
    if later.is_standing || later.asks.is_empty() {
        events.push(Event::WakeJoined {
            wake_id: wake.wake_id,
            thread_id: wake.thread_id,
            seq: later.seq,
            expires_at: None,
            is_urgent: later.is_urgent,
            is_standing: true,
            forgotten: None,
            chain,
            due_at: None,
        });
    }
}

/// Whether the agent of this wake still takes part in its thread.
pub(super) fn takes_part(facts: &Facts, wake: &Wake) -> Result<bool, Stop> {
    Ok(facts.thread(wake.thread_id)?.is_some_and(|thread| thread.members.contains_key(&wake.agent)))
}

/// Nobody wakes somebody who takes no part any more; a process that runs, or a turn that may go on, may finish.
pub(crate) fn on_removal(
    facts: &Facts,
    thread_id: ThreadId,
    agent: &AgentName,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let mut effects = Vec::new();
    let waits =
        |wake: &&Wake| wake.agent == *agent && wake.state == WakeState::Pending && !wake.is_in_doubt();
    for wake in facts.thread_wakes(thread_id)?.filter(waits) {
        events.push(superseded(wake, Some(Reason::ParticipantRemoved)));
        effects.push(Effect::Unlease(wake.wake_id));
    }
    Ok(effects)
}

fn superseded(wake: &Wake, reason: Option<Reason>) -> Event {
    finished(wake, WakeResult::Superseded, reason)
}

/// Whether these events end the wake.
pub(super) fn has_ended(wake: &Wake, events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::WakeFinished { wake_id, .. } if *wake_id == wake.wake_id))
}

/// The end of a wake for which no process ran to its end.
pub(super) fn finished(wake: &Wake, result: WakeResult, reason: Option<Reason>) -> Event {
    Event::WakeFinished {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        result,
        reason,
        exit_code: None,
    }
}

/// A thread goes on: who could not be woken before is woken for what it has not read since, once.
pub(crate) fn on_thread_active(
    facts: &Facts,
    env: &Envelope,
    (thread, chain): (&Thread, Option<&Chain>),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let thread_id = thread.thread_id;
    for (n, (agent, member)) in (0_u32..).zip(&thread.members) {
        let Some(owed) = member.owed.filter(|owed| owed.until.is_none_or(|until| until > now.wall)) else {
            continue;
        };
        let covers = |wake: &&Wake| wake.agent == *agent && wake.covers_more();
        let live: Vec<&Wake> = facts.thread_wakes(thread_id)?.filter(covers).collect();
        // One whose process runs covers what is unread.
        if !member.managed || live.iter().any(|wake| wake.state == WakeState::Running) {
            continue;
        }
        // One that waits may be over before: it is for this too.
        if let Some(wake) = live.first() {
            let ask = Ask { seq: owed.seq, expires_at: owed.until, is_withdrawn: false };
            events.push(joined_now(wake, &ask, false, chain.cloned(), now));
            continue;
        }
        events.push(Event::WakeRequested {
            wake_id: WakeId::derive(now.wall, &env.entropy, n),
            thread_id,
            agent: agent.clone(),
            seq: owed.seq,
            cause: env.actor.name.clone(),
            due_at: now.wall,
            held: false,
            expires_at: owed.until,
            is_urgent: false,
            is_standing: owed.until.is_none(),
            on: member.on.clone(),
            chain: chain.cloned(),
        });
    }
    Ok(())
}

/// Nobody is woken for a thread that has ended; processes that run, and turns that may go on, may finish.
pub(crate) fn on_thread_end(
    facts: &Facts,
    thread_id: ThreadId,
    events: &mut Vec<Event>,
) -> Result<Vec<Effect>, Stop> {
    let mut effects = Vec::new();
    let waits = |wake: &&Wake| wake.state == WakeState::Pending && !wake.is_in_doubt();
    for wake in facts.thread_wakes(thread_id)?.filter(waits) {
        events.push(superseded(wake, Some(Reason::ThreadEnded)));
        effects.push(Effect::Unlease(wake.wake_id));
    }
    Ok(effects)
}
