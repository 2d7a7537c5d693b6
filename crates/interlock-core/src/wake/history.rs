//! What a wake remembers of its attempts and of the people who intervened.

use super::{Attempt, Chain, Intervention, Wake};
use crate::event::Event;
use crate::facts::{Corrupt, Facts};
use crate::guard;
use crate::limits::WAKE_ATTEMPTS_KEPT_MAX;
use crate::time::Timestamp;

/// A process was started for it; the wake knows the attempt's number and lane already.
pub(super) fn began(wake: &mut Wake, supervisor: &str, at: Timestamp) {
    let Some(lane) = wake.lane else { return };
    if wake.history.len() >= WAKE_ATTEMPTS_KEPT_MAX {
        wake.history.remove(0);
    }
    wake.history.push(Attempt {
        number: wake.attempts,
        lane,
        supervisor: supervisor.to_owned(),
        at,
        ended_at: None,
        reason: None,
        exit_code: None,
    });
}

/// The attempt is over, if there is one; the wake knows already why and how.
pub(super) fn ended(wake: &mut Wake, at: Timestamp) {
    let (reason, exit_code) = (wake.reason, wake.exit_code);
    if let Some(attempt) = wake.history.last_mut().filter(|attempt| attempt.ended_at.is_none()) {
        (attempt.ended_at, attempt.reason, attempt.exit_code) = (Some(at), reason, exit_code);
    }
}

/// A person asked for it again, or ended it.
pub(super) fn intervened(facts: &mut Facts, event: &Event, at: Timestamp) -> Result<(), Corrupt> {
    match event {
        Event::WakeRetryRequested { wake_id, former, due_at, chain, by, text, text_salt, .. } => {
            let wake = facts.wake_mut(*wake_id)?;
            wake.due_at = *due_at;
            // It waits for nothing any more.
            (wake.deferred_since, wake.due_before) = (None, None);
            wake.reason = wake.reason.filter(|reason| !guard::is_deferral(*reason));
            wake.chain = Chain::joined(wake.chain.take(), chain.clone());
            wake.retries = (*former).or(wake.retries);
            wake.retried = Some(Intervention { by: by.clone(), at, text: text.clone(), salt: text_salt.0 });
        }
        Event::WakeCancelRequested { wake_id, by, text, text_salt, .. } => {
            facts.wake_mut(*wake_id)?.cancelled =
                Some(Intervention { by: by.clone(), at, text: text.clone(), salt: text_salt.0 });
        }
        _ => {}
    }
    Ok(())
}
