//! Rules of a runtime's sessions: which one a participant's wakes resume, and what happens when it cannot be used.
//!
//! A session that is gone is given up at once. One that another process has open is waited for, and given up when that
//! takes too long: then the agent goes on in a fresh one, and what a person has open is never entered.

use super::reaction::takes_part;
use super::{Usage, Wake};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::Facts;
use crate::id::SessionId;
use crate::reason::Reason;
use crate::time::Now;

/// The session that this participant's wakes in this thread resume.
pub(super) fn bound(facts: &Facts, wake: &Wake) -> Result<Option<SessionId>, Stop> {
    let thread = facts.thread(wake.thread_id)?;
    Ok(thread.and_then(|thread| thread.members.get(&wake.agent)).and_then(|member| member.session))
}

/// The runtime said in which session the turn runs: later wakes resume it.
pub(super) fn bind(facts: &Facts, wake: &Wake, session_id: SessionId) -> Result<Option<Event>, Stop> {
    let (thread_id, agent, wake_id) = (wake.thread_id, wake.agent.clone(), wake.wake_id);
    let is_known = bound(facts, wake)? == Some(session_id);
    // Whoever was removed while its process ran has no later wakes to resume it.
    Ok((!is_known && takes_part(facts, wake)?).then_some(Event::SessionBound {
        thread_id,
        agent,
        wake_id,
        session_id,
    }))
}

/// Give the session up, when there is one.
pub(super) fn release(facts: &Facts, wake: &Wake, reason: Reason) -> Result<Option<Event>, Stop> {
    let (thread_id, agent, wake_id) = (wake.thread_id, wake.agent.clone(), wake.wake_id);
    let session = bound(facts, wake)?;
    Ok(session.map(|session_id| Event::SessionReleased { thread_id, agent, wake_id, session_id, reason }))
}

/// What follows from a session that another process has open.
pub(super) enum Busy {
    /// It is looked at again later.
    Wait(Event),
    /// It was waited for long enough, or there is none: the wake is due again at once, in a fresh one.
    Fresh(Option<Event>),
}

/// Wait for the session, up to the limit of the policy.
pub(super) fn when_busy(facts: &Facts, wake: &Wake, now: &Now) -> Result<Busy, Stop> {
    let waited_ms = wake.deferred_since.map_or(0, |since| now.wall.ms_since(since));
    let released = release(facts, wake, Reason::SessionBusy)?;
    if released.is_none() || waited_ms >= facts.policy.session_defer_max_ms {
        return Ok(Busy::Fresh(released));
    }
    Ok(Busy::Wait(Event::WakeDeferred {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        reason: Reason::SessionBusy,
        due_at: now.wall.plus_ms(facts.policy.session_recheck_ms),
    }))
}

/// What the model used, as an event of its own: attempts that fail cost tokens too. Of a runtime that counts from the
/// beginning of its session it is what came on top of what was told of that session before.
pub(super) fn used(
    facts: &Facts,
    wake: &Wake,
    usage: Option<Usage>,
    is_session_total: bool,
) -> Result<Option<Event>, Stop> {
    let thread = facts.thread(wake.thread_id)?;
    let before = thread.and_then(|thread| thread.members.get(&wake.agent)).map(|member| member.session_usage);
    let usage =
        usage.map(|usage| if is_session_total { usage.less(before.unwrap_or_default()) } else { usage });
    Ok(usage.filter(|usage| *usage != Usage::default()).map(|usage| Event::WakeUsed {
        wake_id: wake.wake_id,
        thread_id: wake.thread_id,
        agent: wake.agent.clone(),
        usage,
    }))
}
