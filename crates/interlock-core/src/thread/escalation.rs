//! Rules of escalation: a blocked thread has somebody who must act, who is told, and told again.

use super::system::{self, Said};
use super::{
    Escalation, Status, Thread, ThreadRole, event_type as et, may_lead, not_coordinator, person_required,
    visible,
};
use crate::actor::AgentName;
use crate::command::{AssignOwner, Envelope, RemindOwner};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Corrupt, Decision, Facts, Reply};
use crate::guard;
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::text::{Salt, digest};
use crate::time::{Now, Timestamp};
use crate::wake::{self, Chain, Wake};

/// Who must act in a thread that is blocked, when nobody is named. People first, because they alone let go on what a guard
/// blocked: whoever opened it, while that takes part; else one who leads it; else whom the configuration names; else any who takes part. Then agents:
/// whoever opened it, else one that leads it. Somebody who could not be woken just now is the last to be asked.
pub(crate) fn rule(policy: &Policy, thread: &Thread, unfit: Option<&AgentName>) -> AgentName {
    let of = |managed: bool| {
        let fit = |name: &&AgentName| {
            unfit != Some(*name) && thread.members.get(*name).is_some_and(|member| member.managed == managed)
        };
        let leads = thread.members.iter().filter(|(_, member)| member.role == ThreadRole::Coordinator);
        Some(&thread.created_by).filter(fit).or_else(|| leads.map(|(name, _)| name).find(fit))
    };
    let takes_part = || thread.members.iter().find(|(_, member)| !member.managed).map(|(name, _)| name);
    let person = of(false).or(policy.escalation_owner.as_ref()).or_else(takes_part);
    person.or_else(|| of(true)).unwrap_or(&thread.created_by).clone()
}

/// Somebody else must act from now on, is told, and woken where a supervisor can.
pub(crate) fn assign_owner(
    facts: &Facts,
    env: &Envelope,
    command: &AssignOwner,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    if !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    wake::given(&command.text)?;
    if thread.status != Status::Blocked {
        let detail = format!("the thread is {}: nobody must act in it", thread.status);
        return Err(Refusal::new(Reason::NotBlocked, detail)
            .hint("block it first with: interlock escalate-thread")
            .into());
    }
    let owner = &command.owner;
    if !thread.members.contains_key(owner) {
        let detail = format!("`{owner}` is no participant of the thread and cannot own its escalation");
        return Err(Refusal::new(Reason::ParticipantMissing, detail)
            .hint("let it take part first: interlock thread add")
            .into());
    }
    let chain = guard::chain(facts, env, thread, now)?;
    may_assign(thread, env, owner, chain.is_some())?;
    // A person who names the agent that must act already entrusts it with that.
    let is_entrusted = thread.escalation.as_ref().is_some_and(|known| known.is_entrusted);
    let says_more = chain.is_none() && !is_entrusted && thread.members.get(owner).is_some_and(|m| m.managed);
    if thread.owner.as_ref() == Some(owner) && !says_more {
        return Ok(Decision { reply: Reply::Thread(thread.thread_id), ..Decision::unchanged() });
    }
    let mut events = Vec::new();
    let thread = assigned(env, thread, owner, (&command.text, chain.is_none()), &mut events);
    tell(facts, env, &thread, (et::ESCALATION_ASSIGNED, &command.text, chain), now, &mut events)?;
    Ok(Decision::of(events))
}

/// Whoever must act could not be woken, so it knows of nothing: a person must act in its place, where one can be named. From
/// agent to agent it would go for ever.
pub(crate) fn hand_on(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (unfit, why): (&AgentName, &str),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let is_asked = thread.status == Status::Blocked && thread.reason != Some(Reason::Paused);
    if !is_asked || thread.owner.as_ref() != Some(unfit) {
        return Ok(());
    }
    let owner = rule(&facts.policy, thread, Some(unfit));
    if owner == *unfit || thread.members.get(&owner).is_some_and(|member| member.managed) {
        return Ok(());
    }
    let thread = assigned(env, thread, &owner, (why, false), events);
    tell(facts, env, &thread, (et::ESCALATION_ASSIGNED, why, None), now, events)
}

/// What waits for a person an agent hands on to people alone, and what somebody else paused to nobody: from agent to agent
/// it would go for ever.
fn may_assign(thread: &Thread, env: &Envelope, owner: &AgentName, is_agents: bool) -> Result<(), Refusal> {
    let (Some(reason), true) = (thread.reason, is_agents) else { return Ok(()) };
    let is_person = thread.members.get(owner).is_some_and(|member| !member.managed);
    if reason.is_stop() || (reason.is_guards() && !is_person) {
        return Err(person_required(thread, env, reason));
    }
    Ok(())
}

/// Whoever must act and has not is told again, when that is due: a second asking of the same is no change. Whoever takes
/// no part any more is replaced by the rule first.
pub(crate) fn remind_owner(
    facts: &Facts,
    env: &Envelope,
    command: &RemindOwner,
    now: &Now,
) -> Result<Decision, Stop> {
    let Some(thread) = facts.thread(command.thread_id)? else { return Ok(Decision::unchanged()) };
    let due = thread.reminder_due(&facts.policy).filter(|due| *due <= now.wall);
    let is_meant = thread.escalation.as_ref().is_some_and(|escalation| escalation.since == command.since);
    let (Some(_), true) = (due, is_meant) else { return Ok(Decision::unchanged()) };
    let mut events = Vec::new();
    let owner = match &thread.owner {
        Some(owner) if thread.members.contains_key(owner) => owner.clone(),
        _ => rule(&facts.policy, thread, None),
    };
    let thread = if thread.owner.as_ref() == Some(&owner) {
        thread.clone()
    } else {
        let why = "who had to act takes no part any more";
        assigned(env, thread, &owner, (why, false), &mut events)
    };
    let reminders = thread.escalation.as_ref().map_or(0, |escalation| escalation.reminders).saturating_add(1);
    events.push(Event::OwnerReminded { thread_id: thread.thread_id, owner: owner.clone(), reminders });
    let why = thread.reason.map_or("", Reason::title);
    let body = format!("The thread is still blocked since {}: {why}. `{owner}` has to act.", command.since);
    tell(facts, env, &thread, (et::ESCALATION_REMINDER, &body, None), now, &mut events)?;
    Ok(Decision::of(events))
}

