//! Agents.

use interlock_api::v1::agent::{AgentView, ListAgentsResponse, StandingView};
use interlock_core::agent::{AgentState, Runtime};

use interlock_core::agent::Label;

use super::style::Paint;
use super::table::{Cell, table};
use super::{View, more, when};

/// The list of agents.
pub(crate) fn list(view: View, answer: &ListAgentsResponse) -> String {
    if answer.agents.is_empty() {
        return "no agents yet; register one with: interlock agent add NAME\n".into();
    }
    let rows: Vec<_> = answer.agents.iter().map(|agent| row(view, agent)).collect();
    let heading = ["NAME", "NOW", "SINCE", "ROLE", "RUNTIME", "ON", "COMMAND", "WHY"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, agent: &AgentView) -> [Cell; 8] {
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

/// Whose doing it is, why, and until when.
fn why(view: View, now: &StandingView) -> String {
    let by = now.by.as_ref().map(|by| format!("by {by}"));
    let reason = now.reason.filter(|_| now.by.is_none()).map(|reason| reason.title().to_owned());
    let until = now.until.map(|at| format!("looked at again {}", when::ahead(at, view.now)));
    let thread = now.thread_id.filter(|_| now.state != AgentState::Dormant).map(|id| id.to_string());
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
