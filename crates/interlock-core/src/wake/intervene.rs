//! Rules of people who intervene: a wake is asked for again, or ended, for a reason in words.
//!
//! Which of two comes first, a person who ends a wake or the report that it is over, is decided by the order of the
//! ledger alone: a wake that is over is not ended again, and one that was ended is over as such, however its process ends.

use super::reaction::{finished, has_ended};
use super::{Chain, Lease, Outcome, Wake, WakeResult, WakeState};
use crate::command::{ClaimWakes, Envelope, InterveneWake};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts, Reply};
use crate::guard;
use crate::id::WakeId;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest};
use crate::thread::{Member, Status, Thread, may_lead, not_coordinator, within};
use crate::time::Now;

/// A wake that came to nothing is asked for again as a new one; one that waits for its time is due at once. Whoever is
/// woken in the thread already is not woken twice: the answer names that wake.
pub(crate) fn retry(
    facts: &Facts,
    env: &Envelope,
    command: &InterveneWake,
    now: &Now,
) -> Result<Decision, Stop> {
    let (wake, thread) = found(facts, env, command)?;
    let chain = guard::chain(facts, env, thread, now)?;
    match wake.state {
        WakeState::Running => Err(wrong_state(wake, "its process runs").into()),
        WakeState::Pending if wake.cancelled.is_some() => {
            Err(wrong_state(wake, "a person has ended it, and it is looked whether its turn still goes on")
                .hint("wake the agent anew with: interlock thread trigger")
                .into())
        }
        WakeState::Pending if is_asked(wake, chain.as_ref(), now) => Ok(unchanged(wake)),
        WakeState::Pending => Ok(Decision::of(vec![asked_again(env, command, wake, (None, chain), now)])),
        WakeState::Finished if !wake.result.is_some_and(WakeResult::may_be_retried) => {
            Err(wrong_state(wake, "it is over and did what it was for, or another covers it")
                .hint("wake the agent for what the thread holds now with: interlock thread trigger")
                .into())
        }
        WakeState::Finished => again(facts, env, command, (wake, thread, chain), now),
    }
}

/// Whether a wake that waits is asked for already as it would be now: it is due, and not for agents' words alone when
/// somebody else asks.
fn is_asked(wake: &Wake, chain: Option<&Chain>, now: &Now) -> bool {
    wake.due_at <= now.wall && (chain.is_some() || !wake.is_by_agents_alone())
}

/// The wake of the agent in that thread that takes the place of one that is over.
fn again(
    facts: &Facts,
    env: &Envelope,
    command: &InterveneWake,
    (former, thread, chain): (&Wake, &Thread, Option<Chain>),
    now: &Now,
) -> Result<Decision, Stop> {
    let member = reachable(thread, former)?;
    let covers = |wake: &&Wake| wake.agent == former.agent && wake.covers_more();
    let mut live = facts.thread_wakes(thread.thread_id)?.filter(covers);
    if let Some(wake) = live.next() {
        if wake.state == WakeState::Running || is_asked(wake, chain.as_ref(), now) {
            return Ok(unchanged(wake));
        }
        let event = asked_again(env, command, wake, (Some(former.wake_id), chain), now);
        return Ok(Decision::of(vec![event]));
    }
    let (thread_id, agent) = (thread.thread_id, former.agent.clone());
    let wake_id = WakeId::derive(now.wall, &env.entropy, 0);
    let fresh = Wake { wake_id, ..former.clone() };
    let mut events = vec![
        Event::WakeRequested {
            wake_id,
            thread_id,
            agent: agent.clone(),
            seq: thread.seq,
            cause: env.actor.name.clone(),
            due_at: now.wall,
            held: thread.holds_back(&agent, chain.as_ref()),
            expires_at: None,
            is_urgent: former.is_urgent,
            is_standing: true,
            on: member.on.clone(),
            chain: chain.clone(),
        },
        asked_again(env, command, &fresh, (Some(former.wake_id), chain.clone()), now),
    ];
    if member.cursor >= thread.seq {
        // Nothing is left to acknowledge, so no acknowledgement can come.
        events.push(Event::WakeSeen { wake_id, thread_id, agent });
    }
    guard::on_trigger(facts, env, thread, chain.as_ref(), now, &mut events)?;
    Ok(Decision { reply: Reply::Wake(wake_id), ..Decision::of(events) })
}

/// A wake ends: at once while it waits, and when its process is gone while it runs. Whether a turn goes on that nobody
/// follows is looked at first.
pub(crate) fn cancel(facts: &Facts, env: &Envelope, command: &InterveneWake) -> Result<Decision, Stop> {
    let (wake, _) = found(facts, env, command)?;
    if wake.state == WakeState::Finished {
        return Err(wrong_state(wake, "it is over").into());
    }
    if wake.cancelled.is_some() {
        return Ok(unchanged(wake));
    }
    let (wake_id, text_salt) = (wake.wake_id, Salt::derive(&env.entropy, 0));
    let mut events = vec![Event::WakeCancelRequested {
        wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        by: env.actor.name.clone(),
        text_digest: digest(&text_salt, &[command.text.as_bytes()]),
        text: command.text.clone(),
        text_salt,
    }];
    let mut effects = Vec::new();
    if wake.state == WakeState::Pending && !wake.is_in_doubt() {
        // Claimed or not: the start of a process for it is refused from here on.
        events.push(cancelled(wake, None));
        effects.push(Effect::Unlease(wake_id));
    }
    Ok(Decision { effects, ..Decision::of(events) })
}

