//! Rules of a thread's status: who may change it, and what it says and does to wakes.

use super::system::{self, Said};
use super::{Status, Thread, ThreadRole, event_type as et, visible, within};
use crate::actor::{AgentName, Role};
use crate::command::{ChangeStatus, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::guard;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::time::Now;
use crate::wake::{self, Chain};

/// Reasons that a caller may give; the others are given by rules.
const CALLER_REASONS: [Reason; 6] = [
    Reason::ByRequest,
    Reason::Paused,
    Reason::FindingUnresolved,
    Reason::OpenFindings,
    Reason::LeashReached,
    Reason::NotConverged,
];

/// A change of status as it will be recorded.
#[derive(Debug)]
pub(crate) struct StatusChange<'a> {
    pub(crate) to: Status,
    pub(crate) reason: Reason,
    pub(crate) owner: Option<AgentName>,
    pub(crate) text: &'a str,
    /// How agents' wakes led to it; absent = a person, or a program that no supervisor runs, wishes it.
    pub(crate) chain: Option<Chain>,
    /// Whether an agent wishes it.
    pub(crate) is_agents: bool,
}

impl<'a> StatusChange<'a> {
    /// A guard blocks the thread that this chain has brought to it; who has to act is said by the rule of escalation.
    pub(crate) const fn guard(reason: Reason, text: &'a str, chain: Option<Chain>) -> Self {
        Self { to: Status::Blocked, reason, owner: None, text, chain, is_agents: false }
    }

    /// The change that somebody wishes.
    pub(crate) fn wished(
        facts: &Facts,
        env: &Envelope,
        thread: &Thread,
        (to, reason, owner): (Status, Reason, Option<AgentName>),
        text: &'a str,
        now: &Now,
    ) -> Result<Self, Stop> {
        let chain = guard::chain(facts, env, thread, now)?;
        let is_agents = chain.is_some();
        // Who closes a blocked thread gets past the block as well as who lets it go on.
        let leaves = to == Status::Active || thread.status == Status::Blocked;
        if is_agents && leaves {
            may_leave(thread, env)?;
        }
        Ok(Self { to, reason, owner, text, chain, is_agents })
    }
}

