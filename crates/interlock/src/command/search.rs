//! `interlock thread search`.

use clap::Args;
use interlock_api::operations::SearchMessages;
use interlock_api::v1::search::{SearchMessagesParams, SearchMessagesResponse};
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;

use super::{PageParams, view};
use crate::argument::{self, Moment};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::render;

/// What `thread search` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Words that must all occur; '"several words"' follow one another, 'word*' is a beginning.
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    /// Only in this thread.
    #[arg(long, value_name = "THREAD")]
    thread: Option<ThreadId>,
    /// Only by this sender.
    #[arg(long, value_name = "NAME")]
    from: Option<AgentName>,
    /// Only events of this type.
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only in threads with this status.
    #[arg(long, value_name = "STATUS", value_parser = argument::status())]
    status: Option<Status>,
    /// Only messages posted then or later: a time, or a duration for so long ago.
    #[arg(long, value_name = "TIME|AGO", value_parser = argument::moment)]
    since: Option<Moment>,
    /// Only messages posted before: a time, or a duration for so long ago.
    #[arg(long, value_name = "TIME|AGO", value_parser = argument::moment)]
    until: Option<Moment>,
    #[command(flatten)]
    page: PageParams,
}

/// Search until the page is full or everything was looked at: a server's page may end before.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let PageParams { limit, cursor } = params.page;
    let now = Context::now();
    let text = params.words.join(" ");
    let mut request = SearchMessagesParams {
        text: (!text.is_empty()).then_some(text),
        thread_id: params.thread,
        from: params.from,
        event_type: params.event_type,
        status: params.status,
        state: None,
        since: params.since.map(|since| since.at(now)),
        until: params.until.map(|until| until.at(now)),
        cursor,
        limit,
        wait_ms: 0,
    };
    let connection = cx.connect()?;
    let mut all = SearchMessagesResponse::default();
    loop {
        let page = connection.read::<SearchMessages>(&request).await?;
        let found = u32::try_from(page.messages.len()).unwrap_or(u32::MAX);
        all.messages.extend(page.messages);
        all.next_cursor.clone_from(&page.next_cursor);
        request.limit = request.limit.saturating_sub(found);
        request.cursor = page.next_cursor;
        if request.limit == 0 || request.cursor.is_none() {
            break;
        }
    }
    Ok(Answer::new(&all, render::message::found(view(cx), &all))?)
}
