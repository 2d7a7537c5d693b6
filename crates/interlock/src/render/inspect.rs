//! Everything about a thread that an operator needs.

use interlock_api::v1::escalation::EscalationView;
use interlock_api::v1::explain::ExplainedView;
use interlock_api::v1::message::{MessageView, ReadMessagesResponse};
use interlock_api::v1::thread::ThreadView;
use interlock_api::v1::wake::WakeView;
use serde::Serialize;

use super::{View, count, escalation, explain, message, thread, wake};

/// The parts of `inspect-thread --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    /// The thread.
    pub(crate) thread: ThreadView,
    /// Who must act in it.
    pub(crate) escalation: EscalationView,
    /// Who takes part, and why each is woken, or is not.
    pub(crate) participants: Vec<ExplainedView>,
    /// The last messages.
    pub(crate) messages: Vec<MessageView>,
    /// The last wakes, newest first.
    pub(crate) wakes: Vec<WakeView>,
}

/// One part below the other.
pub(crate) fn show(view: View, all: &Inspection) -> String {
    let section = |title: String, body: String| format!("{}\n{body}", view.style.bold(&title));
    let mut parts = vec![thread::head(view, &all.thread)];
    if all.escalation.owner.is_some() {
        parts.push(section("needs a person".into(), escalation::show(view, &all.escalation)));
    }
    let participants: String = all.participants.iter().map(|one| explain::participant(view, one)).collect();
    parts.push(section(count(all.participants.len(), "participant"), participants));
    if !all.thread.findings.is_empty() {
        parts.push(thread::findings(view, &all.thread));
    }
    let messages = ReadMessagesResponse {
        messages: all.messages.clone(),
        next_seq: all.thread.last_seq,
        has_more: false,
        acked_seq: 0,
    };
    let shown = format!("last {} of {}", count(all.messages.len(), "message"), all.thread.last_seq);
    parts.push(section(shown, message::list(view, &messages)));
    if all.wakes.is_empty() {
        parts.push(section("no wakes".into(), String::new()));
    } else {
        parts.push(section(format!("last {}", count(all.wakes.len(), "wake")), wake::rows(view, &all.wakes)));
    }
    parts.join("\n")
}
