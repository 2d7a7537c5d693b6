//! Webhooks.

use interlock_api::v1::webhook::{ListWebhooksResponse, TestWebhookResponse, WebhookSecretView, WebhookView};
use interlock_core::webhook::{WebhookFilter, WebhookState};

use super::style::Paint;
use super::table::{Cell, fields, table};
use super::{View, safe, when};

/// A webhook that has a new secret.
pub(crate) fn made(answer: &WebhookSecretView) -> String {
    let id = answer.webhook.webhook_id;
    match &answer.secret {
        Some(secret) => format!("{id}\nsecret, shown this once: {secret}\n"),
        None => format!("{id}\nits secret was replaced meanwhile; rotate it to see another\n"),
    }
}

/// All webhooks.
pub(crate) fn list(view: View, answer: &ListWebhooksResponse) -> String {
    if answer.webhooks.is_empty() {
        return "no webhooks; make one with: interlock webhook add URL\n".into();
    }
    let row = |webhook: &WebhookView| {
        [
            webhook.webhook_id.to_string().into(),
            state(webhook),
            webhook.behind.to_string().into(),
            webhook.waiting.to_string().into(),
            when::ago(webhook.created_at, view.now).into(),
            safe::cut(&webhook.url, 60).into(),
            safe::cut(&filter(&webhook.filter), 60).into(),
        ]
    };
    let rows: Vec<[Cell; 7]> = answer.webhooks.iter().map(row).collect();
    table(view.style, ["WEBHOOK", "STATE", "BEHIND", "WAITING", "SINCE", "URL", "EVENTS"], &rows)
}

/// One webhook.
pub(crate) fn show(view: View, webhook: &WebhookView) -> String {
    let reason = webhook.reason.map_or("", interlock_core::Reason::as_str);
    let until = webhook.previous_secret_until.map_or_else(String::new, |until| until.to_string());
    fields(
        view.style,
        &[
            ("webhook", webhook.webhook_id.to_string().into()),
            ("url", safe::cut(&webhook.url, 200).into()),
            ("events", safe::cut(&filter(&webhook.filter), 200).into()),
            ("state", state(webhook)),
            ("reason", reason.into()),
            ("made by", format!("{} ({})", webhook.created_by, webhook.role).into()),
            ("since", when::ago(webhook.created_at, view.now).into()),
            ("next entry", webhook.next_index.to_string().into()),
            ("behind", webhook.behind.to_string().into()),
            ("waiting", webhook.waiting.to_string().into()),
            ("old secret until", until.into()),
        ],
    )
}

/// What the receiver said.
pub(crate) fn tested(answer: &TestWebhookResponse) -> String {
    let said = match (answer.status, &answer.error) {
        (Some(status), _) => format!("the receiver answered {status}"),
        (None, Some(error)) => safe::cut(error, 200),
        (None, None) => "nothing was answered".into(),
    };
    let end = if answer.is_delivered { "delivered" } else { "not delivered" };
    format!("{end} in {} ms: {said}\n", answer.duration_ms)
}

fn state(webhook: &WebhookView) -> Cell {
    let paint = match webhook.state {
        WebhookState::Active => Paint::Green,
        WebhookState::Paused => Paint::Yellow,
    };
    Cell::new(webhook.state.as_str(), paint)
}

fn filter(filter: &WebhookFilter) -> String {
    let thread = filter.thread_id.map(|thread| format!("of {thread}"));
    let agent = filter.agent.as_ref().map(|agent| format!("about {agent}"));
    let types = Some(filter.types.join(", ")).filter(|types| !types.is_empty());
    let parts: Vec<String> = types.into_iter().chain(thread).chain(agent).collect();
    if parts.is_empty() { "all".into() } else { parts.join(" ") }
}
