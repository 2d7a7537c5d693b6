//! Rules of the person at the keyboard: a wake waits while somebody is at work in the agent's session, up to a limit, and
//! never enters a session that a person holds. And the way through that session itself: its own hooks name what waits.

use super::claim::deferred;
use super::{Evidence, Wake, WakeState, session};
use crate::actor::AgentName;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::Facts;
use crate::id::SessionId;
use crate::limits::DEFERRAL_GAP_MS_MAX;
use crate::reason::Reason;
use crate::session::Session;
use crate::thread::Thread;
use crate::time::{Now, Timestamp};

/// What follows from the people at work in an agent's sessions.
pub(super) enum Human {
    /// Nobody is in the way.
    Away,
    /// The wake is looked at again then.
    Wait { reason: Reason, due_at: Timestamp },
    /// It has waited for long enough: it goes on without this session, which a person holds, where there is one.
    GoOn(Option<SessionId>),
}

/// Whether a person is in the way of this wake.
pub(super) fn look(facts: &Facts, wake: &Wake, now: &Now) -> Result<Human, Stop> {
    if wake.is_override {
        return Ok(Human::Away);
    }
    let policy = &facts.policy;
    let is_in_way = |session: &&Session| session.agent == wake.agent && session.is_held(policy, now.wall);
    let held: Vec<&Session> = facts.terminals()?.filter(is_in_way).collect();
    let Some(first) = held.first() else { return Ok(Human::Away) };
    let is_told = |session: &&&Session| session.is_busy_with(wake.thread_id, wake.seq);
    if let Some(told) = held.iter().find(is_told) {
        // It does what the wake is for: nobody does the same beside it as long as its turn is believed to run.
        let until = told.activity_at.plus_ms(policy.human_turn_ms_max);
        let due_at = until.min(now.wall.plus_ms(policy.ack_timeout_ms));
        return Ok(Human::Wait { reason: Reason::ToldByHook, due_at });
    }
    let until = wake.waited_since(now.wall).unwrap_or(now.wall).plus_ms(policy.session_defer_max_ms);
    if until > now.wall {
        let due_at = until.min(now.wall.plus_ms(policy.session_recheck_ms));
        return Ok(Human::Wait { reason: Reason::HumanActive, due_at });
    }
    let bound = session::bound(facts, wake)?;
    let is_theirs = bound.is_none_or(|id| held.iter().any(|session| session.session_id == Some(id)));
    Ok(Human::GoOn(bound.or(first.session_id).filter(|_| is_theirs)))
}

/// A session of the agent is told by its own hooks that something waits in the thread: the wake that waits for it is due
/// again when the agent does not acknowledge in time. Whether the session heard it nobody knows before: the hook may have
/// given up. Once for the same messages: whoever did not listen is not asked for ever.
pub(crate) fn on_hook(
    facts: &Facts,
    thread: &Thread,
    agent: &AgentName,
    now: &Now,
) -> Result<Vec<Event>, Stop> {
    let waits = |wake: &&Wake| {
        let is_claimed = facts.lease(wake.wake_id).is_some_and(|lease| lease.until > now.wall);
        wake.agent == *agent
            && wake.state == WakeState::Pending
            && !wake.held
            && !wake.is_in_doubt()
            && !is_claimed
            && !wake.is_told()
    };
    let Some(wake) = facts.thread_wakes(thread.thread_id)?.find(waits) else { return Ok(Vec::new()) };
    let due_at = now.wall.plus_ms(facts.policy.ack_timeout_ms);
    Ok(vec![deferred(wake, Reason::ToldByHook, due_at)])
}

impl Wake {
    /// Since when it has waited for its session without a break. While nobody looks, because all are stopped or no
    /// supervisor is there, it waits for something else. That too many fallbacks run is no break: it has done its waiting.
    pub(super) fn waited_since(&self, now: Timestamp) -> Option<Timestamp> {
        let is_looked_at = now.ms_since(self.due_at) <= DEFERRAL_GAP_MS_MAX;
        self.deferred_since.filter(|_| is_looked_at || self.reason == Some(Reason::FallbackLimit))
    }

    /// It waits for something else than its session, and whatever was allowed for now is over: a person who is there when
    /// it is due again is asked first, and waited for anew.
    pub(super) const fn waits_for_else(&mut self) {
        self.deferred_since = None;
        self.is_override = false;
    }

    /// Whether a session of the agent was told of everything it is for: by its own hooks, or in the turn that ran.
    pub(super) fn is_told(&self) -> bool {
        let has_heard = self.ladder.told_at.is_some() || self.ladder.evidence == Some(Evidence::Turn);
        self.state == WakeState::Pending && has_heard
    }
}
