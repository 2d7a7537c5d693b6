//! Rules of how the next attempt at a wake gets in: in which session or none, and through which door.

use super::claim::deferred;
use super::door::{self, Door};
use super::human::{self, Human};
use super::session;
use super::{Capability, Wake, WakeState};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::time::Now;

/// How the next attempt at a wake gets in.
pub(super) enum Entry {
    /// Through this door, after these events.
    Through {
        door: Door,
        /// It runs in a session that is begun in the place of another.
        is_fallback: bool,
        first: Vec<Event>,
    },
    /// Not now, after these events.
    Later { first: Vec<Event> },
}

impl Wake {
    /// Whether it runs, or is to run, in a session that is begun in the place of another one.
    pub fn is_fallback_run(&self) -> bool {
        let gave_up =
            |change: &super::DoorChange| change.to == Door::Spawn && change.reason != Reason::DoorUnavailable;
        self.is_fallback || self.door_changes.iter().any(gave_up)
    }

    /// Whether it waits because too many such sessions run.
    pub(super) fn is_put_off_as_fallback(&self) -> bool {
        self.reason == Some(Reason::FallbackLimit) && self.is_fallback_run()
    }
}

/// How many agents run, or are about to run, in sessions begun in the place of others.
pub(super) fn fallbacks_running(facts: &Facts) -> Result<u32, Stop> {
    let is_held = |wake: &Wake| facts.lease(wake.wake_id).is_some_and(|lease| !lease.is_over());
    let runs = |wake: &&Wake| wake.state == WakeState::Running || is_held(wake);
    let count = facts.live_wakes()?.filter(runs).filter(|wake| wake.is_fallback_run()).count();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Whether no more of them may be begun.
pub(super) fn is_full(facts: &Facts) -> bool {
    fallbacks_running(facts).is_ok_and(|running| running >= facts.policy.fallbacks_running_max)
}

/// The way in for this wake by a supervisor that knows these doors, while so many fallbacks run.
pub(super) fn of(
    facts: &Facts,
    wake: &Wake,
    known: &[Door],
    fallbacks: u32,
    now: &Now,
) -> Result<Entry, Stop> {
    // What a later claim loads; a thread's row is not there for a wake that is not among the first.
    let (Ok(Some(thread)), Ok(Some(agent))) = (facts.thread(wake.thread_id), facts.agent(&wake.agent)) else {
        return Ok(Entry::Later { first: Vec::new() });
    };
    let member = thread.members.get(&wake.agent);
    if wake.in_doubt_since.is_some() {
        // It was begun through this one, and there it is looked for.
        let door = wake.door.unwrap_or(Door::Live);
        return Ok(Entry::Through { door, is_fallback: wake.is_fallback_run(), first: Vec::new() });
    }
    let held = match human::look(facts, wake, now)? {
        Human::Away => None,
        Human::Wait { reason, due_at } => {
            return Ok(Entry::Later { first: vec![deferred(wake, reason, due_at)] });
        }
        Human::GoOn(held) => held,
    };
    let has_session = member.is_some_and(|member| member.session.is_some());
    let door = door::next(agent.runtime, wake, has_session, known);
    let unfit = member.map(|member| session::unfit(facts, wake, member, now)).transpose()?.flatten();
    let (door, mut first) = match (held, unfit) {
        (Some(id), _) => (Door::Spawn, session::pass_over(wake, door, id, Reason::HumanActive)),
        (None, Some(reason)) => (Door::Spawn, session::give_up(facts, wake, door, reason)?),
        (None, None) => (door, left_behind(wake, door)),
    };
    let is_fallback = wake.is_fallback_run() || held.is_some() || unfit.is_some();
    if is_fallback && door == Door::Spawn && fallbacks >= facts.policy.fallbacks_running_max {
        if !wake.is_put_off_as_fallback() {
            // It stays due: the end of another one is what it waits for.
            first.push(deferred(wake, Reason::FallbackLimit, now.wall));
        }
        return Ok(Entry::Later { first });
    }
    debug_assert!(Capability::of(agent.runtime, door).is_some(), "{door} into {}", agent.runtime);
    Ok(Entry::Through { door, is_fallback, first })
}

/// A wake whose last attempt went through a door that this supervisor does not know goes on through a lesser one.
fn left_behind(wake: &Wake, door: Door) -> Vec<Event> {
    let before =
        wake.door.filter(|before| *before < door && *before == Door::Live && !wake.has_left(*before));
    before.map(|from| door::changed(wake, from, door, Reason::DoorUnavailable)).into_iter().collect()
}
