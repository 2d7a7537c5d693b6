//! Threads.

use interlock_api::operations as op;
use interlock_api::v1::thread::{
    CreateThreadParams, GetThreadParams, ListThreadsParams, ListThreadsResponse, ThreadView,
    UpdateThreadStatusParams,
};
use interlock_core::command::{ChangeStatus, Command, CreateThread};
use interlock_core::facts::Reply;
use interlock_core::id::ThreadId;
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::{Page, ThreadFilter};

use crate::context::{Ctx, cursor, failed, rows};
use crate::view;

pub(crate) async fn create(
    cx: Ctx,
    permit: Permit<op::CreateThread>,
    p: CreateThreadParams,
) -> Result<ThreadView, Refusal> {
    let participants = p.participants.into_iter().map(|one| (one.agent, one.role)).collect();
    let command = Command::CreateThread(CreateThread { title: p.title, kind: p.kind, participants });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    match outcome.reply {
        Reply::Thread(id) => whole(&cx, id).await,
        other => Err(Refusal::new(Reason::Defect, format!("opening a thread was answered with {other:?}"))),
    }
}

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListThreads>,
    p: ListThreadsParams,
) -> Result<ListThreadsResponse, Refusal> {
    let limit = rows(p.limit)?;
    let member = (!cx.actor.role.sees_all_threads()).then(|| cx.actor.name.clone());
    let filter = ThreadFilter { status: p.status, member };
    let page = Page { after: cursor::<ThreadId>(p.cursor.as_ref())?, limit: limit + 1 };
    let mut threads = cx.store().threads(cx.workspace(), filter, page).await.map_err(failed)?;
    let more = threads.len() > limit as usize;
    threads.truncate(limit as usize);
    let next_cursor = threads.last().filter(|_| more).map(|thread| thread.thread_id.to_string());
    Ok(ListThreadsResponse {
        threads: threads.into_iter().map(|t| view::thread(t, &[])).collect(),
        next_cursor,
    })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetThread>,
    p: GetThreadParams,
) -> Result<ThreadView, Refusal> {
    whole(&cx, p.thread_id).await
}

pub(crate) async fn update_status(
    cx: Ctx,
    permit: Permit<op::UpdateThreadStatus>,
    p: UpdateThreadStatusParams,
) -> Result<ThreadView, Refusal> {
    let command = Command::ChangeStatus(ChangeStatus {
        thread_id: p.thread_id,
        status: p.status,
        reason: p.reason,
        text: p.text,
        owner: p.owner,
    });
    cx.engine().execute(&permit, &cx.request, command).await?;
    whole(&cx, p.thread_id).await
}

async fn whole(cx: &Ctx, id: ThreadId) -> Result<ThreadView, Refusal> {
    let thread = cx.visible(id).await?;
    let findings = cx.store().findings(cx.workspace(), id).await.map_err(failed)?;
    Ok(view::thread(thread, &findings))
}
