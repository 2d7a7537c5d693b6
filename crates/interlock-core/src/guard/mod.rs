//! Guards: what stops agents that go round in circles, and what keeps them from storms. Their counters live in the row
//! they guard and change in the same transaction.

mod admission;
mod causal;
mod pace;
mod turns;

pub(crate) use admission::{Admission, admit};
pub(crate) use causal::{chain, chain_keys};
pub use pace::Pace;
pub(crate) use turns::on_turn;

use crate::event::Event;
use crate::facts::{Corrupt, Facts, Position};
use crate::id::ThreadId;
use crate::reason::Reason;
use crate::thread::MessageHead;
use crate::time::Timestamp;

/// Whether a wake that waits for this is put off, and has not failed.
pub const fn is_deferral(reason: Reason) -> bool {
    matches!(reason, Reason::WakeRateLimited | Reason::SessionBusy | Reason::FallbackLimit)
}

/// Whether only wakes that agents alone caused wait for this: a person who asks too ends it.
pub(crate) const fn is_for_agents_alone(reason: Reason) -> bool {
    matches!(reason, Reason::WakeRateLimited)
}

/// Count what happens; others' events are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    let at = position.at.at;
    match event {
        Event::WakeFinished { thread_id, result, .. } if result.is_turn() => {
            facts.thread_mut(*thread_id)?.guard.note_turn();
        }
        Event::StatusChanged { thread_id, .. } => progress(facts, *thread_id, at)?,
        Event::MessagePosted { thread_id, message, .. } => posted(facts, *thread_id, message, at)?,
        Event::WakeDispatched { wake_id, thread_id, agent, .. } => {
            let is_caused = facts.wake(*wake_id)?.is_some_and(|wake| wake.chain.is_some());
            if let Some(member) = facts.thread_mut(*thread_id)?.members.get_mut(agent) {
                member.pace.note(at, is_caused);
            }
        }
        _ => {}
    }
    Ok(())
}

fn posted(
    facts: &mut Facts,
    thread_id: ThreadId,
    message: &MessageHead,
    at: Timestamp,
) -> Result<(), Corrupt> {
    if turns::is_progress(&facts.thread_mut(thread_id)?.guard, message) {
        facts.thread_mut(thread_id)?.guard.note_commit(message);
        progress(facts, thread_id, at)?;
    }
    Ok(())
}

/// A thread got on: what is counted since the last progress is counted anew.
fn progress(facts: &mut Facts, thread_id: ThreadId, at: Timestamp) -> Result<(), Corrupt> {
    let guard = &mut facts.thread_mut(thread_id)?.guard;
    guard.turns = 0;
    guard.progress_at = Some(at);
    causal::restart(facts, thread_id, at)
}
