//! Rules of a thread's status: who may change it, and what it says and does to wakes.

use super::{
    MessageHead, MessageKind, MessageText, Priority, Status, Thread, ThreadRole, event_type as et, visible,
    within,
};
use crate::actor::{AgentName, Role};
use crate::command::{ChangeStatus, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::MessageId;
use crate::limits::REASON_BYTES_MAX;
use crate::reason::{Reason, Refusal};
use crate::text::Salt;
use crate::time::Now;
use crate::wake;

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
}

impl<'a> StatusChange<'a> {
    /// A guard blocks the thread; whoever opened it has to act.
    pub(crate) fn guard(thread: &Thread, reason: Reason, text: &'a str) -> Self {
        Self { to: Status::Blocked, reason, owner: Some(thread.created_by.clone()), text }
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
    let change = StatusChange { to: command.status, reason: command.reason, owner, text: &command.text };
    let mut events = Vec::new();
    let effects = status_events(facts, env, thread, &change, thread.seq + 1, now, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// Whether this actor has a say in what the thread is and who is in it.
pub(crate) fn may_lead(thread: &Thread, env: &Envelope) -> bool {
    let leads = thread.members.get(&env.actor.name).is_some_and(|m| m.role == ThreadRole::Coordinator);
    leads || matches!(env.actor.role, Role::Operator | Role::Admin | Role::Coordinator)
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
        (None, Status::Blocked) => Ok(Some(thread.created_by.clone())),
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
    let before = events.iter().filter(|event| matches!(event, Event::StatusChanged { .. })).count();
    let number = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
    events.push(Event::StatusChanged {
        thread_id,
        from: thread.status,
        to: change.to,
        reason: change.reason,
        owner: change.owner.clone(),
        by: env.actor.name.clone(),
    });
    let (message, text) = announcement(env, change, seq, number, now);
    events.push(Event::MessagePosted { thread_id, message, finding_print: None, said_print: None, text });
    match change.to {
        Status::Resolved | Status::Closed => return wake::on_thread_end(facts, thread_id, events),
        Status::Active => wake::on_thread_active(facts, env, thread, now, events)?,
        Status::Blocked => {}
    }
    Ok(Vec::new())
}

fn announcement(
    env: &Envelope,
    change: &StatusChange<'_>,
    seq: u64,
    number: u32,
    now: &Now,
) -> (MessageHead, MessageText) {
    let event_type = match change.to {
        Status::Resolved => et::THREAD_RESOLVED,
        Status::Blocked => et::THREAD_ESCALATED,
        Status::Active | Status::Closed => et::THREAD_STATUS_CHANGED,
    };
    let data = serde_json::json!({"status": change.to, "reason": change.reason, "owner": change.owner});
    system_message(env, event_type, (change.text, &data), seq, number, now)
}

/// Something that Interlock itself says in a thread, in words and as data; nobody is woken by it.
pub(crate) fn system_message(
    env: &Envelope,
    event_type: &str,
    (body, data): (&str, &serde_json::Value),
    seq: u64,
    number: u32,
    now: &Now,
) -> (MessageHead, MessageText) {
    let text = MessageText {
        body: body.to_owned(),
        data: data.to_string(),
        extra: String::new(),
        salt: Salt::derive(&env.entropy, number),
    };
    let head = MessageHead {
        message_id: MessageId::derive(now.wall, &env.entropy, number),
        seq,
        kind: MessageKind::System,
        event_type: Some(event_type.to_owned()),
        event_version: 1,
        schema_version: 1,
        from: env.actor.name.clone(),
        to: Vec::new(),
        to_role: None,
        in_reply_to: None,
        priority: Priority::Normal,
        expires_at: None,
        supersedes: None,
        parents: Vec::new(),
        finding_id: None,
        commit: None,
        wake_id: env.actor.wake_id,
        hops: 0,
        posted_at: now.wall,
        text_digest: text.digest(),
    };
    (head, text)
}