/// A wake that a person had ended is over: nothing of it runs.
pub(super) fn over(wake: &Wake, exit_code: Option<i32>) -> Decision {
    let effects = vec![Effect::Unlease(wake.wake_id)];
    Decision { effects, ..Decision::of(vec![cancelled(wake, exit_code)]) }
}

/// What the end of a process means for a wake that a person had ended before; nothing for others, nor where nobody saw
/// that end.
pub(super) fn ended(wake: &Wake, outcome: Outcome) -> Option<Decision> {
    wake.cancelled.as_ref().filter(|_| wake.state == WakeState::Running && outcome != Outcome::InDoubt)?;
    let exit_code = if let Outcome::Exited { code } = outcome { Some(code) } else { None };
    Some(over(wake, exit_code))
}

/// The wakes of this life of a supervisor whose processes are to be stopped, each told by one answer. Should that be
/// lost, the next renewal says it.
pub(super) fn to_stop(
    facts: &Facts,
    command: &ClaimWakes,
    events: &[Event],
    effects: &mut Vec<Effect>,
) -> Result<Vec<WakeId>, Stop> {
    let mut stop = Vec::new();
    let is_meant = |wake: &&Wake| wake.cancelled.is_some() && !has_ended(wake, events);
    for wake in facts.live_wakes()?.filter(is_meant) {
        let holds = |lease: &&Lease| {
            lease.supervisor == command.supervisor
                && lease.incarnation == command.incarnation
                && !lease.is_over()
                && !lease.is_told_to_stop
        };
        if let Some(lease) = facts.lease(wake.wake_id).filter(holds) {
            effects.push(Effect::Lease(Lease { is_told_to_stop: true, ..lease.clone() }));
            stop.push(wake.wake_id);
        }
    }
    Ok(stop)
}

/// The wake with its thread, when this actor may intervene, for this reason.
fn found<'a>(
    facts: &'a Facts,
    env: &Envelope,
    command: &InterveneWake,
) -> Result<(&'a Wake, &'a Thread), Stop> {
    let not_found = || {
        let detail = format!("there is no wake `{}` for you", command.wake_id);
        Refusal::new(Reason::WakeNotFound, detail).hint("list wakes with: interlock wake list")
    };
    let wake = facts.wake(command.wake_id)?.ok_or_else(not_found)?;
    let thread = facts.thread(wake.thread_id)?.ok_or_else(not_found)?;
    if !thread.members.contains_key(&env.actor.name) && !env.actor.role.sees_all_threads() {
        return Err(not_found().into());
    }
    if !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    given(&command.text)?;
    Ok((wake, thread))
}

/// Whoever intervenes says why.
pub(crate) fn given(text: &str) -> Result<(), Refusal> {
    within("the reason", text, REASON_BYTES_MAX)?;
    if text.trim().is_empty() {
        return Err(Refusal::new(Reason::ParameterInvalid, "the reason in words is missing")
            .hint("say in `text` why; it stands in the ledger"));
    }
    Ok(())
}

/// The participant, when a wake in the thread can reach it.
fn reachable<'a>(thread: &'a Thread, wake: &Wake) -> Result<&'a Member, Refusal> {
    if !matches!(thread.status, Status::Active | Status::Blocked) {
        let detail = format!("the thread is {}: nobody is woken in it", thread.status);
        return Err(Refusal::new(Reason::ThreadWrongStatus, detail).hint("make it active first"));
    }
    let Some(member) = thread.members.get(&wake.agent) else {
        let detail = format!("`{}` takes no part in the thread any more", wake.agent);
        return Err(Refusal::new(Reason::ParticipantMissing, detail).hint("let it take part again first"));
    };
    if !member.managed {
        let detail = format!("`{}` is run by nobody here, so nobody can wake it", wake.agent);
        return Err(Refusal::new(Reason::RuntimeUnmanaged, detail)
            .hint("post a message: it is read when its reader looks"));
    }
    Ok(member)
}

fn asked_again(
    env: &Envelope,
    command: &InterveneWake,
    wake: &Wake,
    (former, chain): (Option<WakeId>, Option<Chain>),
    now: &Now,
) -> Event {
    let text_salt = Salt::derive(&env.entropy, 0);
    Event::WakeRetryRequested {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        former,
        due_at: now.wall,
        chain,
        by: env.actor.name.clone(),
        text_digest: digest(&text_salt, &[command.text.as_bytes()]),
        text: command.text.clone(),
        text_salt,
    }
}

fn cancelled(wake: &Wake, exit_code: Option<i32>) -> Event {
    let mut event = finished(wake, WakeResult::Cancelled, Some(Reason::WakeCancelled));
    if let Event::WakeFinished { exit_code: code, .. } = &mut event {
        *code = exit_code;
    }
    event
}

fn unchanged(wake: &Wake) -> Decision {
    Decision { reply: Reply::Wake(wake.wake_id), ..Decision::unchanged() }
}

fn wrong_state(wake: &Wake, why: &str) -> Refusal {
    let stands = wake.result.map_or_else(|| wake.state.as_str(), WakeResult::as_str);
    Refusal::new(Reason::WakeWrongState, format!("`{}` is {stands}: {why}", wake.wake_id))
}

impl WakeResult {
    /// Whether a wake that ended so came to nothing, so that a person may ask for it again.
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::Failed | Self::Expired | Self::Cancelled | Self::Unknown)
    }
}
