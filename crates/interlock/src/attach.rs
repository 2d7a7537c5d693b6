//! How a person sits down in front of an agent's session in a server of Codex that we run.

use std::path::PathBuf;

use interlock_api::Problem;
use interlock_api::operations::ListAgents;
use interlock_api::v1::agent::{AgentView, ListAgentsParams};
use interlock_api::v1::wake::WakeView;
use interlock_core::actor::AgentName;
use interlock_core::id::SessionId;
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_supervisor::OwnServer;

use crate::context::Context;
use crate::environment;

/// The server that this instance runs for a CODEX_HOME, if there is or was one.
pub(crate) async fn server(cx: &Context, home: &std::path::Path) -> Option<OwnServer> {
    let state = cx.instance().ok()?.state();
    interlock_supervisor::own_server(&state, home).await
}

/// The folder of an agent of Codex.
pub(crate) fn home(agent: &AgentView) -> Option<PathBuf> {
    let given = agent.home.clone().map(PathBuf::from);
    let own = || environment::text("CODEX_HOME").map(PathBuf::from);
    given.or_else(own).or_else(|| Some(PathBuf::from(environment::text("HOME")?).join(".codex")))
}

/// The command that opens this session of an agent; nothing where its server does not run on this machine.
pub(crate) async fn command(cx: &Context, agent: &AgentView, session: SessionId) -> Option<String> {
    if !agent.live {
        return None;
    }
    let server = server(cx, &home(agent)?).await.filter(|server| server.answers)?;
    Some(format!("{} {}", server.attach.join(" "), session.to_uuid_text()))
}

/// The same for the session that the agent goes on in now.
pub(crate) async fn to_agent(cx: &Context, agent: &AgentView) -> Option<String> {
    command(cx, agent, agent.now.as_ref()?.session_id?).await
}

/// The same for the session of a wake that went through such a server.
pub(crate) async fn to_wake(cx: &Context, wake: &WakeView) -> Result<Option<String>, Problem> {
    let Some(session) = wake.session_id else { return Ok(None) };
    let Some(agent) = agent(cx, &wake.agent).await? else { return Ok(None) };
    Ok(command(cx, &agent, session).await)
}

async fn agent(cx: &Context, name: &AgentName) -> Result<Option<AgentView>, Problem> {
    let server = cx.connect()?;
    let mut request = ListAgentsParams { limit: PAGE_ROWS_MAX, ..ListAgentsParams::default() };
    loop {
        let page = server.read::<ListAgents>(&request).await?;
        let found = page.agents.into_iter().find(|agent| agent.name == *name);
        match (found, page.next_cursor) {
            (None, Some(next)) => request.cursor = Some(next),
            (found, _) => return Ok(found),
        }
    }
}
