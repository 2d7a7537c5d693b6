//! Wakes.

use interlock_api::v1::wake::{InterventionView, ListWakesResponse, TriggerParticipantResponse, WakeView};
use interlock_core::id::WakeId;
use interlock_core::time::Timestamp;
use interlock_core::wake::{WakeResult, WakeState};

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, hops, more, safe, usage, when};

/// The list of wakes.
pub(crate) fn list(view: View, answer: &ListWakesResponse) -> String {
    if answer.wakes.is_empty() {
        return "no wakes\n".into();
    }
    rows(view, &answer.wakes) + &more(view.style, answer.next_cursor.as_ref())
}

/// Wakes as a table.
pub(crate) fn rows(view: View, wakes: &[WakeView]) -> String {
    let rows: Vec<_> = wakes
        .iter()
        .map(|wake| {
            [
                wake.wake_id.to_string().into(),
                Cell::new(wake.agent.as_str(), Paint::Cyan),
                state(wake),
                wake.attempts.to_string().into(),
                when::ago(wake.requested_at, view.now).into(),
                took(wake, view.now).into(),
                wake.usage.map_or_else(String::new, usage::in_short).into(),
                wake.thread_id.to_string().into(),
                wake.reason.map_or("", interlock_core::Reason::as_str).into(),
            ]
        })
        .collect();
    let heading = ["WAKE", "AGENT", "STATE", "TRIES", "ASKED", "TOOK", "USED", "THREAD", "REASON"];
    table(view.style, heading, &rows)
}

/// One wake with its ladder of proof.
pub(crate) fn show(view: View, wake: &WakeView) -> String {
    let exit_code = wake.exit_code.map_or_else(String::new, |code| code.to_string());
    let mut text = fields(
        view.style,
        &[
            ("wake", wake.wake_id.to_string().into()),
            ("agent", Cell::new(wake.agent.as_str(), Paint::Cyan)),
            ("thread", wake.thread_id.to_string().into()),
            ("state", state(wake)),
            ("reason", reason(wake).into()),
            ("due", due(wake, view.now).into()),
            ("exit code", exit_code.into()),
            ("on", wake.on.as_ref().map_or("", interlock_core::agent::Label::as_str).into()),
            ("declined by", wake.declined_by.join(", ").into()),
            ("tries", wake.attempts.to_string().into()),
            ("lane", wake.lane.map_or("", interlock_core::wake::Lane::as_str).into()),
            ("door", door(wake).into()),
            ("in doubt", wake.in_doubt_since.map_or_else(String::new, |at| format!("since {at}")).into()),
            ("used", wake.usage.map_or_else(String::new, usage::in_full).into()),
            ("for", asked_for(wake).into()),
            (
                "asked again",
                wake.retried.as_ref().map_or_else(String::new, |one| intervened(view, one)).into(),
            ),
            ("in place of", wake.retries.map_or_else(String::new, |former| former.to_string()).into()),
            (
                "ended by",
                wake.cancelled.as_ref().map_or_else(String::new, |one| intervened(view, one)).into(),
            ),
            ("next", next(view, wake)),
        ],
    );
    text.push('\n');
    text.push_str(&ladder(view, wake));
    if !wake.history.is_empty() {
        text.push('\n');
        text.push_str(&history(view, wake));
    }
    if let Some(words) = &wake.last_message {
        text.push_str(&said_last(view, words));
    }
    text
}

/// The agent's last words, on lines of their own.
fn said_last(view: View, words: &str) -> String {
    let lines = safe::lines(words);
    let lines = lines.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n");
    format!("\n{}\n{}", view.style.bold("said last"), lines.collect::<String>())
}

/// For which message, who asked, and how far from a person that was.
fn asked_for(wake: &WakeView) -> String {
    format!("message #{}, asked for by {}{}", wake.seq, wake.cause, hops(wake.hops))
}

