//! Rules of a runtime's sessions: which one a participant's wakes resume, and what happens when it cannot be used.
//!
//! A session that is gone is given up at once, and so is one that is stale or in which the agent fails again and again. One that another process has open is waited for, and given up when that
//! takes too long: then the agent goes on in a fresh one, and what a person has open is never entered.

use super::claim::deferred;
use super::reaction::takes_part;
use super::{Door, Lease, Usage, Wake, WakeState, door};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Facts, Missing};
use crate::id::SessionId;
use crate::reason::Reason;
use crate::thread::Member;
use crate::time::{Now, Timestamp};

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

/// Give the session up, when there is one: the wake goes on from this door to a process in a fresh one.
pub(super) fn give_up(facts: &Facts, wake: &Wake, from: Door, reason: Reason) -> Result<Vec<Event>, Stop> {
    let bound = bound(facts, wake)?;
    Ok(bound.map(|session_id| pass_over(wake, from, session_id, reason)).unwrap_or_default())
}

/// The wake goes on from this door to a process in a fresh session, and not in this one.
pub(super) fn pass_over(wake: &Wake, from: Door, session_id: SessionId, reason: Reason) -> Vec<Event> {
    let (thread_id, agent, wake_id) = (wake.thread_id, wake.agent.clone(), wake.wake_id);
    let mut events = vec![Event::SessionReleased { thread_id, agent, wake_id, session_id, reason }];
    if from != Door::Spawn {
        events.push(door::changed(wake, from, Door::Spawn, reason));
    }
    events
}

/// Go on from this door to the next lesser one, because the attempts through it are used up or it is not there.
pub(super) fn move_on(facts: &Facts, wake: &Wake, from: Door, reason: Reason) -> Result<Vec<Event>, Stop> {
    match from {
        Door::Live => {
            let to = if bound(facts, wake)?.is_some() { Door::Resume } else { Door::Spawn };
            Ok(vec![door::changed(wake, from, to, reason)])
        }
        Door::Resume => give_up(facts, wake, from, reason),
        Door::Spawn => Ok(Vec::new()),
    }
}

/// The door of the attempt that a report is about.
pub(super) fn door_of(facts: &Facts, wake: &Wake, lease: &Lease) -> Result<Door, Stop> {
    let known = if wake.state == WakeState::Running { wake.door } else { lease.door };
    match known {
        Some(door) => Ok(door),
        // It was claimed before doors were told apart.
        None if bound(facts, wake)?.is_some() => Ok(Door::Resume),
        None => Ok(Door::Spawn),
    }
}

/// Why this participant's session is not to be resumed now; nothing when it may be, or there is none.
pub(super) fn unfit(
    facts: &Facts,
    wake: &Wake,
    member: &Member,
    now: &Now,
) -> Result<Option<Reason>, Missing> {
    let Some(session_id) = member.session else { return Ok(None) };
    let policy = &facts.policy;
    let since = |at: Timestamp| now.wall.ms_since(at);
    let seen = facts.session(&(wake.agent.clone(), Some(session_id)))?;
    if member.last_life(seen).is_some_and(|at| since(at) > policy.session_stale_ms) {
        return Ok(Some(Reason::SessionStale));
    }
    // Its own attempts have their own rule: one that was accepted is tried again where it was.
    if wake.attempts > 0 {
        return Ok(None);
    }
    let recent =
        member.session_failures.iter().filter(|at| since(**at) <= policy.crash_loop_window_ms).count();
    let is_loop = u32::try_from(recent).is_ok_and(|recent| recent >= policy.crash_loop_failures);
    Ok(is_loop.then_some(Reason::CrashLoop))
}

/// What follows from a session that another process has open.
pub(super) enum Busy {
    /// It is looked at again later.
    Wait(Vec<Event>),
    /// It was waited for long enough, or there is none: the wake is due again at once, in a fresh one.
    Fresh(Vec<Event>),
}

/// Wait for the session, up to the limit of the policy.
pub(super) fn when_busy(facts: &Facts, wake: &Wake, from: Door, now: &Now) -> Result<Busy, Stop> {
    let waited_ms = wake.waited_since(now.wall).map_or(0, |since| now.wall.ms_since(since));
    let released = give_up(facts, wake, from, Reason::SessionBusy)?;
    if released.is_empty() || waited_ms >= facts.policy.session_defer_max_ms {
        return Ok(Busy::Fresh(released));
    }
    let due_at = now.wall.plus_ms(facts.policy.session_recheck_ms);
    Ok(Busy::Wait(vec![deferred(wake, Reason::SessionBusy, due_at)]))
}

/// What the model used, as an event of its own: attempts that fail cost tokens too. Of a runtime that counts from the
/// beginning of its session it is what came on top of what was told of that session before.
pub(super) fn used(
    facts: &Facts,
    wake: &Wake,
    usage: Option<Usage>,
    is_session_total: bool,
) -> Result<Option<(Event, Usage)>, Stop> {
    let thread = facts.thread(wake.thread_id)?;
    let before = thread.and_then(|thread| thread.members.get(&wake.agent)).map(|member| member.session_usage);
    let usage =
        usage.map(|usage| if is_session_total { usage.less(before.unwrap_or_default()) } else { usage });
    Ok(usage.filter(|usage| !usage.is_none()).map(|usage| {
        let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
        (Event::WakeUsed { wake_id, thread_id, agent, usage }, usage)
    }))
}
