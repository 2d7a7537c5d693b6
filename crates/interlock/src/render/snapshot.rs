//! Snapshots.

use std::collections::BTreeMap;

use interlock_api::v1::snapshot::{
    CompareSnapshotsResponse, FigureView, ListSnapshotsResponse, SnapshotMark, SnapshotView,
};
use interlock_core::snapshot::Jobs;

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, more, safe, when};

/// The list of snapshots.
pub(crate) fn list(view: View, answer: &ListSnapshotsResponse) -> String {
    if answer.snapshots.is_empty() {
        return "no snapshots\n".into();
    }
    let rows: Vec<_> = answer.snapshots.iter().map(|taken| row(view, taken)).collect();
    let heading = ["SNAPSHOT", "STAGE", "TAKEN", "BY", "ENTRY", "JOBS DONE", "DEAD", "LOST", "MESSAGES"];
    table(view.style, heading, &rows) + &more(view.style, answer.next_cursor.as_ref())
}

fn row(view: View, taken: &SnapshotView) -> [Cell; 9] {
    let jobs = &taken.content.jobs;
    [
        taken.snapshot_id.to_string().into(),
        taken.stage.to_string().into(),
        when::ago(taken.taken_at, view.now).into(),
        taken.by.to_string().into(),
        taken.index.to_string().into(),
        format!("{} of {}", jobs.completed, jobs.accepted).into(),
        jobs.dead.to_string().into(),
        lost(jobs.lost, jobs.lost.to_string()),
        taken.content.messages.to_string().into(),
    ]
}

/// One snapshot.
pub(crate) fn show(view: View, taken: &SnapshotView) -> String {
    let (content, jobs) = (&taken.content, &taken.content.jobs);
    let since = jobs.counted_since.map_or_else(String::new, |at| format!(", counted since {at}"));
    let Jobs { accepted, completed, dead, waiting, running, .. } = jobs;
    let sum = format!(
        "{accepted} accepted = {completed} done + {dead} dead + {waiting} waiting + {running} running + {} lost{since}",
        jobs.lost
    );
    let Jobs { claimed, retried, put_off, died, requeued, .. } = jobs;
    fields(
        view.style,
        &[
            ("snapshot", taken.snapshot_id.to_string().into()),
            ("stage", taken.stage.to_string().into()),
            ("taken", taken.taken_at.to_string().into()),
            ("by", taken.by.to_string().into()),
            ("says", taken.text.as_deref().map_or_else(String::new, safe::line).into()),
            ("jobs", lost(jobs.lost, sum)),
            (
                "attempts",
                format!(
                    "{claimed} claimed, {retried} retried, {put_off} put off, {died} died, {requeued} requeued"
                )
                .into(),
            ),
            ("took", took(jobs).into()),
            ("oldest due", oldest(jobs.oldest_due_ms).into()),
            ("messages", content.messages.to_string().into()),
            ("threads", counts(&content.threads).into()),
            ("wakes", counts(&content.wakes).into()),
            ("ledger", format!("the first {} entries; this is entry {}", content.ledger_size, taken.index).into()),
            ("digest", taken.content_digest.to_string().into()),
        ],
    )
}

fn lost(lost: i64, text: String) -> Cell {
    if lost == 0 { text.into() } else { Cell::new(text, Paint::Red) }
}

fn duration(ms: u64) -> String {
    when::duration(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn oldest(ms: u64) -> String {
    if ms == 0 { "none".into() } else { format!("for {}", duration(ms)) }
}

/// How long jobs took: on average, and within what nearly all of them are.
fn took(jobs: &Jobs) -> String {
    let took = &jobs.time_to_complete;
    let Some(mean) = took.sum_ms.checked_div(took.count) else { return "none is done".into() };
    let mut seen = 0_u64;
    let most = took.buckets.iter().find(|bucket| {
        seen = seen.saturating_add(bucket.count);
        seen.saturating_mul(100) >= took.count.saturating_mul(95)
    });
    let most = match most.and_then(|bucket| bucket.up_to_ms) {
        Some(ms) => format!("95 of 100 at most {}", duration(ms)),
        None => "more than 5 of 100 longer than a day".into(),
    };
    format!("{} on average, {most}", duration(mean))
}

/// `3 triggered, 1 pending`; what there is none of is left out.
fn counts(counts: &BTreeMap<String, u64>) -> String {
    let some = counts.iter().filter(|(_, count)| **count > 0);
    let some: Vec<_> = some.map(|(name, count)| format!("{count} {}", safe::summary(name, 40))).collect();
    if some.is_empty() { "none".into() } else { some.join(", ") }
}

/// What grew between two snapshots; what stayed as it was is left out.
pub(crate) fn comparison(view: View, answer: &CompareSnapshotsResponse) -> String {
    let mark = |one: &SnapshotMark| format!("{} {} at {}", one.snapshot_id, one.stage, one.taken_at);
    let took = answer.time_to_complete_ms;
    let took = took.map_or_else(|| "none was done".into(), |ms| format!("{} on average", duration(ms)));
    let head = fields(
        view.style,
        &[
            ("earlier", mark(&answer.earlier).into()),
            ("later", mark(&answer.later).into()),
            ("between", duration(answer.elapsed_ms).into()),
            ("jobs took", took.into()),
        ],
    );
    let changed: Vec<_> = answer.figures.iter().filter(|figure| figure.grew != 0).map(figure).collect();
    if changed.is_empty() {
        return head + "\nnothing grew\n";
    }
    head + "\n" + &table(view.style, ["FIGURE", "EARLIER", "LATER", "GREW", "PER MINUTE"], &changed)
}

fn figure(figure: &FigureView) -> [Cell; 5] {
    [
        safe::summary(&figure.figure, 60).into(),
        figure.from.to_string().into(),
        figure.to.to_string().into(),
        format!("{:+}", figure.grew).into(),
        figure.per_minute.map_or_else(String::new, |rate| format!("{rate:.1}")).into(),
    ]
}