/// Who intervened, when and why.
fn intervened(view: View, one: &InterventionView) -> String {
    format!("{}, {}: {}", one.by, when::ago(one.at, view.now), super::words(&one.text))
}

/// What happens next, and when.
fn next(view: View, wake: &WakeView) -> Cell {
    let later = wake.due_at > view.now;
    match (wake.state, wake.result) {
        (WakeState::Finished, Some(result)) if result.may_be_retried() => Cell::new(
            format!("nothing by itself; ask again with: interlock wake retry {}", wake.wake_id),
            Paint::Yellow,
        ),
        (WakeState::Finished, _) => "".into(),
        (WakeState::Running, _) if wake.cancelled.is_some() => {
            Cell::new("its process is stopped", Paint::Yellow)
        }
        (WakeState::Running, _) if wake.accepted_at.is_none() => "its process has to accept".into(),
        (WakeState::Running, _) if wake.seen_at.is_none() => "the agent has to acknowledge".into(),
        (WakeState::Running, _) => "its process has to end".into(),
        (WakeState::Pending, _) if !later && wake.in_doubt_since.is_some() => {
            "a supervisor looks whether its last attempt still runs".into()
        }
        (WakeState::Pending, _) if wake.is_halted => {
            Cell::new("nothing until agents are let go on: interlock resume", Paint::Yellow)
        }
        (WakeState::Pending, _) if wake.held => {
            Cell::new("it is held back until its thread is active", Paint::Yellow)
        }
        (WakeState::Pending, _) if later && wake.attempts > 0 => {
            format!("attempt {} {}", wake.attempts + 1, when::ahead(wake.due_at, view.now)).into()
        }
        (WakeState::Pending, _) if later => {
            format!("it is looked at again {}", when::ahead(wake.due_at, view.now)).into()
        }
        (WakeState::Pending, _) => "it is due: a supervisor with room takes it".into(),
    }
}

/// The last attempts, each with what became of it.
fn history(view: View, wake: &WakeView) -> String {
    let rows: Vec<[Cell; 6]> = wake
        .history
        .iter()
        .map(|attempt| {
            let took = attempt.ended_at.unwrap_or(view.now).ms_since(attempt.at);
            let end = match (attempt.ended_at, attempt.reason) {
                (None, _) => Cell::new("runs", Paint::Yellow),
                (Some(_), None) => Cell::new("well", Paint::Green),
                (Some(_), Some(reason)) => Cell::new(format!("{reason}: {}", reason.title()), Paint::Red),
            };
            [
                attempt.number.to_string().into(),
                attempt.at.to_string().into(),
                when::duration(took).into(),
                attempt.supervisor.as_str().into(),
                attempt.exit_code.map_or_else(String::new, |code| code.to_string()).into(),
                end,
            ]
        })
        .collect();
    table(view.style, ["ATTEMPT", "AT", "TOOK", "SUPERVISOR", "EXIT", "END"], &rows)
}

/// What came of asking for a wake again.
pub(crate) fn retried(view: View, asked: WakeId, wake: &WakeView) -> String {
    let more = view.style.dim(&format!("more with: interlock wake show {}", wake.wake_id));
    let new = if wake.wake_id == asked { String::new() } else { format!(" as {}", wake.wake_id) };
    let said = match (wake.state, wake.result) {
        (WakeState::Finished, Some(result)) => format!("was woken again{new}: {result}"),
        (WakeState::Running, _) => format!("is woken again{new}"),
        _ if wake.held => format!("is to be woken{new} once its thread is active"),
        _ => format!("is to be woken now{new}"),
    };
    format!("{} {said}\n{more}\n", wake.agent)
}

/// What came of ending a wake.
pub(crate) fn cancelled(view: View, wake: &WakeView) -> String {
    let said = match wake.state {
        WakeState::Finished => "is ended: nobody runs for it",
        WakeState::Pending | WakeState::Running => "ends as soon as its process is stopped",
    };
    let more = view.style.dim(&format!("more with: interlock wake show {}", wake.wake_id));
    format!("the wake of {} {said}\n{more}\n", wake.agent)
}

