//! Rules of who takes part: added and removed by those who lead, and free to leave.

use super::{Status, ThreadRole, may_lead, not_coordinator, visible};
use crate::actor::AgentName;
use crate::agent::Agent;
use crate::command::{AddParticipant, Envelope, RemoveParticipant};
use crate::decide::Stop;
use crate::event::{Event, Joined};
use crate::facts::{Decision, Facts, Reply};
use crate::limits::PARTICIPANTS_MAX;
use crate::reason::{Reason, Refusal};
use crate::wake;

/// Somebody takes part from now on, with nothing unread; who takes part in that role already is not added twice.
pub(crate) fn add(facts: &Facts, env: &Envelope, command: &AddParticipant) -> Result<Decision, Stop> {
    let (thread, agent) = (visible(facts, env, command.thread_id)?, &command.agent);
    if !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    if thread.status == Status::Closed {
        let detail = "the thread is closed: nobody joins it any more";
        return Err(Refusal::new(Reason::ThreadWrongStatus, detail).hint("open a new thread").into());
    }
    if let Some(member) = thread.members.get(agent) {
        if member.role == command.role {
            return Ok(Decision::unchanged());
        }
        let detail = format!("`{agent}` takes part as {} already", member.role);
        return Err(Refusal::new(Reason::ParticipantExists, detail)
            .hint("remove it first: its unread begins anew then")
            .into());
    }
    if facts.agent(agent)?.is_none() {
        return Err(Refusal::new(Reason::AgentNotFound, format!("there is no agent `{agent}`"))
            .hint("register it first: interlock agent add NAME")
            .into());
    }
    if thread.members.len() >= PARTICIPANTS_MAX {
        let detail = format!("the thread has {PARTICIPANTS_MAX} participants, the most it may have");
        return Err(Refusal::new(Reason::LimitExceeded, detail).hint("remove one first").into());
    }
    let participant = joined(agent.clone(), command.role, facts)?;
    let events = vec![Event::ParticipantAdded { thread_id: thread.thread_id, participant }];
    Ok(Decision { reply: Reply::Thread(thread.thread_id), ..Decision::of(events) })
}

/// Whoever joins, as it is registered now; who is not is a person.
pub(super) fn joined(agent: AgentName, role: ThreadRole, facts: &Facts) -> Result<Joined, Stop> {
    let known = facts.agent(&agent)?;
    let managed = known.is_some_and(Agent::is_managed);
    let on = known.and_then(|known| known.on.clone());
    Ok(Joined { agent, role, managed, on })
}

/// Somebody takes no part any more: nobody wakes it here, and its process, if one runs, may finish.
pub(crate) fn remove(facts: &Facts, env: &Envelope, command: &RemoveParticipant) -> Result<Decision, Stop> {
    let (thread, agent) = (visible(facts, env, command.thread_id)?, &command.agent);
    if *agent != env.actor.name && !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    let Some(member) = thread.members.get(agent) else {
        let detail = format!("`{agent}` takes no part in the thread");
        return Err(Refusal::new(Reason::ParticipantMissing, detail).into());
    };
    let leads = |role| role == ThreadRole::Coordinator;
    if leads(member.role) && thread.members.values().filter(|other| leads(other.role)).count() == 1 {
        let detail = format!("`{agent}` is the last coordinator of the thread");
        return Err(Refusal::new(Reason::LastCoordinator, detail)
            .hint("add another coordinator first, or close the thread")
            .into());
    }
    let mut events = vec![Event::ParticipantRemoved {
        thread_id: thread.thread_id,
        agent: agent.clone(),
        by: env.actor.name.clone(),
    }];
    let effects = wake::on_removal(facts, thread.thread_id, agent, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}
