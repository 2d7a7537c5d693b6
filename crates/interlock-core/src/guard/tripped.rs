//! What an agent's word trips: the thread is blocked after it, once, with whoever opened it as the owner.

use super::repeat;
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::text::Digest;
use crate::thread::{MessageHead, Status, StatusChange, Thread, status_events};
use crate::time::Now;
use crate::wake::Chain;

/// A message as the guards look at it.
#[derive(Debug)]
pub(crate) struct Posted<'a> {
    /// What is posted.
    pub(crate) message: &'a MessageHead,
    /// How often the finding it is about has come back with it; 0 when it is about none.
    pub(crate) cycles: u32,
    /// Whether it verifies what was verified before.
    pub(crate) is_verified_again: bool,
    /// What it says, when an agent says it.
    pub(crate) print: Option<Digest>,
    /// The chain of agents' wakes that it belongs to.
    pub(crate) chain: Option<&'a Chain>,
}

/// Why a thread is blocked, and what is to be said about it.
type Trip = (Reason, String);

/// Events that block the thread because of a message.
pub(crate) fn on_post(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    posted: &Posted<'_>,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let pushes_max = facts.policy.commits_as_progress_max;
    let is_progress =
        super::turns::is_progress(&thread.guard, posted.message, posted.is_verified_again, pushes_max);
    let chain = posted.chain;
    let found = findings(&facts.policy, posted.cycles);
    // What gets the thread on does not stop it.
    let stuck = || {
        repeated(&facts.policy, env, thread, posted.print)
            .or_else(|| looped(&facts.policy, posted.chain))
            .filter(|_| !is_progress)
    };
    block(facts, env, thread, (found.or_else(stuck), chain), posted.message.seq + 1, now, events)
}

/// Events that block the thread because an agent asked for a wake without a message.
pub(crate) fn on_trigger(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    chain: Option<&Chain>,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    block(facts, env, thread, (looped(&facts.policy, chain), chain), thread.seq + 1, now, events)
}

fn block(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (trip, chain): (Option<Trip>, Option<&Chain>),
    seq: u64,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    if let Some((reason, body)) = trip.filter(|_| thread.status == Status::Active) {
        let change = StatusChange::guard(reason, &body, chain.cloned());
        status_events(facts, env, thread, &change, seq, now, events)?;
    }
    Ok(())
}

/// The same finding too often (S002-83).
fn findings(policy: &Policy, cycles: u32) -> Option<Trip> {
    let body = || format!("The same finding came back {cycles} times; a person has to look at it.");
    (cycles >= policy.identical_findings_max).then(|| (Reason::IdenticalFindings, body()))
}

/// The same words of the same agent too often.
fn repeated(policy: &Policy, env: &Envelope, thread: &Thread, print: Option<Digest>) -> Option<Trip> {
    let name = &env.actor.name;
    let times = repeat::times(thread.members.get(name), print?);
    let body = || format!("`{name}` said the same {times} times in a row; a person has to look at it.");
    (times >= policy.identical_messages_max).then(|| (Reason::RepeatedMessages, body()))
}

/// Agents that wake each other, however many they are and in whichever threads.
fn looped(policy: &Policy, chain: Option<&Chain>) -> Option<Trip> {
    let chain = chain.filter(|chain| chain.hops > policy.causal_hops_max)?;
    let names: Vec<String> = chain.via.iter().map(|name| format!("`{name}`")).collect();
    let body = format!(
        "Agents woke each other {} times without progress, at last {}; a person has to look at it.",
        chain.hops,
        names.join(", then ")
    );
    Some((Reason::CausalLoop, body))
}
