//! Quotas at a model's service: an agent that has used up its own waits until it is given more, and goes on by itself.

use crate::actor::AgentName;
use crate::agent::Agent;
use crate::facts::{Corrupt, Facts};
use crate::limits::QUOTA_PAUSE_MS_MAX;
use crate::policy::Policy;
use crate::time::Timestamp;

/// That an agent's quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quota {
    /// Until when it waits.
    pub until: Timestamp,
    /// How often in a row it had to.
    pub pauses: u32,
}

/// Until when the agent waits that the model's service just refused; nothing when it had to too often, and the wake has
/// failed.
pub(crate) fn pause(
    policy: &Policy,
    agent: Option<&Agent>,
    reset_in_ms: Option<u64>,
    now: Timestamp,
) -> Option<Timestamp> {
    let pauses = agent.and_then(|agent| agent.quota).map_or(0, |quota| quota.pauses);
    if pauses >= policy.quota_pauses_max {
        return None;
    }
    let told = reset_in_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    // A service that says "at once" is not asked at once again and again.
    let least = policy.retry_backoff_ms.min(policy.quota_pause_ms);
    Some(now.plus_ms(told.unwrap_or(policy.quota_pause_ms).clamp(least, QUOTA_PAUSE_MS_MAX)))
}

/// Until when an agent's wakes wait for its quota.
pub(super) fn agent_waits(agent: &Agent, now: Timestamp) -> Option<Timestamp> {
    agent.quota.map(|quota| quota.until).filter(|until| *until > now)
}

/// A wake waits for its agent's quota. The first that says so counts; others wait for the same.
pub(super) fn paused(facts: &mut Facts, agent: &AgentName, until: Timestamp) -> Result<(), Corrupt> {
    let quota = &mut facts.agent_mut(agent)?.quota;
    let before = quota.unwrap_or(Quota { until: Timestamp::default(), pauses: 0 });
    if until > before.until {
        *quota = Some(Quota { until, pauses: before.pauses.saturating_add(1) });
    }
    Ok(())
}

/// The agent has done a turn again, or is not waited for any longer.
pub(super) fn over(facts: &mut Facts, agent: &AgentName) -> Result<(), Corrupt> {
    // Most have none, and their rows are left alone.
    if facts.agent(agent)?.is_some_and(|agent| agent.quota.is_some()) {
        facts.agent_mut(agent)?.quota = None;
    }
    Ok(())
}
