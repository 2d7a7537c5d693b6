//! Jobs.

use interlock_api::v1::job::{JobView, ListJobsResponse};
use interlock_core::job::JobState;

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, more, safe, when};

/// The list of jobs.
pub(crate) fn list(view: View, answer: &ListJobsResponse) -> String {
    if answer.jobs.is_empty() {
        return "no jobs\n".into();
    }
    let rows: Vec<_> = answer.jobs.iter().map(|job| row(view, job)).collect();
    let heading = ["JOB", "KIND", "STATE", "TRIES", "ASKED", "NEXT", "ABOUT", "ERROR"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, job: &JobView) -> [Cell; 8] {
    [
        job.job_id.to_string().into(),
        safe::summary(&job.kind, 40).into(),
        state(job),
        tries(job).into(),
        when::ago(job.enqueued_at, view.now).into(),
        next(view, job).into(),
        safe::summary(job.name.as_deref().unwrap_or_default(), 60).into(),
        safe::summary(job.error.as_deref().unwrap_or_default(), 60).into(),
    ]
}

/// One job.
pub(crate) fn show(view: View, job: &JobView) -> String {
    let requeued = job.requeued.as_ref().map_or_else(String::new, |requeued| {
        let times = if job.requeues == 1 { "once".into() } else { format!("{} times", job.requeues) };
        let why = safe::line(&requeued.text);
        format!("{times}, the last time by {} at {}: {why}", requeued.by, requeued.at)
    });
    let worker = job.worker.as_deref().map_or_else(String::new, safe::line);
    let held = job.held_until.map_or_else(String::new, |until| format!(" until {until}"));
    let text = |at: Option<interlock_core::Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    fields(
        view.style,
        &[
            ("job", job.job_id.to_string().into()),
            ("kind", safe::line(&job.kind).into()),
            ("about", job.name.as_deref().map_or_else(String::new, safe::line).into()),
            ("state", state(job)),
            ("tries", tries(job).into()),
            ("next", text(job.run_at).into()),
            ("worker", format!("{worker}{held}").into()),
            ("error", job.error.as_deref().map_or_else(String::new, safe::line).into()),
            ("asked", job.enqueued_at.to_string().into()),
            ("over", text(job.finished_at).into()),
            ("trace", job.traceparent.as_deref().map_or_else(String::new, safe::line).into()),
            ("requeued", requeued.into()),
        ],
    )
}

fn tries(job: &JobView) -> String {
    format!("{} of {}", job.attempts, job.attempts_max)
}

/// When its next attempt is due.
fn next(view: View, job: &JobView) -> String {
    job.run_at.map_or_else(String::new, |at| match at.ms_since(view.now) {
        0 => "due".into(),
        ms => format!("in {}", when::duration(ms)),
    })
}

fn state(job: &JobView) -> Cell {
    let paint = match job.state {
        JobState::Queued | JobState::Running => Paint::Yellow,
        JobState::Completed => Paint::Green,
        JobState::Dead => Paint::Red,
    };
    Cell::new(job.state.as_str(), paint)
}
