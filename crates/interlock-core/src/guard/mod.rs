//! Guards: what stops agents that go round in circles. Their counters live in the row they guard and
//! change in the same transaction.

use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Corrupt, Facts};
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, Thread, event_type as et, status_events};
use crate::time::Now;

/// Commits remembered per thread, so that announcing one twice is no progress.
const COMMITS_REMEMBERED_MAX: usize = 64;

/// Events that block the thread when one more finished wake makes too many without progress (S002-82).
pub(crate) fn on_turn(
    facts: &Facts,
    env: &Envelope,
    thread: &Thread,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let turns = thread.guard.turns.saturating_add(1);
    if turns < facts.policy.turns_without_progress_max || thread.status != Status::Active {
        return Ok(());
    }
    let body = format!("{turns} turns brought no progress; a person has to look at it.");
    let change = StatusChange::guard(thread, Reason::NoProgress, &body);
    status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    Ok(())
}

/// Count turns and progress: a change of status, a new commit pushed, or a finding verified.
pub(crate) fn evolve(facts: &mut Facts, event: &Event) -> Result<(), Corrupt> {
    match event {
        Event::WakeFinished { thread_id, result, .. } if result.is_turn() => {
            let guard = &mut facts.thread_mut(*thread_id)?.guard;
            guard.turns = guard.turns.saturating_add(1);
            guard.turns_total = guard.turns_total.saturating_add(1);
        }
        Event::StatusChanged { thread_id, .. } => facts.thread_mut(*thread_id)?.guard.turns = 0,
        Event::MessagePosted { thread_id, message, .. } => {
            match (message.event_type.as_deref(), &message.commit) {
                (Some(et::FIX_PUSHED), Some(commit)) => {
                    let guard = &mut facts.thread_mut(*thread_id)?.guard;
                    if !guard.commits.contains(commit) {
                        guard.turns = 0;
                        guard.commits.push(commit.clone());
                        if guard.commits.len() > COMMITS_REMEMBERED_MAX {
                            guard.commits.remove(0);
                        }
                    }
                }
                (Some(et::FINDING_VERIFIED), _) => facts.thread_mut(*thread_id)?.guard.turns = 0,
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}
