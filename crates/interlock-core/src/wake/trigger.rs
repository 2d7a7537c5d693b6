//! The rule of waking somebody on request, without a message.

use super::WakeState;
use crate::command::{Envelope, TriggerParticipant};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts, Reply};
use crate::guard;
use crate::id::WakeId;
use crate::reason::{Reason, Refusal};
use crate::thread::{Status, visible};
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
    let live = facts.thread_wakes(thread_id)?.filter(|wake| wake.agent == *agent);
    let chain = guard::chain(facts, env, thread, now)?;
    // The running one first: it is the one that answers soonest.
    if let Some(wake) = live.max_by_key(|wake| wake.state == WakeState::Running) {
        let is_freed = chain.is_none() && wake.reason.is_some_and(guard::is_for_agents_alone);
        if wake.state == WakeState::Pending && (is_freed || wake.over(now.wall).is_some()) {
            // Nothing that asked for it counts any more, or it was put off as what agents asked for; now somebody else
            // does.
            let events = vec![Event::WakeJoined {
                wake_id: wake.wake_id,
                thread_id,
                seq: wake.seq,
                expires_at: None,
                is_urgent: false,
                is_standing: true,
                forgotten: None,
                chain,
            }];
            return Ok(Decision { reply: Reply::Wake(wake.wake_id), ..Decision::of(events) });
        }
        return Ok(Decision { reply: Reply::Wake(wake.wake_id), ..Decision::unchanged() });
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
    Ok(Decision { reply: Reply::Wake(wake_id), ..Decision::of(events) })
}