/// The steps reached, each with the time it took from the one before.
fn ladder(view: View, wake: &WakeView) -> String {
    let evidence = wake.evidence.map_or_else(String::new, |evidence| format!("by {evidence}"));
    let steps = [
        ("requested", Some(wake.requested_at), String::new()),
        ("dispatched", wake.dispatched_at, String::new()),
        ("accepted", wake.accepted_at, evidence),
        ("seen", wake.seen_at, String::new()),
        ("acted", wake.acted_at, String::new()),
        ("finished", wake.finished_at, String::new()),
    ];
    let rows: Vec<[Cell; 4]> = steps
        .into_iter()
        .map(|(name, at, note)| match at {
            Some(at) => [
                name.into(),
                at.to_string().into(),
                format!("+{}", when::duration(at.ms_since(wake.requested_at))).into(),
                note.into(),
            ],
            None => [Cell::new(name, Paint::Dim), Cell::new("-", Paint::Dim), "".into(), "".into()],
        })
        .collect();
    table(view.style, ["STEP", "AT", "AFTER", "PROOF"], &rows)
}

/// What came of waking somebody on request.
pub(crate) fn triggered(view: View, answer: &TriggerParticipantResponse) -> String {
    let wake = &answer.wake;
    let said = match answer.result {
        None if wake.held => "is to be woken once its thread is active".to_owned(),
        None if wake.dispatched_at.is_some() => "is woken".to_owned(),
        None => "is to be woken".to_owned(),
        Some(WakeResult::AlreadyActive) if wake.finished_at.is_none() => "runs already".to_owned(),
        Some(result) => {
            let because = wake.reason.map_or_else(String::new, |_| format!(" ({})", reason(wake)));
            let took = took(wake, view.now);
            let after = if took.is_empty() { took } else { format!(" after {took}") };
            format!("is done{after}: {result}{because}")
        }
    };
    let more = view.style.dim(&format!("more with: interlock wake show {}", wake.wake_id));
    format!("{} {said}\n{more}\n", wake.agent)
}

/// When a wake that was put off, or whose next attempt comes later, is due.
fn due(wake: &WakeView, now: Timestamp) -> String {
    let waits_ms = wake.due_at.ms_since(now);
    if wake.state != WakeState::Pending || waits_ms == 0 {
        return String::new();
    }
    format!("in {}, at {}", when::duration(waits_ms), wake.due_at)
}

fn reason(wake: &WakeView) -> String {
    wake.reason.map_or_else(String::new, |reason| format!("{reason}: {}", reason.title()))
}

/// The door of the last attempt, and those that it stands in the place of.
fn door(wake: &WakeView) -> String {
    let used = wake.door.map(|door| door.to_string());
    let changes = wake.door_changes.iter();
    let changes = changes.map(|one| format!("{} in the place of {}: {}", one.to, one.from, one.reason));
    used.into_iter().chain(changes).collect::<Vec<_>>().join("; ")
}

/// Where a wake stands, or how it ended.
fn state(wake: &WakeView) -> Cell {
    match (wake.state, wake.result) {
        (_, Some(result)) => {
            let paint = match result {
                WakeResult::Failed | WakeResult::Unknown => Paint::Red,
                WakeResult::Cancelled => Paint::Yellow,
                _ => Paint::Green,
            };
            Cell::new(result.as_str(), paint)
        }
        (WakeState::Pending, None) if wake.held => Cell::new("held", Paint::Yellow),
        (state, None) => Cell::new(state.as_str(), Paint::Yellow),
    }
}

/// How long its process ran, or has run: of one that waits again nothing is running.
fn took(wake: &WakeView, now: Timestamp) -> String {
    let from = wake.dispatched_at.filter(|_| wake.state != WakeState::Pending);
    from.map_or_else(String::new, |from| when::duration(wake.finished_at.unwrap_or(now).ms_since(from)))
}
