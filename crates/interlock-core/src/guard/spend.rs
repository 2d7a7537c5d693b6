//! Budgets of tokens and cost, from what the runtimes themselves report: no model watches over them.

use crate::actor::AgentName;
use crate::agent::Agent;
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Corrupt, Facts};
use crate::id::ThreadId;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::thread::{Status, StatusChange, Thread, status_events};
use crate::time::{Now, Timestamp};
use crate::wake::{Usage, Wake};

/// The window of `agent_tokens_per_day_max`.
const DAY_MS: i64 = 86_400_000;

/// What an agent's models used within a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spent {
    /// When the day began: with the first use after the day before it was over.
    pub since: Timestamp,
    /// Tokens read and written.
    pub tokens: u64,
}

impl Spent {
    /// When the day is over.
    pub const fn until(&self) -> Timestamp {
        self.since.plus_ms(DAY_MS)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until() <= now
    }

    fn then(before: Option<Self>, tokens: u64, at: Timestamp) -> Self {
        let today = before.filter(|spent| !spent.is_over(at)).unwrap_or(Self { since: at, tokens: 0 });
        Self { tokens: today.tokens.saturating_add(tokens), ..today }
    }
}

/// Until when an agent's wakes wait because its tokens of the day are spent.
pub(super) fn agent_waits(policy: &Policy, agent: &Agent, now: Timestamp) -> Option<Timestamp> {
    let max = limit(policy.agent_tokens_per_day_max)?;
    let spent = agent.spent.filter(|spent| spent.tokens >= max && !spent.is_over(now))?;
    Some(spent.until())
}

/// The limit that a constant sets; 0 sets none.
fn limit(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|max| *max > 0)
}

/// A wake used so much.
pub(super) fn used(
    facts: &mut Facts,
    thread_id: ThreadId,
    agent: &AgentName,
    usage: Usage,
    at: Timestamp,
) -> Result<(), Corrupt> {
    let guard = &mut facts.thread_mut(thread_id)?.guard;
    guard.spent = guard.spent.plus(usage);
    guard.spent_total = guard.spent_total.plus(usage);
    let agent = facts.agent_mut(agent)?;
    agent.spent = Some(Spent::then(agent.spent, usage.tokens(), at));
    Ok(())
}

/// Events that block the thread when what was just used takes it to the end of its budget.
pub(crate) fn on_usage(
    facts: &Facts,
    env: &Envelope,
    wake: &Wake,
    usage: Usage,
    now: &Now,
    events: &mut Vec<Event>,
) -> Result<(), Stop> {
    let Some(thread) = facts.thread(wake.thread_id)? else { return Ok(()) };
    let is_blocked = |event: &Event| matches!(event, Event::StatusChanged { .. });
    if thread.status != Status::Active || events.iter().any(is_blocked) {
        return Ok(());
    }
    if let Some(text) = overdrawn(&facts.policy, thread, usage) {
        let change = StatusChange::guard(Reason::BudgetSpent, &text, wake.chain.clone());
        status_events(facts, env, thread, &change, thread.seq + 1, now, events)?;
    }
    Ok(())
}

/// What is to be said of a thread whose budget this ends.
fn overdrawn(policy: &Policy, thread: &Thread, usage: Usage) -> Option<String> {
    let spent = thread.guard.spent.plus(usage);
    let (tokens, cost) = (spent.tokens(), spent.cost_micro_usd.unwrap_or_default());
    let over = |spent: u64, max: i64| limit(max).filter(|max| spent >= *max);
    let what = match (over(tokens, policy.thread_tokens_max), over(cost, policy.thread_cost_micro_usd_max)) {
        (Some(max), _) => format!("{tokens} tokens were used, the budget is {max}"),
        (None, Some(max)) => format!("{cost} millionths of a US dollar were spent, the budget is {max}"),
        (None, None) => return None,
    };
    Some(format!("The thread's budget is spent: {what}. Letting it go on grants the same once more."))
}
