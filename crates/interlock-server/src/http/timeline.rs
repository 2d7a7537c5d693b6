//! What happened in a thread.

use interlock_api::operations as op;
use interlock_api::v1::thread::{ReadTimelineParams, ReadTimelineResponse, TimelineItem};
use interlock_core::{Event, Reason, Refusal};
use interlock_engine::Permit;
use interlock_engine::read::TimelineRow;

use crate::context::{Ctx, deadline, failed, rows};
use crate::view;

pub(crate) async fn read(
    cx: Ctx,
    _permit: Permit<op::ReadTimeline>,
    p: ReadTimelineParams,
) -> Result<ReadTimelineResponse, Refusal> {
    let limit = rows(p.limit)?;
    let after = p.after.as_deref().map(position).transpose()?;
    let until = deadline(p.wait_ms)?;
    // Before the first read, so that nothing is missed between reading and waiting.
    let mut watch = cx.engine().watch();
    loop {
        // Each time: who is removed meanwhile sees no more.
        let thread = cx.visible(p.thread_id).await?;
        let mut rows =
            cx.store().timeline(cx.workspace(), p.thread_id, after, limit + 1).await.map_err(failed)?;
        if rows.is_empty() && cx.wait(&mut watch, until, |note| note.threads.contains(&p.thread_id)).await {
            continue;
        }
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let text = words(&cx, &row).await?;
            items.push(TimelineItem { text, ..view::timeline(row, &thread.created_by, cx.engine().now()) });
        }
        let next = items.last().map(|item| item.position.clone()).or(p.after);
        return Ok(ReadTimelineResponse { items, next, has_more });
    }
}

/// The reason of a message that was taken back: it stands with the message, beside the log.
async fn words(cx: &Ctx, row: &TimelineRow) -> Result<Option<String>, Refusal> {
    let TimelineRow::Event(_, Event::MessageWithdrawn { thread_id, message_id, .. }) = row else {
        return Ok(None);
    };
    let found = cx.store().message(cx.workspace(), *thread_id, *message_id).await.map_err(failed)?;
    let text = found.and_then(|stored| stored.message.withdrawal).map(|withdrawal| withdrawal.text);
    Ok(text.filter(|text| !text.is_empty()))
}

/// A place in the ledger as a position names it.
pub(super) fn position(text: &str) -> Result<(u64, u32), Refusal> {
    let read = || {
        let (index, n) = text.split_once('.')?;
        Some((index.parse().ok()?, n.parse().ok()?))
    };
    read().ok_or_else(|| {
        Refusal::new(
            Reason::ParameterInvalid,
            format!("`{}` is no position such as 12.0", text.escape_default()),
        )
    })
}
