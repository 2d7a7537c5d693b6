//! `interlock thread tail`: a thread's timeline as it grows, over restarts of the server.

use std::time::Duration;

use clap::Args;
use interlock_api::Problem;
use interlock_api::operations::{GetThread, ReadTimeline};
use interlock_api::v1::thread::{GetThreadParams, ReadTimelineParams, TimelineItem};
use interlock_core::Reason;
use interlock_core::id::ThreadId;
use interlock_core::thread::Status;

use super::reconnect::{self, PAUSE_MS};
use crate::connection::Connection;
use crate::context::Context;
use crate::exit::{Answer, End, Failure, to_json};
use crate::output::Output;
use crate::render;

/// How long one poll waits: well below the limit, so that a dead connection is noticed in time.
const WAIT_MS: u32 = 20_000;
/// Items of one poll.
const ITEMS_MAX: u32 = 200;

/// What `thread tail` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Only what happened after this position, as an item names it.
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    /// End when the thread is resolved or closed; when it is blocked, end with exit code 1.
    #[arg(long)]
    until_done: bool,
}

/// Watch a thread.
pub(crate) async fn run(cx: &Context, params: Params) -> End {
    let mut tail = Tail {
        cx,
        connection: cx.connect()?,
        thread_id: params.thread_id,
        after: params.after,
        has_begun: false,
        status: None,
    };
    loop {
        let is_at_end = tail.poll().await?;
        if !params.until_done || !is_at_end {
            continue;
        }
        // The status is asked for before the last look at the timeline, so that nothing before it is missed.
        match tail.status {
            None | Some(Status::Active) => tail.status = Some(tail.ask_status().await?),
            Some(Status::Blocked) => return Err(blocked(params.thread_id).into()),
            Some(Status::Resolved | Status::Closed) => return Ok(Answer::written()),
        }
    }
}

fn blocked(thread_id: ThreadId) -> Problem {
    Problem::new(Reason::NotConverged, &format!("{thread_id} is blocked and waits for a person"), "")
        .hint(format!("see why with: interlock thread show {thread_id}"))
}

struct Tail<'a> {
    cx: &'a Context,
    connection: Connection,
    thread_id: ThreadId,
    /// The position of the last item that was shown.
    after: Option<String>,
    /// Whether the server ever answered: before that, a server that is not there is an error.
    has_begun: bool,
    /// What the thread's status was when it was last asked for; done ones are acted on after one more look.
    status: Option<Status>,
}

impl Tail<'_> {
    /// Show what is new, waiting for it; whether that was all there is.
    async fn poll(&mut self) -> Result<bool, Failure> {
        let is_last_look = !matches!(self.status, None | Some(Status::Active));
        let request = ReadTimelineParams {
            thread_id: self.thread_id,
            after: self.after.clone(),
            limit: ITEMS_MAX,
            wait_ms: if is_last_look || !self.has_begun { 0 } else { WAIT_MS },
        };
        let answer = loop {
            match self.connection.read::<ReadTimeline>(&request).await {
                Ok(answer) => break answer,
                Err(problem) => self.reconnect(problem).await?,
            }
        };
        if self.has_begun && answer.items.is_empty() {
            // A server that answers before the wait is over, because it stops, is not asked in a tight loop.
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
        self.has_begun = true;
        for item in &answer.items {
            self.show(item)?;
            self.after = Some(item.position.clone());
        }
        if answer.next.is_some() {
            self.after = answer.next;
        }
        Ok(!answer.has_more)
    }

    fn show(&self, item: &TimelineItem) -> Result<(), Failure> {
        let output = self.cx.output;
        if output.is_json() {
            Output::line(&to_json(item)?)
        } else {
            Output::text(&format!("{}\n", render::timeline::line(output.style(), item)))
        }
    }

    async fn ask_status(&mut self) -> Result<Status, Failure> {
        let request = GetThreadParams::now(self.thread_id);
        loop {
            match self.connection.read::<GetThread>(&request).await {
                Ok(thread) => return Ok(thread.status),
                Err(problem) => self.reconnect(problem).await?,
            }
        }
    }

    /// After a failure that a restart explains: wait until the server answers again, wherever it listens now.
    async fn reconnect(&mut self, problem: Problem) -> Result<(), Problem> {
        if !self.has_begun {
            return Err(problem);
        }
        let request = GetThreadParams::now(self.thread_id);
        let answers =
            async |connection: &Connection| connection.read::<GetThread>(&request).await.map(|_| ());
        self.connection = reconnect::again(self.cx, problem, answers).await?;
        Ok(())
    }
}