/// A participant with a say changes the status along the graph; the same status again is no change.
pub(crate) fn change_status(
    facts: &Facts,
    env: &Envelope,
    command: &ChangeStatus,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    if !may_lead(thread, env) {
        return Err(not_coordinator(env).into());
    }
    within("the reason", &command.text, REASON_BYTES_MAX)?;
    if thread.status == command.status {
        return Ok(Decision::unchanged());
    }
    if !thread.status.may_become(command.status) {
        return Err(Refusal::new(
            Reason::TransitionInvalid,
            format!("a {} thread cannot become {}", thread.status, command.status),
        )
        .into());
    }
    if thread.status == Status::Resolved && command.status == Status::Active && command.text.trim().is_empty()
    {
        return Err(Refusal::new(
            Reason::ParameterInvalid,
            "a resolved thread is reopened for a reason in words",
        )
        .hint("say in `text` what is not done yet")
        .into());
    }
    if !CALLER_REASONS.contains(&command.reason) {
        return Err(Refusal::new(
            Reason::ParameterInvalid,
            format!("the reason `{}` is given by rules, not by callers", command.reason),
        )
        .hint(format!("give one of {}", CALLER_REASONS.map(Reason::as_str).join(", ")))
        .into());
    }
    let owner = owner(thread, command)?;
    let what = (command.status, command.reason, owner);
    let change = StatusChange::wished(facts, env, thread, what, &command.text, now)?;
    let mut events = Vec::new();
    let effects = status_events(facts, env, thread, &change, thread.seq + 1, now, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// Whether this actor has a say in what the thread is and who is in it.
pub(crate) fn may_lead(thread: &Thread, env: &Envelope) -> bool {
    let leads = thread.members.get(&env.actor.name).is_some_and(|m| m.role == ThreadRole::Coordinator);
    leads || matches!(env.actor.role, Role::Operator | Role::Admin | Role::Coordinator)
}

/// Whether an agent may let a blocked thread go on, or end it. What a guard blocked waits for a person, and so does what
/// somebody else stopped: else an agent would only have to say so, and nothing would hold it, or would close the thread and
/// open another. A person may entrust it with that.
fn may_leave(thread: &Thread, env: &Envelope) -> Result<(), Refusal> {
    let name = &env.actor.name;
    let known = thread.escalation.as_ref();
    let is_entrusted = known.is_some_and(|known| known.is_entrusted) && thread.owner.as_ref() == Some(name);
    let is_own = known.is_some_and(|known| known.assigned_by == *name);
    let waits = |reason: &Reason| reason.is_guards() || (reason.is_stop() && !is_own);
    match thread.reason.filter(waits) {
        Some(reason) if !is_entrusted => Err(person_required(thread, env, reason)),
        _ => Ok(()),
    }
}

/// The refusal for an agent where only a person may go on.
pub(super) fn person_required(thread: &Thread, env: &Envelope, reason: Reason) -> Refusal {
    let owner = thread.owner.as_ref().map_or_else(String::new, |owner| format!("; `{owner}` must act"));
    let detail = format!(
        "the thread waits for a person ({reason}: {}), and `{}` is an agent{owner}",
        reason.title(),
        env.actor.name
    );
    Refusal::new(Reason::PersonRequired, detail)
        .hint("tell a person; name one who must act with: interlock thread owner")
}

impl Reason {
    /// Whether a guard gives it to a thread that it blocks.
    pub(super) const fn is_guards(self) -> bool {
        matches!(
            self,
            Self::NoProgress
                | Self::IdenticalFindings
                | Self::RepeatedMessages
                | Self::CausalLoop
                | Self::BudgetSpent
                | Self::WakeFailed
                | Self::WakeInDoubt
        )
    }

    /// Whether somebody stopped the thread with it, for whom it waits.
    pub(super) const fn is_stop(self) -> bool {
        matches!(self, Self::Paused | Self::LeashReached)
    }
}

/// The refusal for somebody who has none.
pub(crate) fn not_coordinator(env: &Envelope) -> Refusal {
    Refusal::new(Reason::NotCoordinator, format!("`{}` is no coordinator of the thread", env.actor.name))
        .hint("ask a coordinator of the thread, or an operator")
}

fn owner(thread: &Thread, command: &ChangeStatus) -> Result<Option<AgentName>, Refusal> {
    match (&command.owner, command.status) {
        (Some(name), Status::Blocked) if !thread.members.contains_key(name) => Err(Refusal::new(
            Reason::ParticipantMissing,
            format!("`{name}` is no participant of the thread and cannot own its escalation"),
        )),
        (Some(name), Status::Blocked) => Ok(Some(name.clone())),
        (Some(_), _) => Err(Refusal::new(Reason::ParameterInvalid, "only a blocked thread has an owner")),
        (None, _) => Ok(None),
    }
}

/// The events of a change of status: the change, its system message with this `seq`, and what it does to wakes.
pub(crate) fn status_events(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    change: &StatusChange<'_>,
    seq: u64,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<Vec<crate::facts::Effect>, Stop> {
    let thread_id = thread.thread_id;
    // Number 0 of this entropy may be the message that led here, and one entry may announce several threads' ends.
    let number = super::escalation::announcements(events).saturating_add(1);
    let owner = owner_of(facts, thread, change, events);
    events.push(Event::StatusChanged {
        thread_id,
        from: thread.status,
        to: change.to,
        reason: change.reason,
        owner: owner.clone(),
        by: env.actor.name.clone(),
        is_agents: change.is_agents,
    });
    events.push(system::said(env, thread_id, announcement(change, owner.as_ref(), seq, number), now));
    if let Some(owner) = owner {
        let blocked = Thread {
            status: change.to,
            reason: Some(change.reason),
            owner: Some(owner.clone()),
            ..thread.clone()
        };
        wake::on_escalation(facts, env, &blocked, (&owner, seq, change.chain.clone()), now, events)?;
    }
    match change.to {
        Status::Resolved | Status::Closed => return wake::on_thread_end(facts, thread_id, events),
        Status::Active => wake::on_thread_active(facts, env, (thread, change.chain.as_ref()), now, events)?,
        Status::Blocked => {}
    }
    Ok(Vec::new())
}

/// Who must act in a thread that becomes blocked: whoever is named, or whom the rule names.
fn owner_of(
    facts: &Facts,
    thread: &Thread,
    change: &StatusChange<'_>,
    events: &[Event],
) -> Option<AgentName> {
    if change.to != Status::Blocked {
        return None;
    }
    let failed = events.iter().find_map(|event| match event {
        Event::WakeFinished {
            thread_id,
            agent,
            result: wake::WakeResult::Failed | wake::WakeResult::Unknown,
            ..
        } if *thread_id == thread.thread_id => Some(agent),
        _ => None,
    });
    Some(change.owner.clone().unwrap_or_else(|| super::escalation::rule(&facts.policy, thread, failed)))
}

fn announcement<'a>(change: &StatusChange<'a>, owner: Option<&AgentName>, seq: u64, number: u32) -> Said<'a> {
    let event_type = match change.to {
        Status::Resolved => et::THREAD_RESOLVED,
        Status::Blocked => et::THREAD_ESCALATED,
        Status::Active | Status::Closed => et::THREAD_STATUS_CHANGED,
    };
    let data = serde_json::json!({"status": change.to, "reason": change.reason, "owner": owner}).to_string();
    Said { event_type, to: Vec::new(), body: change.text, data, seq, number }
}
