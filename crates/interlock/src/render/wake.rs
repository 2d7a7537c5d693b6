//! Wakes.

use interlock_api::v1::wake::{ListWakesResponse, TriggerParticipantResponse, WakeView};
use interlock_core::time::Timestamp;
use interlock_core::wake::{Usage, WakeResult, WakeState};

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, more, when};

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
                wake.usage.map_or_else(String::new, used_in_short).into(),
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
            ("used", wake.usage.map_or_else(String::new, used).into()),
            ("for", format!("message #{}, asked for by {}", wake.seq, wake.cause).into()),
        ],
    );
    text.push('\n');
    text.push_str(&ladder(view, wake));
    text
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

/// US dollars, where they are told.
fn cost(usage: Usage) -> String {
    usage.cost_micro_usd.map_or_else(String::new, |micro| {
        format!(", {}.{:04} USD", micro / 1_000_000, micro % 1_000_000 / 100)
    })
}

/// Tokens as people say them: `999`, `12.3k`, `4.0M`.
fn tokens(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{}.{}k", n / 1_000, n % 1_000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// As [`used`], for a column.
fn used_in_short(usage: Usage) -> String {
    format!("{} in, {} out{}", tokens(usage.input_tokens), tokens(usage.output_tokens), cost(usage))
}

/// Tokens and price, as far as the runtime tells.
pub(crate) fn used(usage: Usage) -> String {
    let cost = cost(usage);
    let Usage { input_tokens, cached_input_tokens, output_tokens, .. } = usage;
    format!("{input_tokens} tokens in ({cached_input_tokens} cached), {output_tokens} out{cost}")
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
            let is_bad = matches!(result, WakeResult::Failed | WakeResult::Unknown);
            Cell::new(result.as_str(), if is_bad { Paint::Red } else { Paint::Green })
        }
        (WakeState::Pending, None) if wake.held => Cell::new("held", Paint::Yellow),
        (state, None) => Cell::new(state.as_str(), Paint::Yellow),
    }
}

fn took(wake: &WakeView, now: Timestamp) -> String {
    let from = wake.dispatched_at;
    from.map_or_else(String::new, |from| when::duration(wake.finished_at.unwrap_or(now).ms_since(from)))
}
