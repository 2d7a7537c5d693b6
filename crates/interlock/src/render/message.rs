//! Messages.

use interlock_api::v1::message::{MessageView, ReadMessagesResponse};
use interlock_api::v1::search::SearchMessagesResponse;
use interlock_core::thread::{MessageKind, MessageState};

use super::safe;
use super::style::{Paint, Style};
use super::{View, hops, when};

/// Columns before a message's text.
const INDENT: &str = "    ";

/// Messages in full, one after the other.
pub(crate) fn list(view: View, answer: &ReadMessagesResponse) -> String {
    if answer.messages.is_empty() {
        return "no messages\n".into();
    }
    let mut all: Vec<String> = answer.messages.iter().map(|message| full(view, message)).collect();
    if answer.has_more {
        let more = format!("more with --after {}", answer.next_seq);
        all.push(format!("{}\n", view.style.dim(&more)));
    }
    all.join("\n")
}

/// Messages of several threads, each with its thread.
pub(crate) fn found(view: View, answer: &SearchMessagesResponse) -> String {
    let one = |message: &MessageView| {
        format!("{}\n{}", view.style.dim(&message.thread_id.to_string()), full(view, message))
    };
    let mut all: Vec<String> = answer.messages.iter().map(one).collect();
    if all.is_empty() {
        all.push("no messages\n".into());
    }
    if let Some(cursor) = &answer.next_cursor {
        all.push(format!("{}\n", view.style.dim(&format!("more with --cursor {cursor}"))));
    }
    all.join("\n")
}

fn full(view: View, message: &MessageView) -> String {
    let ago = view.style.dim(&when::ago(message.posted_at, view.now));
    let message_id = view.style.dim(&message.message_id.to_string());
    let hops = hops(message.hops);
    let mut lines =
        vec![format!("{}  {ago}{}  {message_id}", heading(view.style, message), view.style.dim(&hops))];
    lines.extend(withdrawn(view, message));
    let body = safe::lines(&message.body);
    lines.extend(body.lines().map(|line| format!("{INDENT}{line}").trim_end().to_owned()));
    lines.extend(message.data.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name = view.style.dim(&format!("{}:", safe::line(name)));
        format!("{INDENT}{name} {}", safe::line(&value))
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// `cancelled by anna: the wrong branch`; nothing for a message that counts.
fn withdrawn(view: View, message: &MessageView) -> Option<String> {
    let state = (message.state != MessageState::Live).then(|| message.state.to_string())?;
    let by = message.withdrawal.as_ref().map_or_else(String::new, |withdrawal| {
        let text = safe::line(&withdrawal.text);
        format!(" by {}{}{text}", withdrawal.by, if text.is_empty() { "" } else { ": " })
    });
    Some(format!("{INDENT}{}", view.style.paint(Paint::Yellow, &format!("{state}{by}"))))
}

/// `#3 anna -> executor, reviewer  fix_pushed`.
pub(crate) fn heading(style: Style, message: &MessageView) -> String {
    let mut to: Vec<String> = message.to.iter().map(ToString::to_string).collect();
    to.extend(message.to_role.map(|role| format!("every {role}")));
    let to = if to.is_empty() { "all".into() } else { to.join(", ") };
    let from = style.paint(Paint::Cyan, message.from.as_str());
    let mut text = format!("{} {from} -> {to}", style.bold(&format!("#{}", message.seq)));
    if let Some(event_type) = &message.event_type {
        text.push_str("  ");
        text.push_str(&style.paint(Paint::Yellow, &safe::line(event_type)));
    } else if message.kind == MessageKind::System {
        text.push_str("  system");
    }
    text
}
