//! The rule of waking somebody on request, without a message.

use super::{Chain, Wake, WakeState};
use crate::actor::Role;
use crate::command::{Envelope, TriggerParticipant};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts, Reply};
use crate::guard;
use crate::id::WakeId;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::thread::{Said, Status, Thread, event_type, said, visible, within};
use crate::time::Now;

/// A participant is woken for what the thread holds now, also when it has read all of it. One that waits to be woken, or
/// runs already, is not woken twice: the answer names that wake.
pub(crate) fn trigger(
    facts: &Facts,
    env: &Envelope,
    command: &TriggerParticipant,
    now: &Now,
) -> Result<Decision, Stop> {
    let (thread_id, agent) = (command.thread_id, &command.agent);
    let thread = visible(facts, env, thread_id)?;
    if thread.status != Status::Active {
        let detail = format!("the thread is {}: nobody is woken in it", thread.status);
        return Err(Refusal::new(Reason::ThreadWrongStatus, detail).hint("make it active first").into());
    }
    let Some(member) = thread.members.get(agent) else {
        let detail = format!("`{agent}` takes no part in the thread");
        return Err(Refusal::new(Reason::ParticipantMissing, detail).into());
    };
    if !member.managed {
        let detail =
            format!("`{agent}` is run by nobody here, so nothing can wake it: a fallback is required");
        return Err(Refusal::new(Reason::RuntimeUnmanaged, detail)
            .hint(
                "post a message: it is read when its reader looks; to have it woken, register an agent with a runtime \
                 (interlock agent add) and add it to the thread",
            )
            .into());
    }
    if let Some(text) = &command.override_reason {
        may_override(env, text)?;
    }
    let live = facts.thread_wakes(thread_id)?.filter(|wake| wake.agent == *agent && wake.covers_more());
    let chain = guard::chain(facts, env, thread, now)?;
    // The running one first: it is the one that answers soonest.
    if let Some(wake) = live.max_by_key(|wake| wake.state == WakeState::Running) {
        let events = joining(env, command, (thread, wake), chain, now);
        return Ok(Decision { reply: Reply::Wake(wake.wake_id), ..Decision::of(events) });
    }
    let wake_id = WakeId::derive(now.wall, &env.entropy, 0);
    let mut events = vec![Event::WakeRequested {
        wake_id,
        thread_id,
        agent: agent.clone(),
        seq: thread.seq,
        cause: env.actor.name.clone(),
        due_at: now.wall,
        held: false,
        expires_at: None,
        is_urgent: false,
        is_standing: true,
        on: member.on.clone(),
        chain: chain.clone(),
    }];
    if member.cursor >= thread.seq {
        // Nothing is left to acknowledge, so no acknowledgement can come.
        events.push(Event::WakeSeen { wake_id, thread_id, agent: agent.clone() });
    }
    guard::on_trigger(facts, env, thread, chain.as_ref(), now, &mut events)?;
    overriding(env, command, thread, wake_id, now, &mut events);
    Ok(Decision { reply: Reply::Wake(wake_id), ..Decision::of(events) })
}

/// What asking again makes of a wake that is there.
fn joining(
    env: &Envelope,
    command: &TriggerParticipant,
    (thread, wake): (&Thread, &Wake),
    chain: Option<Chain>,
    now: &Now,
) -> Vec<Event> {
    let mut events = Vec::new();
    let is_freed = chain.is_none() && wake.reason.is_some_and(guard::is_for_agents_alone);
    if wake.state == WakeState::Pending && (is_freed || wake.over(now.wall).is_some()) {
        // Nothing that asked for it counts any more, or it was put off as what agents asked for; now somebody else does.
        events.push(Event::WakeJoined {
            wake_id: wake.wake_id,
            thread_id: thread.thread_id,
            seq: wake.seq,
            expires_at: None,
            is_urgent: false,
            is_standing: true,
            forgotten: None,
            due_at: None,
            chain,
        });
    }
    // Each reason is read by everybody and stays in the ledger, whatever it changes.
    overriding(env, command, thread, wake.wake_id, now, &mut events);
    events
}

/// Entering a session in which a person is at work is an operator's decision, and has a reason.
fn may_override(env: &Envelope, text: &str) -> Result<(), Refusal> {
    if !matches!(env.actor.role, Role::Operator | Role::Admin) {
        let detail =
            format!("the role `{}` cannot have a session entered that a person uses", env.actor.role);
        return Err(Refusal::new(Reason::RoleMissing, detail).hint("ask an operator, or wait"));
    }
    within("the reason", text, REASON_BYTES_MAX)?;
    if text.trim().is_empty() {
        return Err(Refusal::new(Reason::ParameterInvalid, "a person is interrupted for a reason in words")
            .hint("say in `override_reason` why it cannot wait"));
    }
    Ok(())
}

/// The wake is due now, whoever is at work; everybody in the thread is told why. What runs goes on, and needs no second
/// word should its attempt come to nothing.
fn overriding(
    env: &Envelope,
    command: &TriggerParticipant,
    thread: &Thread,
    wake_id: WakeId,
    now: &Now,
    events: &mut Vec<Event>,
) {
    let Some(text) = &command.override_reason else { return };
    // A guard may have had something to say before.
    let before = events.iter().filter(|event| matches!(event, Event::MessagePosted { .. })).count();
    let number = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
    let seq = thread.seq + u64::from(number);
    let (thread_id, agent) = (thread.thread_id, command.agent.clone());
    let data = serde_json::json!({"wake_id": wake_id, "agent": agent}).to_string();
    let event_type = event_type::WAKE_OVERRIDDEN;
    let why = Said { event_type, to: Vec::new(), body: text, data, seq, number };
    let (by, message_id) = (env.actor.name.clone(), why.message_id(env, now));
    events.push(Event::WakeOverridden { wake_id, thread_id, agent, by, message_id, due_at: now.wall });
    events.push(said(env, thread_id, why, now));
}
