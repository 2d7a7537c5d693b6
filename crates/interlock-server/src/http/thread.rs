//! Threads.

use interlock_api::operations as op;
use interlock_api::v1::thread::{
    AddParticipantParams, CreateThreadParams, GetThreadParams, ListThreadsParams, ListThreadsResponse,
    RemoveParticipantParams, RemoveParticipantResponse, ThreadView, UpdateThreadStatusParams,
};
use interlock_core::command::{AddParticipant, ChangeStatus, Command, CreateThread, RemoveParticipant};
use interlock_core::facts::Reply;
use interlock_core::id::ThreadId;
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::{Page, ThreadFilter};

use crate::context::{Ctx, cursor, deadline, failed, rows};
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
    let until = deadline(p.wait_ms)?;
    let after = cursor::<ThreadId>(p.cursor.as_ref())?;
    let mut watch = cx.engine().watch();
    let workspace = cx.workspace();
    let member = (!cx.actor.role.sees_all_threads()).then(|| cx.actor.name.clone());
    let filter = ThreadFilter { status: p.status, member };
    let mut threads = loop {
        let page = Page { after, limit: limit + 1 };
        let found = cx.store().threads(workspace, filter.clone(), page).await.map_err(failed)?;
        let wanted =
            |note: &interlock_engine::Note| note.workspace_id == workspace && !note.threads.is_empty();
        if !found.is_empty() || !cx.wait(&mut watch, until, wanted).await {
            break found;
        }
    };
    let more = threads.len() > limit as usize;
    threads.truncate(limit as usize);
    let next_cursor = threads.last().filter(|_| more).map(|thread| thread.thread_id.to_string());
    Ok(ListThreadsResponse {
        threads: threads.into_iter().map(|t| view::thread(t, &[], cx.engine().policy())).collect(),
        next_cursor,
    })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetThread>,
    p: GetThreadParams,
) -> Result<ThreadView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let concerns = |note: &interlock_engine::Note| note.threads.contains(&p.thread_id);
    // Without a status to leave, the first change is what is waited for: the thread must be visible to wait for it.
    let mut waits = cx.visible(p.thread_id).await?;
    while p.while_status.is_none_or(|status| status == waits.status) && p.wait_ms > 0 {
        if !cx.wait(&mut watch, until, concerns).await {
            break;
        }
        waits = cx.visible(p.thread_id).await?;
        if p.while_status.is_none() {
            break;
        }
    }
    whole(&cx, p.thread_id).await
}

pub(crate) async fn add_participant(
    cx: Ctx,
    permit: Permit<op::AddParticipant>,
    p: AddParticipantParams,
) -> Result<ThreadView, Refusal> {
    let command =
        Command::AddParticipant(AddParticipant { thread_id: p.thread_id, agent: p.agent, role: p.role });
    cx.engine().execute(&permit, &cx.request, command).await?;
    whole(&cx, p.thread_id).await
}

/// Not answered with the thread: whoever leaves may not see it any more.
pub(crate) async fn remove_participant(
    cx: Ctx,
    permit: Permit<op::RemoveParticipant>,
    p: RemoveParticipantParams,
) -> Result<RemoveParticipantResponse, Refusal> {
    let answer = RemoveParticipantResponse { thread_id: p.thread_id, agent: p.agent.clone() };
    let command = Command::RemoveParticipant(RemoveParticipant { thread_id: p.thread_id, agent: p.agent });
    cx.engine().execute(&permit, &cx.request, command).await?;
    Ok(answer)
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
    Ok(view::thread(thread, &findings, cx.engine().policy()))
}
