//! Messages, acknowledgements, the inbox.

use interlock_api::operations as op;
use interlock_api::v1::message::{
    AckReadParams, AckReadResponse, InboxItem, InboxParams, InboxResponse, PostMessageParams,
    PostMessageResponse, ReadMessagesParams, ReadMessagesResponse,
};
use interlock_core::command::{AckRead, Command, PostMessage};
use interlock_core::facts::Reply;
use interlock_core::thread::is_for;
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::InboxRow;

use crate::context::{Ctx, deadline, failed, rows};
use crate::view;

/// Messages looked at to count what is unread in one thread; more than so many is shown as so many.
const UNREAD_MAX: u32 = 200;

pub(crate) async fn post(
    cx: Ctx,
    permit: Permit<op::PostMessage>,
    p: PostMessageParams,
) -> Result<PostMessageResponse, Refusal> {
    let command = Command::PostMessage(PostMessage {
        thread_id: p.thread_id,
        kind: p.kind,
        event_type: p.event_type,
        event_version: p.event_version,
        schema_version: p.schema_version,
        body: p.body,
        data: p.data,
        to: p.to,
        to_role: p.to_role,
        in_reply_to: p.in_reply_to,
    });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    match (outcome.reply, outcome.index) {
        (Reply::Message(thread_id, message_id, seq, posted_at), Some(ledger_index)) => {
            Ok(PostMessageResponse { message_id, thread_id, seq, posted_at, ledger_index })
        }
        other => Err(Refusal::new(Reason::Defect, format!("a post was answered with {other:?}"))),
    }
}

pub(crate) async fn read(
    cx: Ctx,
    _permit: Permit<op::ReadMessages>,
    p: ReadMessagesParams,
) -> Result<ReadMessagesResponse, Refusal> {
    let limit = rows(p.limit)?;
    let until = deadline(p.wait_ms)?;
    // Before the first read, so that nothing is missed between reading and waiting.
    let mut watch = cx.engine().watch();
    loop {
        let thread = cx.visible(p.thread_id).await?;
        let mut found =
            cx.store().messages(cx.workspace(), p.thread_id, p.after_seq, limit + 1).await.map_err(failed)?;
        if found.is_empty() && cx.wait(&mut watch, until, |note| note.threads.contains(&p.thread_id)).await {
            continue;
        }
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let messages: Vec<_> = found.into_iter().map(|stored| view::message(stored.message)).collect();
        let next_seq = messages.last().map_or(p.after_seq, |message| message.seq);
        let acked_seq = thread.members.get(&cx.actor.name).map_or(0, |member| member.cursor);
        return Ok(ReadMessagesResponse { messages, next_seq, has_more, acked_seq });
    }
}

pub(crate) async fn ack(
    cx: Ctx,
    permit: Permit<op::AckRead>,
    p: AckReadParams,
) -> Result<AckReadResponse, Refusal> {
    let command = Command::AckRead(AckRead { thread_id: p.thread_id, seq: p.seq });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    let acked_seq = if let Reply::Cursor(_, seq) = outcome.reply {
        seq
    } else {
        let thread = cx.visible(p.thread_id).await?;
        thread.members.get(&cx.actor.name).map_or(0, |member| member.cursor)
    };
    Ok(AckReadResponse { thread_id: p.thread_id, acked_seq })
}

pub(crate) async fn inbox(
    cx: Ctx,
    _permit: Permit<op::Inbox>,
    p: InboxParams,
) -> Result<InboxResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let workspace = cx.workspace();
    loop {
        let threads = unread_threads(&cx).await?;
        let wanted =
            |note: &interlock_engine::Note| note.workspace_id == workspace && !note.threads.is_empty();
        if threads.is_empty() && cx.wait(&mut watch, until, wanted).await {
            continue;
        }
        return Ok(InboxResponse { threads });
    }
}

/// The threads in which something is unread for the caller.
pub(crate) async fn unread_threads(cx: &Ctx) -> Result<Vec<InboxItem>, Refusal> {
    let mut threads = Vec::new();
    for row in cx.store().inbox(cx.workspace(), cx.actor.name.clone()).await.map_err(failed)? {
        threads.extend(item(cx, row).await?);
    }
    Ok(threads)
}

/// A thread with what in it is for the caller; nothing when what is new is for others.
async fn item(cx: &Ctx, row: InboxRow) -> Result<Option<InboxItem>, Refusal> {
    let InboxRow { thread, cursor } = row;
    let messages =
        cx.store().messages(cx.workspace(), thread.thread_id, cursor, UNREAD_MAX).await.map_err(failed)?;
    let mine = messages.iter().filter(|stored| is_for(&thread, &stored.message.head, &cx.actor.name)).count();
    let unread = u32::try_from(mine).unwrap_or(UNREAD_MAX);
    Ok((unread > 0).then_some(InboxItem {
        thread_id: thread.thread_id,
        title: thread.title,
        status: thread.status,
        acked_seq: cursor,
        last_seq: thread.seq,
        unread,
    }))
}
