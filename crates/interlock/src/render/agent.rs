//! Agents.

use interlock_api::v1::agent::{AgentView, ListAgentsResponse};

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
    let heading = ["NAME", "ROLE", "RUNTIME", "ON", "SINCE", "COMMAND"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, agent: &AgentView) -> [Cell; 6] {
    [
        Cell::new(agent.name.as_str(), Paint::Cyan),
        agent.role.as_str().into(),
        agent.runtime.as_str().into(),
        agent.on.as_ref().map_or("", Label::as_str).into(),
        when::ago(agent.created_at, view.now).into(),
        super::safe::cut(&words(&agent.command), 80).into(),
    ]
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
