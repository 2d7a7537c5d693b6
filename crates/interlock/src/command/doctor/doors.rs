//! Through which door each agent of Codex would be woken now.

use interlock_api::operations::ListAgents;
use interlock_api::v1::agent::{AgentView, ListAgentsParams};
use interlock_core::agent::Runtime;
use interlock_core::limits::PAGE_ROWS_MAX;

use super::Check;
use crate::attach::{self, home};
use crate::context::Context;

/// The name of the check.
const NAME: &str = "codex doors";

/// Of every agent of Codex; nothing where there is none, or nobody to be asked.
pub(super) async fn check(cx: &Context) -> Option<Check> {
    let server = cx.connect().ok()?;
    let mut agents = Vec::new();
    let mut request = ListAgentsParams { limit: PAGE_ROWS_MAX, ..ListAgentsParams::default() };
    loop {
        let page = server.read::<ListAgents>(&request).await.ok()?;
        agents.extend(page.agents.into_iter().filter(|agent| agent.runtime == Runtime::Codex));
        match page.next_cursor {
            Some(next) => request.cursor = Some(next),
            None => break,
        }
    }
    if agents.is_empty() {
        return None;
    }
    let (mut lines, mut is_dead) = (Vec::new(), false);
    for agent in &agents {
        let (line, has_dead_socket) = door(cx, agent).await;
        lines.push(line);
        is_dead |= has_dead_socket;
    }
    let detail = lines.join("; ");
    if !is_dead {
        return Some(Check::ok(NAME, detail));
    }
    let hint = "start Codex once, or remove the socket that nobody listens on; until then sessions are resumed. A server of ours is started again with the next wake";
    Some(Check::warn(NAME, detail, hint))
}

async fn door(cx: &Context, agent: &AgentView) -> (String, bool) {
    let name = &agent.name;
    let Some(home) = home(agent) else { return (format!("{name}: no CODEX_HOME is known"), false) };
    if agent.live {
        let (attach, is_dead) = match attach::server(cx, &home).await {
            Some(server) if server.answers => (format!("attach with: {}", server.attach.join(" ")), false),
            Some(server) => (format!("nobody answers on {}", server.socket.display()), true),
            None => ("its server is started with its first wake".to_owned(), false),
        };
        return (format!("{name}: live, in a server of ours; {attach}"), is_dead);
    }
    match interlock_supervisor::has_background_server(&home).await {
        Some(true) => (format!("{name}: live, in your background server; a fresh session is spawned"), false),
        Some(false) => (format!("{name}: resume, because nobody listens on {}", home.display()), true),
        None => (format!("{name}: resume"), false),
    }
}