/// The event of an assignment, and the thread as it then is.
fn assigned(
    env: &Envelope,
    thread: &Thread,
    owner: &AgentName,
    (text, is_entrusted): (&str, bool),
    events: &mut Vec<Event>,
) -> Thread {
    let text_salt = Salt::derive(&env.entropy, 0);
    events.push(Event::OwnerAssigned {
        thread_id: thread.thread_id,
        owner: owner.clone(),
        former: thread.owner.clone(),
        by: env.actor.name.clone(),
        is_entrusted,
        text_digest: digest(&text_salt, &[text.as_bytes()]),
        text: text.to_owned(),
        text_salt,
    });
    Thread { owner: Some(owner.clone()), ..thread.clone() }
}

/// A message of Interlock's own to whoever must act, which wakes it where a supervisor can.
fn tell(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (event_type, body, chain): (&str, &str, Option<Chain>),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let data = serde_json::json!({"status": thread.status, "reason": thread.reason, "owner": thread.owner});
    let to = thread.owner.clone().into_iter().collect();
    let seq = thread.seq.saturating_add(1);
    let number = announcements(events).max(1);
    let said = Said { event_type, to, body, data: data.to_string(), seq, number };
    events.push(system::said(env, thread.thread_id, said, now));
    if let Some(owner) = &thread.owner {
        wake::on_escalation(facts, env, thread, (owner, seq, chain), now, events)?;
    }
    Ok(())
}

/// A message of Interlock's own to whoever answers for the thread, that no supervisor takes a wake.
pub(crate) fn tell_of_stranded(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    (stranded, body): (&Wake, &str),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let named = thread.owner.clone().filter(|owner| thread.members.contains_key(owner));
    let owner = named.unwrap_or_else(|| rule(&facts.policy, thread, Some(&stranded.agent)));
    let Wake { wake_id, agent, on, due_at, .. } = stranded;
    let data = serde_json::json!({"wake_id": wake_id, "agent": agent, "on": on, "due_at": due_at});
    let (event_type, to) = (et::WAKE_STRANDED, vec![owner.clone()]);
    let seq = thread.seq.saturating_add(1);
    let said = Said { event_type, to, body, data: data.to_string(), seq, number: 1 };
    events.push(system::said(env, thread.thread_id, said, now));
    if owner != *agent {
        let chain = stranded.chain.clone();
        wake::on_escalation(facts, env, thread, (&owner, seq, chain), now, events)?;
    }
    Ok(())
}

/// How many messages of Interlock's own these events have: one entry may say something in several threads.
pub(super) fn announcements(events: &[Event]) -> u32 {
    let is_said = |event: &&Event| matches!(event, Event::StatusChanged { .. } | Event::OwnerAssigned { .. });
    u32::try_from(events.iter().filter(is_said).count()).unwrap_or(u32::MAX)
}

/// The thread's status has changed: while it is blocked there is an escalation.
pub(super) fn began(thread: &mut Thread, by: &AgentName, at: Timestamp) {
    thread.escalation = (thread.status == Status::Blocked).then(|| Escalation {
        since: at,
        assigned_by: by.clone(),
        assigned_at: at,
        text: String::new(),
        salt: [0; 16],
        is_entrusted: false,
        reminders: 0,
        reminded_at: None,
    });
}

/// Somebody else must act, or was told again.
pub(super) fn changed(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    match event {
        Event::OwnerAssigned { thread_id, owner, by, is_entrusted, text, text_salt, .. } => {
            let thread = facts.thread_mut(*thread_id)?;
            thread.owner = Some(owner.clone());
            thread.updated_at = at;
            let since = thread.escalation.as_ref().map_or(at, |escalation| escalation.since);
            thread.escalation = Some(Escalation {
                since,
                assigned_by: by.clone(),
                assigned_at: at,
                text: text.clone(),
                salt: text_salt.0,
                is_entrusted: *is_entrusted,
                reminders: 0,
                reminded_at: None,
            });
        }
        Event::OwnerReminded { thread_id, reminders, .. } => {
            let thread = facts.thread_mut(*thread_id)?;
            thread.updated_at = at;
            if let Some(escalation) = &mut thread.escalation {
                (escalation.reminders, escalation.reminded_at) = (*reminders, Some(at));
            }
        }
        _ => {}
    }
    Ok(())
}

impl Thread {
    /// When whoever must act is told again; nothing when that is not to be. A thread that a person paused waits for that
    /// person alone.
    pub fn reminder_due(&self, policy: &Policy) -> Option<Timestamp> {
        let escalation = self.escalation.as_ref()?;
        let is_over = self.status != Status::Blocked || self.reason == Some(Reason::Paused);
        let is_enough = escalation.reminders >= policy.escalation_reminders_max;
        if is_over || is_enough || policy.escalation_reminder_ms == 0 {
            return None;
        }
        let last = escalation.reminded_at.unwrap_or(escalation.assigned_at);
        Some(last.plus_ms(policy.escalation_reminder_ms))
    }
}
