//! The workspace at one look, and the big red button.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use interlock_api::operations as op;
use interlock_api::v1::workspace::{
    Activity, AgentActivity, Attention, GetStatusParams, HaltAgentsParams, HaltAgentsResponse,
    ResumeAgentsParams, ResumeAgentsResponse, StatusView, SupervisorView,
};
use interlock_core::actor::AgentName;
use interlock_core::agent::Agent;
use interlock_core::command::Command;
use interlock_core::facts::Reply;
use interlock_core::limits::PAGE_ROWS_MAX;
use interlock_core::session::Session;
use interlock_core::thread::{Status, Thread};
use interlock_core::wake::{Wake, WakeState};
use interlock_core::{Reason, Refusal};
use interlock_engine::read::{Page, ThreadFilter, WakeFilter};
use interlock_engine::{Heard, Permit};

use crate::context::{Ctx, deadline, failed};
use crate::view;

/// Rows shown of each list.
const ATTENTION_MAX: u32 = 50;
const THREADS_MAX: u32 = 20;
const WAKES_MAX: u32 = 50;

pub(crate) async fn status(
    cx: Ctx,
    _permit: Permit<op::GetStatus>,
    p: GetStatusParams,
) -> Result<StatusView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let (store, ws) = (cx.store(), cx.workspace());
    let mut is_waiting = p.wait_ms > 0;
    while is_waiting {
        // Without a size to leave, the first commit is what is waited for.
        let is_left = match p.while_size {
            Some(size) => store.ledger_head(ws).await.map_err(failed)?.size != size,
            None => false,
        };
        is_waiting = !is_left && cx.wait_here(&mut watch, until).await && p.while_size.is_some();
    }
    let counts = store.counts(ws).await.map_err(failed)?;
    let jobs = store.job_counts(ws).await.map_err(failed)?;
    let blocked = ThreadFilter { status: Some(Status::Blocked), member: None };
    let blocked =
        store.threads(ws, blocked, Page { after: None, limit: ATTENTION_MAX }).await.map_err(failed)?;
    let newest = Page { after: None, limit: THREADS_MAX };
    let threads = store.threads(ws, ThreadFilter::default(), newest).await.map_err(failed)?;
    let live = WakeFilter { is_live: true, ..WakeFilter::default() };
    let wakes = store.wakes(ws, live, Page { after: None, limit: PAGE_ROWS_MAX }).await.map_err(failed)?;
    let agents = store.agents(ws, Page { after: None, limit: PAGE_ROWS_MAX }).await.map_err(failed)?;
    let names = agents.iter().map(|agent| agent.name.clone()).collect();
    let sessions = store.sessions(ws, names).await.map_err(failed)?;
    let head = store.ledger_head(ws).await.map_err(failed)?;
    let busy = busiest(&wakes);
    Ok(StatusView {
        workspace_id: ws,
        thread_counts: counts.threads,
        wake_counts: counts.wakes,
        job_counts: jobs.states.into_iter().map(|(state, count)| (state.to_string(), count)).collect(),
        attention: attention(blocked),
        agents: agents
            .iter()
            .map(|agent| activity(&cx, agent, busy.get(&agent.name).copied(), &sessions))
            .collect(),
        threads: threads.into_iter().map(|thread| view::thread(thread, &[], cx.engine().policy())).collect(),
        supervisors: supervisors(&cx).await?,
        is_halted: cx.engine().is_halted(ws).await,
        ledger_size: head.size,
        wakes: wakes.into_iter().take(WAKES_MAX as usize).map(view::wake).collect(),
    })
}

