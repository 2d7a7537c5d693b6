//! Agents.

use interlock_api::operations as op;
use interlock_api::v1::agent::{AgentView, ListAgentsParams, ListAgentsResponse, RegisterAgentParams};
use interlock_core::actor::AgentName;
use interlock_core::command::{Command, RegisterAgent};
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::Page;

use crate::context::{Ctx, cursor, deadline, failed, rows};
use crate::view;

pub(crate) async fn register(
    cx: Ctx,
    permit: Permit<op::RegisterAgent>,
    p: RegisterAgentParams,
) -> Result<AgentView, Refusal> {
    let name = p.name.clone();
    let command = Command::RegisterAgent(RegisterAgent {
        name: p.name,
        role: p.role,
        runtime: p.runtime,
        launch: p.launch,
        on: p.on,
    });
    cx.engine().execute(&permit, &cx.request, command).await?;
    let agent = cx.store().agent(cx.workspace(), name.clone()).await.map_err(failed)?;
    agent
        .map(|agent| view::agent(agent, cx.actor.role))
        .ok_or_else(|| Refusal::new(Reason::AgentNotFound, format!("there is no agent `{name}`")))
}

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListAgents>,
    p: ListAgentsParams,
) -> Result<ListAgentsResponse, Refusal> {
    let limit = rows(p.limit)?;
    let page = Page { after: cursor::<AgentName>(p.cursor.as_ref())?, limit: limit + 1 };
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut agents = loop {
        let found = cx.store().agents(cx.workspace(), page.clone()).await.map_err(failed)?;
        if !found.is_empty() || !cx.wait_here(&mut watch, until).await {
            break found;
        }
    };
    let more = agents.len() > limit as usize;
    agents.truncate(limit as usize);
    let next_cursor = agents.last().filter(|_| more).map(|agent| agent.name.to_string());
    Ok(ListAgentsResponse {
        agents: agents.into_iter().map(|agent| view::agent(agent, cx.actor.role)).collect(),
        next_cursor,
    })
}
