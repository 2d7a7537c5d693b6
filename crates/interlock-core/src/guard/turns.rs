//! Turns without progress, and what progress is.

use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::Facts;
use crate::limits::COMMITS_REMEMBERED_MAX;
use crate::reason::Reason;
use crate::thread::{Guard, MessageHead, Status, StatusChange, Thread, event_type as et, status_events};
use crate::time::Now;
use crate::wake::Wake;

/// Events that block the thread when one more finished wake makes too many without progress (S002-82).
pub(crate) fn on_turn(
    facts: &Facts,
    env: &Envelope,
    (thread, wake): (&Thread, &Wake),
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let turns = thread.guard.turns.saturating_add(1);
    if turns < facts.policy.turns_without_progress_max || thread.status != Status::Active {
        return Ok(());
    }
    let body = format!("{turns} turns brought no progress; a person has to look at it.");
    let change = StatusChange::guard(Reason::NoProgress, &body, wake.chain.clone());
    status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    Ok(())
}

/// Whether a message is progress: a new commit pushed, or a finding verified that was not before. A change of status is
/// progress too, unless an agent wished it. Commits alone are not for ever: nobody looks whether they are there.
pub(super) fn is_progress(
    guard: &Guard,
    message: &MessageHead,
    is_verified_again: bool,
    pushes_max: u32,
) -> bool {
    match (message.event_type.as_deref(), &message.commit) {
        (Some(et::FIX_PUSHED), Some(commit)) => {
            !guard.commits.contains(commit) && guard.pushes < u64::from(pushes_max)
        }
        (Some(et::FINDING_VERIFIED), _) => !is_verified_again,
        _ => false,
    }
}

impl Guard {
    pub(super) const fn note_turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
        self.turns_total = self.turns_total.saturating_add(1);
    }

    /// Remember the commit that a message pushed; any other progress lets as many count again.
    pub(super) fn note_commit(&mut self, message: &MessageHead) {
        let is_push = message.event_type.as_deref() == Some(et::FIX_PUSHED);
        self.pushes = if is_push { self.pushes.saturating_add(1) } else { 0 };
        self.commits.extend(message.commit.iter().filter(|_| is_push).cloned());
        if self.commits.len() > COMMITS_REMEMBERED_MAX {
            self.commits.remove(0);
        }
    }
}
