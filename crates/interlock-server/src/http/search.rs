//! Searching messages.

use interlock_api::operations as op;
use interlock_api::v1::search::{SearchMessagesParams, SearchMessagesResponse};
use interlock_core::Refusal;
use interlock_core::search::TextQuery;
use interlock_core::thread::check_event_type;
use interlock_engine::Permit;
use interlock_engine::read::Search;

use super::timeline::position;
use crate::context::{Ctx, deadline, failed, rows};
use crate::view;

pub(crate) async fn search(
    cx: Ctx,
    _permit: Permit<op::SearchMessages>,
    p: SearchMessagesParams,
) -> Result<SearchMessagesResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let workspace = cx.workspace();
    let mut ask = asked(&cx, &p)?;
    loop {
        if let Some(thread_id) = p.thread_id {
            // Each time: who is removed meanwhile sees no more.
            cx.visible(thread_id).await?;
        }
        let now = cx.engine().now();
        ask.now = now;
        let found = cx.engine().search(workspace, &ask).await.map_err(failed)?;
        let is_end = found.messages.is_empty() && found.next.is_none() && p.cursor.is_none();
        let wanted =
            |note: &interlock_engine::Note| note.workspace_id == workspace && !note.threads.is_empty();
        if is_end && cx.wait(&mut watch, until, wanted).await {
            // What was looked at is not looked at again.
            ask.first = found.size;
            continue;
        }
        return Ok(SearchMessagesResponse {
            messages: found.messages.into_iter().map(|stored| view::message(stored.message, now)).collect(),
            next_cursor: found.next.map(|(index, n)| format!("{index}.{n}")),
        });
    }
}

fn asked(cx: &Ctx, p: &SearchMessagesParams) -> Result<Search, Refusal> {
    p.event_type.as_deref().map_or(Ok(()), check_event_type)?;
    Ok(Search {
        text: p.text.as_deref().map(TextQuery::parse).transpose()?,
        reader: (!cx.actor.role.sees_all_threads()).then(|| cx.actor.name.clone()),
        thread: p.thread_id,
        from: p.from.clone(),
        event_type: p.event_type.clone(),
        status: p.status,
        state: p.state,
        since: p.since,
        until: p.until,
        now: cx.engine().now(),
        before: p.cursor.as_deref().map(position).transpose()?,
        first: 0,
        limit: rows(p.limit)?,
    })
}
