//! Rules of what cannot wait: an urgent message for an agent whose turn runs already in a session that can be told.
//!
//! Its wake waits like any other until the agent is free. Meanwhile the supervisor that runs the turn is told, and says
//! when the turn has taken it in: then the wake counts as accepted and waits for the acknowledgement. When the turn takes
//! nothing, or nothing comes of it, the wake is due as if nobody had tried.

use super::report::expect_state;
use super::{Door, Evidence, Lease, Wake, WakeState};
use crate::command::ClaimWakes;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Effect, Facts};
use crate::id::WakeId;
use crate::reason::Reason;
use crate::time::{Now, Timestamp};

/// What a turn that runs is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urgent {
    /// The wake whose turn runs.
    pub running: WakeId,
    /// The wake that cannot wait: of the same agent, for the same thread.
    pub wake: Wake,
}

/// What the turns that this life of a supervisor runs are to be told of; each message once.
pub(super) fn to_tell(
    facts: &Facts,
    command: &ClaimWakes,
    now: &Now,
    effects: &mut Vec<Effect>,
) -> Result<Vec<Urgent>, Stop> {
    let mut told = Vec::new();
    if !command.doors.contains(&Door::Live) {
        return Ok(told);
    }
    let live: Vec<&Wake> = facts.live_wakes()?.collect();
    for running in &live {
        let holds = |lease: &&Lease| {
            lease.supervisor == command.supervisor && lease.incarnation == command.incarnation
        };
        let Some(lease) = facts.lease(running.wake_id).filter(holds) else { continue };
        let found = waiting(running, lease, live.iter().copied(), now.wall);
        if let Some(wake) = found.filter(|wake| wake.seq > lease.urgent_seq) {
            effects.push(Effect::Lease(Lease { urgent_seq: wake.seq, ..lease.clone() }));
            told.push(Urgent { running: running.wake_id, wake: wake.clone() });
        }
    }
    Ok(told)
}

/// The urgent wake among these that the turn of this one can be told of.
pub(super) fn waiting<'a>(
    running: &Wake,
    lease: &Lease,
    mut among: impl Iterator<Item = &'a Wake>,
    now: Timestamp,
) -> Option<&'a Wake> {
    let is_told = running.ladder.accepted_at.is_some()
        && running.cancelled.is_none()
        && lease.door == Some(Door::Live)
        && is_through_live(running);
    among.find(|wake| is_told && may_be_told(running, wake, now))
}

fn may_be_told(running: &Wake, wake: &Wake, now: Timestamp) -> bool {
    wake.is_urgent
        && wake.state == WakeState::Pending
        && !wake.held
        && wake.due_at <= now
        && wake.over(now).is_none()
        && (&wake.agent, wake.thread_id) == (&running.agent, running.thread_id)
}

/// Whether it was told to a server of its runtime, whose turns can be told more.
pub(super) fn is_through_live(wake: &Wake) -> bool {
    wake.state == WakeState::Running && wake.door == Some(Door::Live)
}

/// Whether a turn that runs may be told of this wake: its words then are no person's.
pub(crate) fn is_for_a_turn(facts: &Facts, wake: &Wake) -> Result<bool, Stop> {
    let mut wakes = facts.thread_wakes(wake.thread_id)?;
    Ok(wakes.any(|running| running.agent == wake.agent && is_through_live(running)))
}

/// The turn of a wake has taken in that another one cannot wait.
pub(super) fn taken_in(
    facts: &Facts,
    running: &Wake,
    (id, seq): (WakeId, u64),
    now: &Now,
) -> Result<Decision, Stop> {
    expect_state(running, WakeState::Running)?;
    let mut wakes = facts.thread_wakes(running.thread_id)?;
    let wake = wakes.find(|wake| wake.wake_id == id && wake.agent == running.agent);
    // One that is over is not among them: the agent may have acknowledged before this report came.
    let Some(wake) = wake else { return Ok(Decision::unchanged()) };
    // A later message that it was not told of is due all the same; and a hook may have told it too.
    let is_told = wake.is_told() && wake.due_at > now.wall;
    if wake.state != WakeState::Pending || wake.seq > seq || is_told {
        return Ok(Decision::unchanged());
    }
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    let due_at = now.wall.plus_ms(facts.policy.ack_timeout_ms);
    Ok(Decision::of(vec![
        Event::WakeAccepted { wake_id, thread_id, agent: agent.clone(), evidence: Evidence::Turn },
        Event::WakeDeferred { wake_id, thread_id, agent, reason: Reason::ToldInTurn, due_at },
    ]))
}