/// Those that call here, and those that call at other servers of the workspace, as they were last written down.
async fn supervisors(cx: &Ctx) -> Result<Vec<SupervisorView>, Refusal> {
    let heard = cx.engine().supervisors(cx.workspace());
    let (policy, now) = (cx.engine().policy(), cx.engine().now());
    let mut noted = cx.store().supervisors(cx.workspace()).await.map_err(failed)?;
    noted.retain(|one| one.is_there(policy, now) && heard.iter().all(|(name, _)| *name != one.name));
    let elsewhere = noted.into_iter().map(|one| SupervisorView {
        silent_ms: u64::try_from(now.ms_since(one.seen_at)).unwrap_or(0),
        name: one.name,
        labels: one.labels,
        cannot_run: BTreeMap::new(),
    });
    let view = |(name, heard): (String, Heard)| SupervisorView {
        name,
        silent_ms: heard.silent_ms(),
        labels: heard.labels,
        cannot_run: heard.cannot_run,
    };
    let mut all: Vec<SupervisorView> = heard.into_iter().map(view).chain(elsewhere).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

/// Whoever waits longest comes first.
fn attention(mut blocked: Vec<Thread>) -> Vec<Attention> {
    blocked.sort_by_key(|thread| thread.updated_at);
    blocked
        .into_iter()
        .map(|thread| Attention {
            thread_id: thread.thread_id,
            title: thread.title,
            reason: thread.reason,
            owner: thread.owner,
            since: thread.updated_at,
        })
        .collect()
}

/// One wake per agent: the running one before those that wait.
fn busiest(wakes: &[Wake]) -> BTreeMap<AgentName, &Wake> {
    let mut busy: BTreeMap<AgentName, &Wake> = BTreeMap::new();
    for wake in wakes {
        let place = busy.entry(wake.agent.clone()).or_insert(wake);
        if wake.state == WakeState::Running {
            *place = wake;
        }
    }
    busy
}

fn activity(cx: &Ctx, agent: &Agent, wake: Option<&Wake>, sessions: &[Session]) -> AgentActivity {
    let (policy, now) = (cx.engine().policy(), cx.engine().now());
    let mut own: Vec<&Session> = sessions.iter().filter(|session| session.agent == agent.name).collect();
    own.sort_by_key(|session| Reverse(session.seen_at));
    let activity = match wake {
        _ if !agent.is_managed() => Activity::Unmanaged,
        Some(wake) if wake.state == WakeState::Running => Activity::Active,
        Some(_) => Activity::Waiting,
        None => Activity::Dormant,
    };
    AgentActivity {
        name: agent.name.clone(),
        runtime: agent.runtime,
        activity,
        wake_id: wake.map(|wake| wake.wake_id),
        thread_id: wake.map(|wake| wake.thread_id),
        presence: own.iter().find_map(|session| view::presence(session, now)),
        sessions: own.into_iter().map(|session| view::session(session, policy, now)).collect(),
    }
}

pub(crate) async fn halt(
    cx: Ctx,
    permit: Permit<op::HaltAgents>,
    _p: HaltAgentsParams,
) -> Result<HaltAgentsResponse, Refusal> {
    tracing::warn!(by = %cx.actor.name, "agents.halted");
    // Before the record of it: a store that is away keeps nobody from stopping agents.
    cx.engine().halt(cx.workspace());
    let outcome = cx.engine().execute(&permit, &cx.request, Command::HaltAgents).await?;
    let Reply::Halted(running) = outcome.reply else {
        return Err(Refusal::new(Reason::Defect, format!("a halt was answered with {:?}", outcome.reply)));
    };
    let halt = cx.store().halt(cx.workspace()).await.map_err(failed)?;
    Ok(HaltAgentsResponse { running, since: halt.map(|halt| halt.at), was_halted: outcome.index.is_none() })
}

/// Let agents go on. Servers that were told to stop them are told so too, unless another halt is meant.
pub(crate) async fn resume(
    cx: Ctx,
    permit: Permit<op::ResumeAgents>,
    p: ResumeAgentsParams,
) -> Result<ResumeAgentsResponse, Refusal> {
    let command = Command::ResumeAgents { since: p.since };
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    let resumed = outcome.reply == Reply::Resumed;
    if resumed || p.since.is_none() {
        tracing::warn!(by = %cx.actor.name, "agents.resumed");
        cx.engine().resume(cx.workspace());
    }
    Ok(ResumeAgentsResponse { resumed, is_halted: cx.engine().is_halted(cx.workspace()).await })
}
