//! Sessions: who says that it is there.

use interlock_api::operations as op;
use interlock_api::v1::session::{HeartbeatSessionParams, HeartbeatSessionResponse, SessionState};
use interlock_core::Refusal;
use interlock_engine::Permit;

use super::message::unread_threads;
use crate::context::Ctx;

/// How long a participant may be silent until it counts as away.
const HEARTBEAT_MS: u32 = 30_000;

pub(crate) async fn heartbeat(
    cx: Ctx,
    _permit: Permit<op::HeartbeatSession>,
    p: HeartbeatSessionParams,
) -> Result<HeartbeatSessionResponse, Refusal> {
    cx.engine().note_presence(&cx.actor, p.state == SessionState::Active);
    let unread = unread_threads(&cx).await?.len();
    Ok(HeartbeatSessionResponse {
        agent: cx.actor.name.clone(),
        session_id: cx.actor.session_id,
        unread_threads: u32::try_from(unread).unwrap_or(u32::MAX),
        next_heartbeat_ms: HEARTBEAT_MS,
    })
}
