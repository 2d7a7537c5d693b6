//! What operators do to threads from outside: block, make active again, close over everything that is open.
//!
//! Each goes from the status that is expected, for a reason in words, and is in the ledger with who did it; a refusal is
//! too, as every refused action of an operator.

use super::{Status, StatusChange, Thread, may_lead, not_coordinator, status_events, visible};
use crate::actor::{AgentName, Role};
use crate::command::{Envelope, OperateThread, ThreadAction};
use crate::decide::Stop;
use crate::facts::{Decision, Facts};
use crate::reason::{Reason, Refusal};
use crate::time::Now;
use crate::wake;

/// What an operator's reason for closing over open work begins with.
const HUMAN_OVERRIDE: &str = "human_override:";
/// What a coordinator's reason for going on in a blocked thread begins with.
const COORDINATOR_OVERRIDE: &str = "coordinator_override:";

/// Do it, or say why not.
pub(crate) fn operate(
    facts: &Facts,
    env: &Envelope,
    command: &OperateThread,
    now: &Now,
) -> Result<Decision, Stop> {
    let thread = visible(facts, env, command.thread_id)?;
    let reason = permitted(thread, env, command)?;
    wake::given(&command.text)?;
    if let Some(expected) = command.expected
        && expected != thread.status
    {
        let detail = format!("the thread is {}, and {expected} was expected", thread.status);
        return Err(Refusal::new(Reason::StatusDiffers, detail)
            .hint("look at it again, then decide anew")
            .into());
    }
    let (to, owner) = target(thread, &command.action)?;
    let change = StatusChange::wished(facts, env, thread, (to, reason, owner), &command.text, now)?;
    let mut events = Vec::new();
    let effects = status_events(facts, env, thread, &change, thread.seq + 1, now, &mut events)?;
    Ok(Decision { effects, ..Decision::of(events) })
}

/// Under which reason this actor may do it. Operators may do everything; whoever leads the thread may let it go on, and
/// says that it overrides what blocked it.
fn permitted(thread: &Thread, env: &Envelope, command: &OperateThread) -> Result<Reason, Refusal> {
    let is_operator = matches!(env.actor.role, Role::Operator | Role::Admin);
    match command.action {
        ThreadAction::Escalate { .. } | ThreadAction::Unblock if is_operator => Ok(Reason::ByRequest),
        ThreadAction::Unblock if may_lead(thread, env) => {
            overrides(&command.text, COORDINATOR_OVERRIDE).map(|()| Reason::CoordinatorOverride)
        }
        ThreadAction::Close if is_operator => {
            overrides(&command.text, HUMAN_OVERRIDE).map(|()| Reason::HumanOverride)
        }
        ThreadAction::Unblock => Err(not_coordinator(env)),
        ThreadAction::Escalate { .. } | ThreadAction::Close => {
            let detail = format!("the role `{}` may not do this to threads", env.actor.role);
            Err(Refusal::new(Reason::RoleMissing, detail).hint("ask an operator"))
        }
    }
}

fn overrides(text: &str, prefix: &str) -> Result<(), Refusal> {
    if text.strip_prefix(prefix).is_some_and(|why| !why.trim().is_empty()) {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::OverrideRequired,
        format!("the reason does not begin with `{prefix}` and say why"),
    )
    .hint(format!("give a reason such as `{prefix} the finding is a false alarm`")))
}

fn target(thread: &Thread, action: &ThreadAction) -> Result<(Status, Option<AgentName>), Refusal> {
    let (to, owner) = match action {
        ThreadAction::Escalate { owner } => (Status::Blocked, owner.clone()),
        ThreadAction::Unblock => (Status::Active, None),
        ThreadAction::Close => (Status::Closed, None),
    };
    let leads_on = match action {
        ThreadAction::Unblock => thread.status == Status::Blocked,
        ThreadAction::Escalate { .. } | ThreadAction::Close => thread.status.may_become(to),
    };
    if !leads_on {
        let detail = format!("a {} thread cannot become {to} by this", thread.status);
        return Err(Refusal::new(Reason::TransitionInvalid, detail));
    }
    if let Some(name) = owner.as_ref().filter(|name| !thread.members.contains_key(*name)) {
        let detail = format!("`{name}` is no participant of the thread and cannot own its escalation");
        return Err(Refusal::new(Reason::ParticipantMissing, detail));
    }
    Ok((to, owner))
}
