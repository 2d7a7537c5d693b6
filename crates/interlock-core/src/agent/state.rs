//! What an agent does now: derived from durable rows when somebody looks.

use super::Agent;
use crate::actor::{AgentName, closed_set};
use crate::id::{ThreadId, WakeId};
use crate::limits::PRESENT_MS;
use crate::reason::Reason;
use crate::time::Timestamp;
use crate::wake::{Halt, Wake, WakeState};

closed_set! {
    /// What an agent does now.
    AgentState {
        /// It waits for something to be said to it.
        Dormant = "dormant",
        /// Its process runs, or it says of itself that it is at work.
        Active = "active",
        /// A person is at its keyboard, so that it is not woken.
        HumanActive = "human_active",
        /// It has something to do, and showed no sign of life for so long that it begins anew.
        Stale = "stale",
        /// What it may use up is used up.
        BlockedByBudget = "blocked_by_budget",
        /// It is to be woken: later, or as soon as there is room.
        Waiting = "waiting",
        /// A person stopped all agents.
        Stopped = "stopped",
    }
}

/// What an agent does now, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub state: AgentState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Until when at the earliest, where that is known.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<Reason>,
    /// Whose doing it is.
    pub by: Option<AgentName>,
    /// The wake that says so.
    pub wake_id: Option<WakeId>,
    /// The thread that it is about.
    pub thread_id: Option<ThreadId>,
}

/// What is known of an agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs<'a> {
    /// The one of its wakes that counts: the running one, else the first that is due and not held back, else the first
    /// that is held back.
    pub wake: Option<&'a Wake>,
    /// Its last wake that is over.
    pub last: Option<&'a Wake>,
    /// That all agents are stopped.
    pub halt: Option<&'a Halt>,
    /// When it last said of itself that it is there, and whether it is at work.
    pub heard: Option<(Timestamp, bool)>,
    /// Since when a person is at work in a session of it.
    pub human: Option<Timestamp>,
    /// When the session that it would be woken in last showed a sign of life, and after how long it is not resumed.
    pub session: Option<(Timestamp, i64)>,
    /// Why nothing wakes it before then: what it may use up is used up.
    pub spent: Option<(Reason, Timestamp)>,
    /// Why the thread of a wake that is held back is not active.
    pub held_for: Option<Reason>,
}

/// What the agent does.
pub fn standing(agent: &Agent, signs: &Signs<'_>, now: Timestamp) -> Standing {
    if let Some(wake) = signs.wake.filter(|wake| wake.state == WakeState::Running) {
        return of_wake(AgentState::Active, wake, wake.ladder.dispatched_at);
    }
    if let Some(halt) = signs.halt.filter(|_| agent.is_managed()) {
        let (since, by) = (Some(halt.at), Some(halt.by.clone()));
        return Standing { since, by, reason: Some(Reason::Halted), ..bare(AgentState::Stopped) };
    }
    if let Some(wake) = signs.wake {
        return waiting(wake, signs, now);
    }
    if signs.human.is_some() {
        return Standing { since: signs.human, ..bare(AgentState::HumanActive) };
    }
    match signs.heard {
        Some((at, true)) if now.ms_since(at) <= PRESENT_MS => {
            Standing { since: Some(at), ..bare(AgentState::Active) }
        }
        heard => quiet(agent, signs, heard),
    }
}

/// It is to be woken; why that has not happened yet says what is the matter.
fn waiting(wake: &Wake, signs: &Signs<'_>, now: Timestamp) -> Standing {
    if wake.held {
        let (state, reason) = match signs.held_for {
            Some(Reason::BudgetSpent) => (AgentState::BlockedByBudget, Reason::BudgetSpent),
            _ => (AgentState::Waiting, Reason::ThreadWrongStatus),
        };
        return Standing { reason: Some(reason), ..of_wake(state, wake, Some(wake.requested_at)) };
    }
    if let Some((reason, until)) = signs.spent {
        let standing = of_wake(AgentState::BlockedByBudget, wake, Some(wake.requested_at));
        return Standing { reason: Some(reason), until: Some(until), ..standing };
    }
    let since = wake.deferred_since.or(Some(wake.requested_at));
    let until = Some(wake.due_at).filter(|due| *due > now);
    let reason = wake.reason.filter(|_| until.is_some());
    let state = match reason {
        // Whoever keeps its session busy is mostly a person.
        Some(Reason::SessionBusy | Reason::HumanActive) => AgentState::HumanActive,
        Some(Reason::BudgetSpent | Reason::ModelQuota) => AgentState::BlockedByBudget,
        None if is_stale(signs, now) => AgentState::Stale,
        _ => AgentState::Waiting,
    };
    Standing { until, reason, ..of_wake(state, wake, since) }
}

/// Whether the session that it would be woken in is not resumed any more.
fn is_stale(signs: &Signs<'_>, now: Timestamp) -> bool {
    signs.session.is_some_and(|(at, stale_ms)| now.ms_since(at) > stale_ms)
}

/// Nothing of it is to be seen, and nothing waits for it.
fn quiet(agent: &Agent, signs: &Signs<'_>, heard: Option<(Timestamp, bool)>) -> Standing {
    if let Some((reason, until)) = signs.spent {
        let (reason, until) = (Some(reason), Some(until));
        return Standing { until, reason, ..bare(AgentState::BlockedByBudget) };
    }
    if let Some((at, false)) = heard {
        return Standing { since: Some(at), ..bare(AgentState::Dormant) };
    }
    match signs.last {
        Some(wake) => of_wake(AgentState::Dormant, wake, wake.ladder.finished_at),
        None => Standing { since: Some(agent.created_at), ..bare(AgentState::Dormant) },
    }
}

const fn bare(state: AgentState) -> Standing {
    Standing { state, since: None, until: None, reason: None, by: None, wake_id: None, thread_id: None }
}

fn of_wake(state: AgentState, wake: &Wake, since: Option<Timestamp>) -> Standing {
    Standing { since, wake_id: Some(wake.wake_id), thread_id: Some(wake.thread_id), ..bare(state) }
}
