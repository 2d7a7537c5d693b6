//! Rules of wakes that nobody can take: no supervisor calls, or none that has the label. Claims cannot find that out, so it
//! is looked for by itself, and a person is told once.

use super::supervisors::is_anybody_there;
use super::{Wake, WakeState};
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::WakeId;
use crate::policy::Policy;
use crate::thread;
use crate::time::{Now, Timestamp};

impl Wake {
    /// When somebody is to be told that nobody takes it; nothing when that is not to be, or was done.
    pub fn stranded_at_the_earliest(&self, policy: &Policy) -> Option<Timestamp> {
        let waits = self.state == WakeState::Pending && !self.held && self.stranded_at.is_none();
        (waits && policy.stranded_after_ms > 0).then(|| self.due_at.plus_ms(policy.stranded_after_ms))
    }
}

/// Whoever answers for the thread is told that a wake waits in vain. Nobody waits in vain while a supervisor is there that
/// may have it, however busy, or while a person has stopped all agents.
pub(crate) fn note_stranded(
    facts: &Facts,
    env: &Envelope,
    wake_id: WakeId,
    now: &Now,
) -> Result<Decision, Stop> {
    let Some(wake) = facts.wake(wake_id)? else { return Ok(Decision::unchanged()) };
    let is_early = wake.stranded_at_the_earliest(&facts.policy).is_none_or(|at| at > now.wall);
    let is_held = facts.lease(wake_id).is_some_and(|lease| lease.until > now.wall);
    let on = wake.on.as_ref();
    if is_early
        || is_held
        || facts.halt()?.is_some()
        || is_anybody_there(&facts.policy, facts.supervisors()?, on, now.wall)
    {
        return Ok(Decision::unchanged());
    }
    let Some(thread) = facts.thread(wake.thread_id)? else { return Ok(Decision::unchanged()) };
    let (thread_id, agent) = (wake.thread_id, wake.agent.clone());
    let mut events = vec![Event::WakeStranded { wake_id, thread_id, agent, on: wake.on.clone() }];
    let lacks = on.map_or_else(String::new, |label| format!(" with the label `{label}`"));
    let body = format!(
        "`{}` is to be woken since {}, and no supervisor{lacks} is there. See: interlock status",
        wake.agent, wake.due_at
    );
    thread::tell_of_stranded(facts, env, thread, (wake, &body), now, &mut events)?;
    Ok(Decision::of(events))
}
