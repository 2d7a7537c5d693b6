//! Following the thread on a leash: until it is resolved, blocked, or the leash ends it.

use std::time::Duration;

use interlock_api::Problem;
use interlock_api::operations as op;
use interlock_api::v1::thread::{
    GetThreadParams, ReadTimelineParams, TimelineItem, UpdateThreadStatusParams,
};
use interlock_api::v1::wake::{ListWakesParams, WakeView};
use interlock_core::Reason;
use interlock_core::thread::Status;
use interlock_core::wake::WakeState;
use serde_json::Value;
use tokio::time::Instant;

use super::cast::Cast;
use super::options::Params;
use super::outcome::{Outcome, Verdict};
use super::show::Show;
use crate::child::Child;

/// How long one long-poll waits.
const WAIT_MS: u32 = 20_000;
/// How long agents may take to end after the thread has.
const SETTLE: Duration = Duration::from_secs(30);

/// How far the thread was followed.
#[derive(Debug, Default)]
pub(crate) struct Following {
    after: Option<String>,
    /// The status that ended the job.
    pub(crate) ended: Option<Status>,
    /// Whether a wake ended since it was last looked whether anybody has something left to do.
    is_settling: bool,
}

impl Following {
    /// What happened since, noted and shown; waits for the first of it.
    ///
    /// # Errors
    /// The server's problems.
    pub(crate) async fn next(
        &mut self,
        cast: &Cast,
        show: &Show,
        outcome: &mut Outcome,
        wait_ms: u32,
    ) -> Result<Vec<TimelineItem>, Problem> {
        let request =
            ReadTimelineParams { thread_id: cast.thread_id, after: self.after.clone(), limit: 200, wait_ms };
        let answer = cast.read::<op::ReadTimeline>(&request).await?;
        self.after = answer.next;
        for item in &answer.items {
            outcome.note(item);
            show.item(item);
        }
        self.is_settling |= answer.items.iter().any(|item| item.kind == "wake.finished");
        // What ended stays so until a person resumes it, which nobody does here.
        self.ended = self.ended.or(ended(&answer.items));
        Ok(answer.items)
    }
}

/// Watch until the end; says how it went.
///
/// # Errors
/// The server's problems.
pub(crate) async fn follow(
    following: &mut Following,
    cast: &Cast,
    params: &Params,
    show: &Show,
    outcome: &mut Outcome,
    child: &Child,
) -> Result<Verdict, Problem> {
    let leash = Instant::now() + Duration::from_secs(u64::from(params.max_minutes) * 60);
    let status = loop {
        if let Some(status) = following.ended {
            break status;
        }
        if let Some(text) = leash_text(params, outcome) {
            block(cast, Reason::LeashReached, &text).await?;
        } else if std::mem::take(&mut following.is_settling) && is_quiet(cast).await? {
            block(
                cast,
                Reason::NotConverged,
                "Nobody has anything left to do, and the thread is not resolved.",
            )
            .await?;
        }
        tokio::select! {
            items = following.next(cast, show, outcome, WAIT_MS) => items.map(drop)?,
            () = tokio::time::sleep_until(leash) => {
                let text = format!("The run took {} minutes, its limit.", params.max_minutes);
                block(cast, Reason::LeashReached, &text).await?;
            }
            ended = child.ended() => {
                let detail = format!("the server ended by itself ({ended:?}); see its log");
                return Err(Problem::new(Reason::ServerUnreachable, &detail, ""));
            }
        }
    };
    settle(following, cast, show, outcome).await?;
    Ok(if status == Status::Resolved { Verdict::Resolved } else { Verdict::NotConverged })
}

/// Which limit of the run is reached, in words.
fn leash_text(params: &Params, outcome: &Outcome) -> Option<String> {
    if outcome.turns >= params.max_turns {
        return Some(format!("The agents took {} turns, their limit.", outcome.turns));
    }
    let tokens = outcome.usage.input_tokens.saturating_add(outcome.usage.output_tokens);
    if params.max_tokens.is_some_and(|max| tokens >= max) {
        return Some(format!("The agents' models used {tokens} tokens, beyond the limit of the run."));
    }
    let cost = outcome.usage.cost_micro_usd.unwrap_or_default();
    if params.max_cost.is_some_and(|max| cost >= max) {
        return Some(format!("The agents' models cost {} USD, beyond the limit of the run.", dollars(cost)));
    }
    None
}

/// Millionths of a dollar as people write an amount.
pub(crate) fn dollars(micro: u64) -> String {
    format!("{}.{:04}", micro / 1_000_000, micro % 1_000_000 / 100)
}

/// The status that ends the run, when one of these changes the thread to it.
fn ended(items: &[TimelineItem]) -> Option<Status> {
    let changes = items.iter().filter(|item| item.kind == "thread.status_changed");
    let to = changes.filter_map(|item| item.event.as_ref()?.get("to").and_then(Value::as_str)).next_back()?;
    Status::parse(to).filter(|status| *status != Status::Active)
}

/// Whether no wake waits or runs while the thread is still active.
async fn is_quiet(cast: &Cast) -> Result<bool, Problem> {
    let thread = cast.read::<op::GetThread>(&GetThreadParams::now(cast.thread_id)).await?;
    Ok(thread.status == Status::Active && live(cast).await? == 0)
}

/// Wakes of the thread that wait or run.
async fn live(cast: &Cast) -> Result<usize, Problem> {
    let request =
        ListWakesParams { thread_id: Some(cast.thread_id), limit: 200, ..ListWakesParams::default() };
    let answer = cast.read::<op::ListWakes>(&request).await?;
    let is_live = |wake: &&WakeView| match wake.state {
        WakeState::Running => true,
        WakeState::Pending => !wake.held,
        WakeState::Finished => false,
    };
    Ok(answer.wakes.iter().filter(is_live).count())
}

async fn block(cast: &Cast, reason: Reason, text: &str) -> Result<(), Problem> {
    let request = UpdateThreadStatusParams {
        thread_id: cast.thread_id,
        status: Status::Blocked,
        reason,
        text: text.to_owned(),
        owner: Some(cast.me.clone()),
    };
    let key = format!("pilot-block-{reason}");
    match cast.client.call::<op::UpdateThreadStatus>(&request, Some(&key)).await {
        // The thread ended by itself meanwhile; the timeline says how.
        Err(problem) if problem.known_reason() == Some(Reason::TransitionInvalid) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The agent that ended the thread is still running: let it acknowledge and exit.
async fn settle(
    following: &mut Following,
    cast: &Cast,
    show: &Show,
    outcome: &mut Outcome,
) -> Result<(), Problem> {
    let until = Instant::now() + SETTLE;
    while live(cast).await? > 0 && Instant::now() < until {
        following.next(cast, show, outcome, 1_000).await?;
    }
    following.next(cast, show, outcome, 0).await.map(drop)
}
