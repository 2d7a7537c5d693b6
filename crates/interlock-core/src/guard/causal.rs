//! Chains of agents' wakes: who is woken by whom, over any number of agents and threads.

use crate::agent::Agent;
use crate::command::Envelope;
use crate::decide::Stop;
use crate::facts::{Corrupt, Facts, Key};
use crate::id::{ThreadId, WakeId};
use crate::limits::CHAIN_NAMES_MAX;
use crate::thread::Thread;
use crate::time::{Now, Timestamp};
use crate::wake::Chain;

/// What has to be known of whoever asks for a wake.
pub(crate) fn chain_keys(env: &Envelope) -> impl Iterator<Item = Key> {
    env.actor.wake_id.map(Key::Wake).into_iter()
}

/// The chain that goes on with what this actor says in the thread; nothing for a person, and for a program that no
/// supervisor runs: with them another begins.
pub(crate) fn chain(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    now: &Now,
) -> Result<Option<Chain>, Stop> {
    let run = match env.actor.wake_id {
        Some(wake_id) => facts.wake(wake_id)?,
        None => None,
    };
    if !is_agent(facts, env, thread)? {
        return Ok(None);
    }
    let before = run.filter(|wake| wake.agent == env.actor.name).and_then(|wake| wake.chain.as_ref());
    let goes_on = before.filter(|chain| thread.guard.progress_at.is_none_or(|at| at <= chain.since));
    let mut chain = goes_on.cloned().unwrap_or_else(|| Chain::from(now.at.at));
    chain.hops = chain.hops.saturating_add(1);
    chain.is_escalation = false;
    chain.via.push(env.actor.name.clone());
    if chain.via.len() > CHAIN_NAMES_MAX {
        chain.via.remove(0);
    }
    Ok(Some(chain))
}

/// Whether an agent acts here: in the run of a wake, or under the name of somebody whom a supervisor runs.
fn is_agent(facts: &Facts, env: &Envelope, thread: &Thread) -> Result<bool, Stop> {
    Ok(env.actor.wake_id.is_some() || is_managed(facts, env, thread)?)
}

/// The same of what is done to no thread.
pub(crate) fn is_agent_anywhere(facts: &Facts, env: &Envelope) -> Result<bool, Stop> {
    Ok(env.actor.wake_id.is_some() || facts.agent(&env.actor.name)?.is_some_and(Agent::is_managed))
}

fn is_managed(facts: &Facts, env: &Envelope, thread: &Thread) -> Result<bool, Stop> {
    match thread.members.get(&env.actor.name) {
        Some(member) => Ok(member.managed),
        None => Ok(facts.agent(&env.actor.name)?.is_some_and(Agent::is_managed)),
    }
}

/// A thread got on: the chains of its wakes begin anew.
pub(super) fn restart(facts: &mut Facts, thread_id: ThreadId, at: Timestamp) -> Result<(), Corrupt> {
    let chained: Vec<WakeId> = facts
        .thread_wakes(thread_id)?
        .filter(|wake| wake.chain.as_ref().is_some_and(|chain| chain.hops > 1))
        .map(|wake| wake.wake_id)
        .collect();
    for wake_id in chained {
        if let Some(chain) = &mut facts.wake_mut(wake_id)?.chain {
            let via = chain.via.pop().into_iter().collect();
            *chain = Chain { hops: 1, since: at, via, is_escalation: chain.is_escalation };
        }
    }
    Ok(())
}
