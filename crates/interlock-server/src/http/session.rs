//! Sessions: who says that it is there, and what was seen of whom.

use interlock_api::operations as op;
use interlock_api::v1::session::{
    HeartbeatSessionParams, HeartbeatSessionResponse, ObserveSessionParams, ObserveSessionResponse,
    SessionState, ToldThread,
};
use interlock_core::actor::Permission;
use interlock_core::command::{Command, ObserveSession};
use interlock_core::facts::Reply;
use interlock_core::limits::SESSION_THREADS_MAX;
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;

use super::message::unread_threads;
use crate::context::Ctx;

/// How long a participant may be silent until it counts as away.
const HEARTBEAT_MS: u32 = 30_000;

pub(crate) async fn heartbeat(
    cx: Ctx,
    permit: Permit<op::HeartbeatSession>,
    p: HeartbeatSessionParams,
) -> Result<HeartbeatSessionResponse, Refusal> {
    let command = Command::Heartbeat { is_active: p.state == SessionState::Active };
    cx.engine().execute(&permit, &cx.request, command).await?;
    let unread = unread_threads(&cx).await?.len();
    Ok(HeartbeatSessionResponse {
        agent: cx.actor.name.clone(),
        session_id: cx.actor.session_id,
        unread_threads: u32::try_from(unread).unwrap_or(u32::MAX),
        next_heartbeat_ms: HEARTBEAT_MS,
    })
}

/// Note what was seen, and say what the session is to be told of.
pub(crate) async fn observe(
    cx: Ctx,
    permit: Permit<op::ObserveSession>,
    p: ObserveSessionParams,
) -> Result<ObserveSessionResponse, Refusal> {
    let agent = p.agent.unwrap_or_else(|| cx.actor.name.clone());
    // What waits for somebody else is nobody's to tell.
    let is_own = agent == cx.actor.name && cx.actor.role.may(Permission::ThreadRead);
    let mut waits = if p.deliver && is_own { unread_threads(&cx).await? } else { Vec::new() };
    waits.truncate(SESSION_THREADS_MAX);
    let command = Command::ObserveSession(ObserveSession {
        agent: agent.clone(),
        session_id: p.session_id,
        runtime: p.runtime,
        observed: p.observed,
        ago_ms: p.ago_ms,
        wake_id: p.wake_id,
        threads: waits.iter().map(|item| item.thread_id).collect(),
    });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    let Reply::Observed { is_ours, told, is_held } = outcome.reply else {
        return Err(Refusal::new(
            Reason::Defect,
            format!("an observation was answered with {:?}", outcome.reply),
        ));
    };
    let told = waits.into_iter().filter(|item| told.contains(&item.thread_id)).map(|item| ToldThread {
        thread_id: item.thread_id,
        unread: item.unread,
        is_minimum: item.unread_is_minimum,
    });
    Ok(ObserveSessionResponse { agent, is_ours, told: told.collect(), is_held })
}
