//! Agents.

use interlock_api::operations as op;
use interlock_api::v1::agent::{
    AgentView, ListAgentsParams, ListAgentsResponse, RegisterAgentParams, StandingView,
};
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Agent, Signs, standing};
use interlock_core::command::{Command, RegisterAgent};
use interlock_core::guard::spent_until;
use interlock_core::id::ThreadId;
use interlock_core::session::Session;
use interlock_core::thread::Member;
use interlock_core::wake::{Wake, WakeState};
use interlock_core::{Reason, Refusal, Timestamp};
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
        .map(|agent| view::agent(agent, cx.engine().policy(), cx.actor.role))
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
    Ok(ListAgentsResponse { agents: with_standing(&cx, agents).await?, next_cursor })
}

/// Agents, each with what it does now.
async fn with_standing(cx: &Ctx, agents: Vec<Agent>) -> Result<Vec<AgentView>, Refusal> {
    let names: Vec<AgentName> = agents.iter().map(|agent| agent.name.clone()).collect();
    let wakes = cx.store().agent_wakes(cx.workspace(), names.clone()).await.map_err(failed)?;
    let sessions = cx.store().sessions(cx.workspace(), names).await.map_err(failed)?;
    let policy = cx.engine().policy();
    let halt = cx.store().halt(cx.workspace()).await.map_err(failed)?;
    let now = cx.engine().now();
    let sees_all = cx.actor.role.sees_all_threads() || cx.actor.role == Role::Supervisor;
    let mut views = Vec::with_capacity(agents.len());
    for (agent, wakes) in agents.into_iter().zip(wakes) {
        let own = || sessions.iter().filter(|session| session.agent == agent.name);
        let heard = own().find_map(|session| Some((session.seen_at, session.is_active?)));
        let held = own().filter(|session| session.is_held(policy, now));
        let human = held.filter_map(|session| session.human_at.or(Some(session.activity_at))).max();
        let (session, held_for) = scene(cx, wakes.live.as_ref(), &sessions).await?;
        let spent = spent_until(policy, &agent, now);
        let (wake, last) = (wakes.live.as_ref(), wakes.last.as_ref());
        let signs = Signs { wake, last, halt: halt.as_ref(), heard, human, session, spent, held_for };
        let standing = standing(&agent, &signs, now);
        let may_know = sees_all || agent.name == cx.actor.name;
        let thread = standing.thread_id.filter(|_| may_know && agent.launch.live);
        let session_id = match thread {
            Some(thread) => bound(cx, thread, &agent.name).await?.and_then(|member| member.session),
            None => None,
        };
        views.push(AgentView {
            now: Some(StandingView { session_id, ..view::standing(standing, may_know) }),
            ..view::agent(agent, cx.engine().policy(), cx.actor.role)
        });
    }
    Ok(views)
}

/// The last sign of life of the session that a wake which waits would be started in, and after how long it is not resumed; or
/// why its thread is not active, when it is held back.
async fn scene(
    cx: &Ctx,
    wake: Option<&Wake>,
    sessions: &[Session],
) -> Result<(Option<(Timestamp, i64)>, Option<Reason>), Refusal> {
    let Some(wake) = wake.filter(|wake| wake.state == WakeState::Pending) else { return Ok((None, None)) };
    let thread = cx.store().thread(cx.workspace(), wake.thread_id).await.map_err(failed)?;
    let Some(thread) = thread else { return Ok((None, None)) };
    if wake.held {
        return Ok((None, thread.reason));
    }
    let member = thread.members.get(&wake.agent);
    let is_bound = |seen: &&Session| {
        seen.agent == wake.agent
            && seen.session_id.is_some()
            && member.is_some_and(|member| member.session == seen.session_id)
    };
    let at = member.and_then(|member| member.last_life(sessions.iter().find(is_bound)));
    Ok((at.map(|at| (at, cx.engine().policy().session_stale_ms)), None))
}

/// What a thread knows of a participant, its session among it.
pub(super) async fn bound(cx: &Ctx, thread: ThreadId, agent: &AgentName) -> Result<Option<Member>, Refusal> {
    let thread = cx.store().thread(cx.workspace(), thread).await.map_err(failed)?;
    Ok(thread.and_then(|mut thread| thread.members.remove(agent)))
}
