//! Whether a wake that is due may be handed out now. A guard never loses one: it puts it off to a time it names, and
//! that uses no attempt.

use super::pace::{MINUTE_MS, Pace};
use crate::decide::Stop;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::thread::Member;
use crate::time::{Now, Timestamp};
use crate::wake::Wake;

/// What becomes of a wake that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is handed out.
    Start,
    /// It waits until then.
    Defer {
        /// For what.
        reason: Reason,
        /// Until when.
        due_at: Timestamp,
    },
}

/// What the guards say to this wake. Of several that put it off the one that does so for longest decides, so that it is
/// put off once.
pub(crate) fn admit(facts: &Facts, wake: &Wake, now: &Now) -> Result<Admission, Stop> {
    let thread = facts.thread(wake.thread_id)?;
    let member = thread.and_then(|thread| thread.members.get(&wake.agent));
    let waits = member.and_then(|member| rate(facts, wake, member, now));
    let longest = waits.into_iter().max_by_key(|(due_at, _)| *due_at);
    Ok(longest.map_or(Admission::Start, |(due_at, reason)| Admission::Defer { reason, due_at }))
}

/// So many wakes a minute. People's wakes are held against people's alone; agents' against all.
fn rate(facts: &Facts, wake: &Wake, member: &Member, now: &Now) -> Option<(Timestamp, Reason)> {
    let max = usize::try_from(facts.policy.wakes_per_minute_max).ok().filter(|max| *max > 0)?;
    let caused = member.pace.caused.iter().filter(|_| wake.chain.is_some());
    let times = member.pace.asked.iter().chain(caused).copied();
    Some((Pace::opens(times, max, MINUTE_MS, now.wall)?, Reason::WakeRateLimited))
}
