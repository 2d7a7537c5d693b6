//! Messages, acknowledgements, the inbox.

use interlock_api::operations as op;
use interlock_api::v1::message::{
    AckReadParams, AckReadResponse, CancelMessageParams, InboxItem, InboxParams, InboxResponse, MessageView,
    PostMessageParams, PostMessageResponse, ReadMessagesParams, ReadMessagesResponse,
};
use interlock_core::command::{AckRead, CancelMessage, Command, PostMessage, Terms};
use interlock_core::facts::Reply;
use interlock_core::id::{MessageId, ThreadId};
use interlock_core::thread::{Message, MessageState, Priority, is_for};
use interlock_core::{Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::InboxRow;

use crate::context::{Ctx, deadline, failed, rows};
use crate::view;

/// Unread messages of one thread that are shown; more than so many is shown as so many. As many are read at once.
const UNREAD_MAX: u32 = 200;
/// Messages looked at for one inbox beyond the first `UNREAD_MAX` of each thread.
const INBOX_MESSAGES_MAX: u32 = 20_000;

pub(crate) async fn post(
    cx: Ctx,
    permit: Permit<op::PostMessage>,
    p: PostMessageParams,
) -> Result<PostMessageResponse, Refusal> {
    let mut extra = p.extra;
    extra.retain(|name, _| !MessageView::SAID_BY_SERVER.contains(&name.as_str()));
    let command = Command::PostMessage(PostMessage {
        thread_id: p.thread_id,
        kind: p.kind,
        event_type: p.event_type,
        event_version: p.event_version,
        schema_version: p.schema_version,
        body: p.body,
        data: p.data,
        extra,
        to: p.to,
        to_role: p.to_role,
        in_reply_to: p.in_reply_to,
        terms: Terms {
            is_urgent: p.priority == Priority::Urgent,
            expires_at: p.expires_at,
            expires_in_ms: p.expires_in_ms,
            supersedes: p.supersedes,
            parents: p.parents,
        },
    });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    match (outcome.reply, outcome.index) {
        (Reply::Message(thread_id, message_id, seq, posted_at), Some(ledger_index)) => {
            Ok(PostMessageResponse { message_id, thread_id, seq, posted_at, ledger_index })
        }
        other => Err(Refusal::new(Reason::Defect, format!("a post was answered with {other:?}"))),
    }
}

/// Take a message back, and answer with it as it is now.
pub(crate) async fn cancel(
    cx: Ctx,
    permit: Permit<op::CancelMessage>,
    p: CancelMessageParams,
) -> Result<MessageView, Refusal> {
    let (thread_id, message_id) = (p.thread_id, p.message_id);
    let command = Command::CancelMessage(CancelMessage { thread_id, message_id, text: p.text });
    cx.engine().execute(&permit, &cx.request, command).await?;
    Ok(view::message(one(&cx, thread_id, message_id).await?, cx.engine().now()))
}

/// One message of a thread that the caller may see.
pub(crate) async fn one(cx: &Ctx, thread_id: ThreadId, id: MessageId) -> Result<Message, Refusal> {
    let thread = cx.visible(thread_id).await?;
    let found = cx.store().message(cx.workspace(), thread.thread_id, id).await.map_err(failed)?;
    found.map(|stored| stored.message).ok_or_else(|| {
        Refusal::new(Reason::MessageNotFound, format!("there is no message `{id}` in the thread"))
    })
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
        let messages: Vec<_> = {
            let now = cx.engine().now();
            found.into_iter().map(|stored| view::message(stored.message, now)).collect()
        };
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
    let mut more = INBOX_MESSAGES_MAX;
    for row in cx.store().inbox(cx.workspace(), cx.actor.name.clone()).await.map_err(failed)? {
        threads.extend(item(cx, row, &mut more).await?);
    }
    // Stable: those alike stay newest first.
    threads.sort_by_key(|item| item.urgent == 0);
    Ok(threads)
}

/// A thread with what in it is for the caller; nothing when what is new is for others. Everything after the cursor is
/// looked at, as long as there is `more` to look at beyond each thread's first page.
async fn item(cx: &Ctx, row: InboxRow, more: &mut u32) -> Result<Option<InboxItem>, Refusal> {
    let InboxRow { thread, cursor } = row;
    let (mut unread, mut urgent, mut after) = (0_u32, 0_u32, cursor);
    let is_minimum = loop {
        let page = cx.store().messages(cx.workspace(), thread.thread_id, after, UNREAD_MAX).await;
        let page = page.map_err(failed)?;
        let now = cx.engine().now();
        let counts = |message: &&Message| {
            is_for(&thread, &message.head, &cx.actor.name) && message.state(now) == MessageState::Live
        };
        for message in page.iter().map(|stored| &stored.message).filter(counts) {
            unread += 1;
            urgent += u32::from(message.head.priority == Priority::Urgent);
        }
        match page.last() {
            Some(last) if last.message.head.seq < thread.seq => after = last.message.head.seq,
            _ => break false,
        }
        if *more < UNREAD_MAX {
            break true;
        }
        *more -= UNREAD_MAX;
    };
    Ok((unread > 0 || is_minimum).then_some(InboxItem {
        thread_id: thread.thread_id,
        title: thread.title,
        status: thread.status,
        acked_seq: cursor,
        last_seq: thread.seq,
        unread: unread.min(UNREAD_MAX),
        urgent: urgent.min(UNREAD_MAX),
        unread_is_minimum: is_minimum,
    }))
}
