//! Agents.

use interlock_api::v1::agent::{AgentView, ListAgentsResponse, StandingView};
use interlock_core::Reason;
use interlock_core::agent::{AgentState, Label, Runtime};

use super::style::Paint;
use super::table::{Cell, table};
use super::{View, more, usage, when};

/// The list of agents.
pub(crate) fn list(view: View, answer: &ListAgentsResponse) -> String {
    if answer.agents.is_empty() {
        return "no agents yet; register one with: interlock agent add NAME\n".into();
    }
    let rows: Vec<_> = answer.agents.iter().map(|agent| row(view, agent)).collect();
    let heading = ["NAME", "NOW", "SINCE", "ROLE", "RUNTIME", "ON", "COMMAND", "TOKENS", "WHY"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, agent: &AgentView) -> [Cell; 9] {
    let now = agent.now.as_ref();
    let since = now.and_then(|now| now.since);
    [
        Cell::new(agent.name.as_str(), Paint::Cyan),
        state(agent),
        since.map_or_else(String::new, |at| when::ago(at, view.now)).into(),
        agent.role.as_str().into(),
        agent.runtime.as_str().into(),
        agent.on.as_ref().map_or("", Label::as_str).into(),
        super::safe::cut(&words(&agent.command), 40).into(),
        tokens(view, agent),
        now.map_or_else(String::new, |now| why(view, now)).into(),
    ]
}

/// What the agent does now.
fn state(agent: &AgentView) -> Cell {
    let Some(now) = &agent.now else { return "".into() };
    match now.state {
        AgentState::Dormant if agent.runtime == Runtime::Unmanaged => {
            Cell::new("comes by itself", Paint::Dim)
        }
        AgentState::Dormant => Cell::new("dormant", Paint::Dim),
        AgentState::Active => Cell::new("active", Paint::Green),
        AgentState::HumanActive => Cell::new("human at the keyboard", Paint::Yellow),
        AgentState::Stale => Cell::new("stale", Paint::Yellow),
        AgentState::BlockedByBudget => Cell::new("blocked by budget", Paint::Red),
        AgentState::Waiting => Cell::new("waiting", Paint::Yellow),
        AgentState::Stopped => Cell::new("stopped", Paint::Red),
    }
}

/// What its models used of the day's budget, and when the next day begins; a day that is over says nothing any more.
fn tokens(view: View, agent: &AgentView) -> Cell {
    let today = agent.spent.filter(|spent| spent.until > view.now);
    let spent = today.map(|spent| {
        let of = spent
            .tokens_max
            .map_or_else(String::new, |max| format!(" of {}", usage::tokens(max.unsigned_abs())));
        format!("{}{of}, new day {}", usage::tokens(spent.tokens), when::ahead(spent.until, view.now))
    });
    let quota = agent.quota_until.filter(|until| *until > view.now);
    let quota = quota.map(|until| format!("quota used up, back {}", when::ahead(until, view.now)));
    let is_over =
        today.is_some_and(|spent| spent.tokens_max.is_some_and(|max| spent.tokens >= max.unsigned_abs()));
    let paint = if is_over || quota.is_some() { Paint::Red } else { Paint::Plain };
    Cell::new(spent.into_iter().chain(quota).collect::<Vec<_>>().join("; "), paint)
}

/// Whose doing it is, why, and until when.
fn why(view: View, now: &StandingView) -> String {
    let by = now.by.as_ref().map(|by| format!("by {by}"));
    let reason = now.reason.filter(|_| now.by.is_none()).map(|reason| match reason {
        Reason::ThreadWrongStatus => "until its thread is active".to_owned(),
        reason => reason.title().to_owned(),
    });
    let until = now.until.map(|at| format!("looked at again {}", when::ahead(at, view.now)));
    let thread = now.thread_id.filter(|_| now.state != AgentState::Dormant).map(|id| format!("in {id}"));
    by.into_iter().chain(reason).chain(until).chain(thread).collect::<Vec<_>>().join(", ")
}

/// A command line as it could be typed: words that a shell would take apart are quoted.
fn words(command: &[String]) -> String {
    let quoted = command.iter().map(|word| {
        let is_plain =
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c));
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
