//! Guards: what stops agents that go round in circles, and what keeps them from storms. Their counters live in the row
//! they guard and change in the same transaction.

mod admission;
mod causal;
mod pace;
mod quota;
mod repeat;
mod spend;
mod tripped;
mod turns;

pub(crate) use admission::{Admission, admit, after_storm, surplus};
pub(crate) use causal::{chain, chain_keys, is_agent_anywhere};
pub use pace::Pace;
pub use quota::Quota;
pub(crate) use quota::pause;
pub use repeat::Said;
pub(crate) use repeat::print;
pub use spend::Spent;
pub(crate) use spend::on_usage;
pub(crate) use tripped::{Posted, on_post, on_trigger};
pub(crate) use turns::on_turn;

use crate::agent::Agent;
use crate::event::Event;
use crate::facts::{Corrupt, Facts, Position};
use crate::id::{ThreadId, WakeId};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::thread::Status;
use crate::time::Timestamp;
use crate::wake::{Usage, Wake, WakeResult, WakeState};

/// What a wake may be put off for.
pub const DEFERRALS: [Reason; 10] = [
    Reason::WakeRateLimited,
    Reason::AutoWakeBudget,
    Reason::WakeBacklog,
    Reason::ModelQuota,
    Reason::BudgetSpent,
    Reason::SessionBusy,
    Reason::HumanActive,
    Reason::ToldByHook,
    Reason::ToldInTurn,
    Reason::FallbackLimit,
];

/// Whether a wake that waits for this is put off, and has not failed.
pub fn is_deferral(reason: Reason) -> bool {
    DEFERRALS.contains(&reason)
}

/// Until when nothing wakes an agent because what it may use up is used up: its quota, or its tokens of the day.
pub fn spent_until(policy: &Policy, agent: &Agent, now: Timestamp) -> Option<(Reason, Timestamp)> {
    let quota = quota::agent_waits(agent, now).map(|until| (Reason::ModelQuota, until));
    let day = spend::agent_waits(policy, agent, now).map(|until| (Reason::BudgetSpent, until));
    [quota, day].into_iter().flatten().max_by_key(|(_, until)| *until)
}

/// Whether only wakes that agents alone caused wait for this: a person who asks too ends it.
pub(crate) const fn is_for_agents_alone(reason: Reason) -> bool {
    matches!(reason, Reason::WakeRateLimited | Reason::AutoWakeBudget | Reason::WakeBacklog)
}

/// Count what happens; others' events are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    let at = position.at.at;
    match event {
        Event::WakeFinished { thread_id, agent, result, reason, .. } => {
            if result.is_turn() {
                facts.thread_mut(*thread_id)?.guard.note_turn();
            }
            let is_given_up = *result == WakeResult::Failed && *reason == Some(Reason::ModelRateLimited);
            let has_run = matches!(
                result,
                WakeResult::Triggered | WakeResult::FallbackResumed | WakeResult::FallbackSpawned
            );
            if is_given_up || has_run {
                quota::over(facts, agent)?;
            }
        }
        // An agent that leads grants itself nothing.
        Event::StatusChanged { is_agents: true, .. } => {}
        Event::StatusChanged { thread_id, from, to, .. } => {
            if *from == Status::Blocked && *to == Status::Active {
                let guard = &mut facts.thread_mut(*thread_id)?.guard;
                (guard.spent, guard.pushes) = (Usage::NONE, 0);
            }
            progress(facts, *thread_id, at)?;
        }
        Event::MessagePosted { .. } => posted(facts, event, at)?,
        Event::WakeDispatched { wake_id, thread_id, agent, .. } => {
            let is_caused = facts.wake(*wake_id)?.is_some_and(Wake::is_by_agents_alone);
            if let Some(member) = facts.thread_mut(*thread_id)?.members.get_mut(agent) {
                member.pace.note(at, is_caused);
            }
        }
        Event::WakeDeferred { agent, reason: Reason::ModelQuota, due_at, .. } => {
            quota::paused(facts, agent, *due_at)?;
        }
        Event::WakeUsed { thread_id, agent, usage, .. } => {
            spend::used(facts, *thread_id, agent, *usage, at)?;
        }
        _ => {}
    }
    Ok(())
}

/// A wake waits again without having lost an attempt: if its process was started, that is no wake that was dispatched.
pub(crate) fn not_begun(facts: &mut Facts, wake_id: WakeId) -> Result<(), Corrupt> {
    let Some(wake) = facts.wake(wake_id)?.filter(|wake| wake.state == WakeState::Running) else {
        return Ok(());
    };
    let (thread_id, agent, dispatched_at) = (wake.thread_id, wake.agent.clone(), wake.ladder.dispatched_at);
    if let Some(at) = dispatched_at
        && let Some(member) = facts.thread_mut(thread_id)?.members.get_mut(&agent)
    {
        member.pace.take_back(at);
    }
    Ok(())
}

fn posted(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    let Event::MessagePosted { thread_id, message, said_print, is_verified_again, .. } = event else {
        return Ok(());
    };
    let pushes_max = facts.policy.commits_as_progress_max;
    let guard = &mut facts.thread_mut(*thread_id)?.guard;
    if turns::is_progress(guard, message, *is_verified_again, pushes_max) {
        guard.note_commit(message);
        progress(facts, *thread_id, at)?;
    } else if message.is_from_outside() {
        guard.pushes = 0;
        attended(facts, *thread_id, at)?;
    }
    if let Some(print) = *said_print
        && let Some(member) = facts.thread_mut(*thread_id)?.members.get_mut(&message.from)
    {
        member.said = Some(Said::then(member.said, print));
    }
    Ok(())
}

/// A thread got on: what is counted since the last progress is counted anew.
fn progress(facts: &mut Facts, thread_id: ThreadId, at: Timestamp) -> Result<(), Corrupt> {
    let guard = &mut facts.thread_mut(thread_id)?.guard;
    guard.turns = 0;
    guard.progress_at = Some(at);
    causal::restart(facts, thread_id, at)?;
    attended(facts, thread_id, at)
}

/// A thread got on, or a person looks after it: agents may say and cause as much as before, and what was put off for
/// that is due.
fn attended(facts: &mut Facts, thread_id: ThreadId, at: Timestamp) -> Result<(), Corrupt> {
    let thread = facts.thread_mut(thread_id)?;
    thread.guard.attended_at = Some(at);
    thread.members.values_mut().for_each(|member| member.said = None);
    let wakes = facts.thread_wakes(thread_id)?;
    let put_off: Vec<WakeId> =
        wakes.filter(|wake| wake.reason == Some(Reason::AutoWakeBudget)).map(|wake| wake.wake_id).collect();
    for wake_id in put_off {
        facts.wake_mut(wake_id)?.is_due_again();
    }
    Ok(())
}
