//! Whether a wake that is due may be handed out now. A guard never loses one: it puts it off to a time it names, and
//! that uses no attempt.

use super::pace::{MINUTE_MS, Pace};
use super::{quota, spend};
use crate::agent::Agent;
use crate::decide::Stop;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::thread::{Guard, Member};
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

/// Until when a wake waits, and for what.
type Wait = (Timestamp, Reason);

/// What the guards say to this wake. Of several that put it off the one that does so for longest decides, so that it is
/// put off once.
pub(crate) fn admit(facts: &Facts, wake: &Wake, now: &Now) -> Result<Admission, Stop> {
    let longest = waits(facts, wake, now.wall)?.into_iter().max_by_key(|(due_at, _)| *due_at);
    Ok(longest.map_or(Admission::Start, |(due_at, reason)| Admission::Defer { reason, due_at }))
}

/// Takes out of the wakes that are due those that a storm of agents' wakes has to put off, given in their order: people's
/// do not wait for it.
pub(crate) fn surplus(policy: &Policy, due: &mut Vec<Wake>) -> Vec<Wake> {
    let mut caused = 0_u32;
    let max = policy.backlog_wakes_max;
    let is_too_many = |wake: &mut Wake| {
        let is_caused = wake.is_by_agents_alone();
        caused = caused.saturating_add(u32::from(is_caused));
        max > 0 && is_caused && caused > max
    };
    due.extract_if(.., is_too_many).collect()
}

/// When they are due again.
pub(crate) fn after_storm(policy: &Policy, now: &Now) -> Timestamp {
    now.wall.plus_ms(policy.backlog_cooldown_ms)
}

/// What this wake waits for, when something does.
fn waits(facts: &Facts, wake: &Wake, now: Timestamp) -> Result<Vec<Wait>, Stop> {
    let policy = &facts.policy;
    let mut waits = Vec::new();
    if let Some(agent) = facts.agent(&wake.agent)? {
        waits.extend(of_agent(policy, agent, now));
    }
    if let Some(thread) = facts.thread(wake.thread_id)?
        && let Some(member) = thread.members.get(&wake.agent)
    {
        waits.extend(rate(policy, wake, member, now));
        waits.extend(budget(policy, wake, &thread.guard, member, now));
    }
    Ok(waits)
}

/// What the agent itself waits for, whoever asks: it could not work, or may not cost more.
fn of_agent(policy: &Policy, agent: &Agent, now: Timestamp) -> impl Iterator<Item = Wait> {
    let quota = quota::agent_waits(agent, now).map(|until| (until, Reason::ModelQuota));
    let spent = spend::agent_waits(policy, agent, now).map(|until| (until, Reason::BudgetSpent));
    quota.into_iter().chain(spent)
}

/// So many wakes a minute. People's wakes are held against people's alone; agents' against all.
fn rate(policy: &Policy, wake: &Wake, member: &Member, now: Timestamp) -> Option<Wait> {
    let max = usize::try_from(policy.wakes_per_minute_max).ok().filter(|max| *max > 0)?;
    let caused = member.pace.caused.iter().filter(|_| wake.is_by_agents_alone());
    let times = member.pace.asked.iter().chain(caused).copied();
    Some((Pace::opens(times, max, MINUTE_MS, now)?, Reason::WakeRateLimited))
}

/// So many wakes by agents alone while nothing gets on and no person says anything, and not too close together.
fn budget(policy: &Policy, wake: &Wake, guard: &Guard, member: &Member, now: Timestamp) -> Option<Wait> {
    if !wake.is_by_agents_alone() {
        return None;
    }
    let counts = |at: &&Timestamp| guard.attended_at.is_none_or(|since| **at >= since);
    let times = || member.pace.caused.iter().filter(counts).copied();
    let max = usize::try_from(policy.auto_wakes_max).ok().filter(|max| *max > 0);
    let full = max.and_then(|max| Pace::opens(times(), max, policy.auto_wake_window_ms, now));
    let soon = Pace::opens(times(), 1, policy.auto_wake_interval_ms, now);
    let until = full.into_iter().chain(soon).max()?;
    Some((until, Reason::AutoWakeBudget))
}
