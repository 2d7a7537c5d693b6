//! The whole workspace at one look: first what needs a person.

use std::collections::BTreeMap;

use interlock_api::v1::workspace::{Activity, AgentActivity, Attention, StatusView};
use interlock_core::agent::Label;
use interlock_core::job::JobState;

use super::style::Paint;
use super::table::{Cell, table};
use super::{View, count, safe, thread, wake, when};

/// A supervisor that was silent for longer is worth a word.
const SILENT_MS_MAX: u64 = 60_000;

/// The look.
pub(crate) fn show(view: View, url: &str, status: &StatusView) -> String {
    let section = |title: String, body: String| format!("{}\n{body}", view.style.bold(&title));
    let mut parts = vec![head(view, url, status)];
    if !status.attention.is_empty() {
        let title = format!("needs a person: {}", count(status.attention.len(), "thread"));
        let hint = "why: interlock thread show THREAD --why; go on: interlock thread resume THREAD";
        parts.push(section(title, attention(view, &status.attention) + &view.style.dim(hint) + "\n"));
    }
    if !status.agents.is_empty() {
        parts.push(section(count(status.agents.len(), "agent"), agents(view, &status.agents)));
    }
    if !status.wakes.is_empty() {
        let title = format!("{} waiting or running", count(status.wakes.len(), "wake"));
        parts.push(section(title, wake::rows(view, &status.wakes)));
    }
    if !status.threads.is_empty() {
        parts.push(section("latest threads".into(), thread::rows(view, &status.threads)));
    }
    parts.join("\n")
}

fn head(view: View, url: &str, status: &StatusView) -> String {
    let paint = |paint, text| view.style.paint(paint, text);
    let mut lines =
        vec![format!("{}  {}", view.style.bold(&status.workspace_id.to_string()), safe::line(url))];
    if status.is_halted {
        lines.push(paint(Paint::Red, "all agents are stopped; let them go on with: interlock resume"));
    }
    lines.push(format!("threads: {}", counts(&status.thread_counts)));
    lines.push(format!("wakes: {}", counts(&status.wake_counts)));
    if !status.job_counts.is_empty() {
        lines.push(format!("jobs: {}", counts(&status.job_counts)));
    }
    lines.push(format!("ledger: {} entries", status.ledger_size));
    lines.push(supervisors(view, status));
    let dead = status.job_counts.get(JobState::Dead.as_str()).copied().unwrap_or(0);
    if dead > 0 {
        let look = "look: interlock job list --state dead";
        lines.push(paint(Paint::Red, &format!("dead jobs need a person: {dead} ({look})")));
    } else if status.attention.is_empty() && !status.is_halted {
        lines.push(paint(Paint::Green, "nothing needs a person"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn supervisors(view: View, status: &StatusView) -> String {
    if status.supervisors.is_empty() {
        return view.style.paint(Paint::Yellow, "supervisors: none, so nobody is woken");
    }
    let all = status.supervisors.iter().map(|one| {
        let labels: Vec<&str> = one.labels.iter().map(Label::as_str).collect();
        let labels = if labels.is_empty() { String::new() } else { format!(" [{}]", labels.join(" ")) };
        let lacks: Vec<String> =
            one.cannot_run.iter().map(|(agent, lack)| format!("{agent}: no {lack}")).collect();
        let lacks =
            if lacks.is_empty() { String::new() } else { format!(", cannot run {}", lacks.join(", ")) };
        let name = format!("{}{labels}{lacks}", safe::line(&one.name));
        if one.silent_ms > SILENT_MS_MAX {
            let silent = when::duration(i64::try_from(one.silent_ms).unwrap_or(i64::MAX));
            view.style.paint(Paint::Yellow, &format!("{name} (silent for {silent})"))
        } else {
            name
        }
    });
    format!("supervisors: {}", all.collect::<Vec<_>>().join(", "))
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let some = counts.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{n} {}", safe::line(name)));
    let text = some.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".into() } else { text }
}

fn attention(view: View, rows: &[Attention]) -> String {
    let rows: Vec<[Cell; 5]> = rows
        .iter()
        .map(|one| {
            [
                one.thread_id.to_string().into(),
                Cell::new(one.reason.map_or("", interlock_core::Reason::as_str), Paint::Red),
                one.owner.as_ref().map_or("", |owner| owner.as_str()).into(),
                when::ago(one.since, view.now).into(),
                safe::summary(&one.title, 60).into(),
            ]
        })
        .collect();
    table(view.style, ["THREAD", "REASON", "OWNER", "SINCE", "TITLE"], &rows)
}

fn agents(view: View, rows: &[AgentActivity]) -> String {
    let rows: Vec<[Cell; 4]> = rows
        .iter()
        .map(|one| {
            let (activity, paint) = match one.activity {
                Activity::Dormant => ("dormant", Paint::Dim),
                Activity::Waiting => ("waiting", Paint::Yellow),
                Activity::Active => ("active", Paint::Green),
                Activity::Unmanaged => ("comes by itself", Paint::Plain),
            };
            [
                Cell::new(one.name.as_str(), Paint::Cyan),
                Cell::new(activity, paint),
                one.wake_id.map_or_else(String::new, |id| id.to_string()).into(),
                one.thread_id.map_or_else(String::new, |id| id.to_string()).into(),
            ]
        })
        .collect();
    table(view.style, ["AGENT", "ACTIVITY", "WAKE", "THREAD"], &rows)
}
