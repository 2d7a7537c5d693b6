//! Who must act in a blocked thread, and what is done to threads from outside.

use interlock_api::operations as op;
use interlock_api::v1::escalation::{
    AssignEscalationOwnerParams, EscalateThreadParams, EscalationView, GetEscalationParams,
    OverrideCloseThreadParams, UnblockThreadParams,
};
use interlock_api::v1::thread::ThreadView;
use interlock_core::Refusal;
use interlock_core::actor::Guarded;
use interlock_core::command::{AssignOwner, Command, OperateThread, ThreadAction};
use interlock_core::id::ThreadId;
use interlock_core::thread::Thread;
use interlock_engine::Permit;

use super::thread::whole;
use crate::context::{Ctx, deadline};

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetEscalation>,
    p: GetEscalationParams,
) -> Result<EscalationView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    loop {
        let thread = cx.visible(p.thread_id).await?;
        let concerns = |note: &interlock_engine::Note| note.threads.contains(&p.thread_id);
        if thread.owner.is_some() || !cx.wait(&mut watch, until, concerns).await {
            return Ok(escalation(&cx, thread));
        }
    }
}

pub(crate) async fn assign_owner(
    cx: Ctx,
    permit: Permit<op::AssignEscalationOwner>,
    p: AssignEscalationOwnerParams,
) -> Result<EscalationView, Refusal> {
    let thread_id = p.thread_id;
    let command = Command::AssignOwner(AssignOwner { thread_id, owner: p.owner, text: p.text });
    cx.engine().execute(&permit, &cx.request, command).await?;
    let thread = cx.visible(thread_id).await?;
    Ok(escalation(&cx, thread))
}

pub(crate) async fn escalate(
    cx: Ctx,
    permit: Permit<op::EscalateThread>,
    p: EscalateThreadParams,
) -> Result<ThreadView, Refusal> {
    let action = ThreadAction::Escalate { owner: p.owner };
    operate(
        cx,
        permit,
        p.thread_id,
        OperateThread { thread_id: p.thread_id, action, text: p.text, expected: p.expected_status },
    )
    .await
}

pub(crate) async fn unblock(
    cx: Ctx,
    permit: Permit<op::UnblockThread>,
    p: UnblockThreadParams,
) -> Result<ThreadView, Refusal> {
    operate(
        cx,
        permit,
        p.thread_id,
        OperateThread {
            thread_id: p.thread_id,
            action: ThreadAction::Unblock,
            text: p.text,
            expected: p.expected_status,
        },
    )
    .await
}

pub(crate) async fn override_close(
    cx: Ctx,
    permit: Permit<op::OverrideCloseThread>,
    p: OverrideCloseThreadParams,
) -> Result<ThreadView, Refusal> {
    operate(
        cx,
        permit,
        p.thread_id,
        OperateThread {
            thread_id: p.thread_id,
            action: ThreadAction::Close,
            text: p.text,
            expected: p.expected_status,
        },
    )
    .await
}

async fn operate<O: Guarded>(
    cx: Ctx,
    permit: Permit<O>,
    thread_id: ThreadId,
    command: OperateThread,
) -> Result<ThreadView, Refusal> {
    cx.engine().execute(&permit, &cx.request, Command::OperateThread(command)).await?;
    whole(&cx, thread_id).await
}

fn escalation(cx: &Ctx, thread: Thread) -> EscalationView {
    let next_reminder_at = thread.reminder_due(cx.engine().policy());
    let known = thread.escalation;
    EscalationView {
        thread_id: thread.thread_id,
        status: thread.status,
        reason: thread.reason,
        owner: thread.owner,
        since: known.as_ref().map(|known| known.since),
        assigned_by: known.as_ref().map(|known| known.assigned_by.clone()),
        assigned_at: known.as_ref().map(|known| known.assigned_at),
        reminders: known.as_ref().map_or(0, |known| known.reminders),
        text: known.map(|known| known.text).unwrap_or_default(),
        next_reminder_at,
    }
}
