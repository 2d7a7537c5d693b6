//! Webhooks.

use interlock_api::operations as op;
use interlock_api::v1::webhook::{
    CreateWebhookParams, DeleteWebhookParams, DeleteWebhookResponse, GetWebhookParams, ListWebhooksParams,
    ListWebhooksResponse, RotateWebhookSecretParams, TestWebhookParams, TestWebhookResponse,
    UpdateWebhookParams, WebhookSecretView, WebhookView,
};
use interlock_core::actor::Permission;
use interlock_core::command::{Command, CreateWebhook, RotateWebhookSecret, UpdateWebhook};
use interlock_core::facts::Reply;
use interlock_core::id::{ThreadId, WebhookId};
use interlock_core::webhook::{Mark, Webhook, WebhookState};
use interlock_core::{Reason, Refusal};
use interlock_engine::{Next, Outcome, Permit};
use tokio::time::Instant;

use crate::context::{Ctx, deadline, failed};
use crate::events::place;
use crate::webhooks::Webhooks;

pub(crate) async fn create(
    cx: Ctx,
    permit: Permit<op::CreateWebhook>,
    p: CreateWebhookParams,
) -> Result<WebhookSecretView, Refusal> {
    let url = cx.state.webhooks.target(&p.url)?.url.to_string();
    sees(&cx, p.filter.thread_id).await?;
    let from = from(&cx, p.after.as_deref()).await?;
    let command = Command::CreateWebhook(CreateWebhook { url, filter: p.filter, from });
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    with_secret(&cx, &outcome).await
}

pub(crate) async fn list(
    cx: Ctx,
    _permit: Permit<op::ListWebhooks>,
    p: ListWebhooksParams,
) -> Result<ListWebhooksResponse, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let found = loop {
        let found = cx.store().webhooks(cx.workspace()).await.map_err(failed)?;
        if !found.is_empty() || !cx.wait_here(&mut watch, until).await {
            break found;
        }
    };
    let mut webhooks = Vec::new();
    for webhook in found {
        webhooks.push(view(&cx, webhook).await?);
    }
    Ok(ListWebhooksResponse { webhooks })
}

pub(crate) async fn get(
    cx: Ctx,
    _permit: Permit<op::GetWebhook>,
    p: GetWebhookParams,
) -> Result<WebhookView, Refusal> {
    let until = deadline(p.wait_ms)?;
    let mut watch = cx.engine().watch();
    let mut turns = cx.state.webhooks.turns();
    loop {
        watch.catch_up();
        turns.borrow_and_update();
        let webhook = view(&cx, found(&cx, p.webhook_id).await?).await?;
        let is_told = webhook.behind == 0 && webhook.waiting == 0;
        if is_told || Instant::now() >= until {
            return Ok(webhook);
        }
        let is_over = tokio::select! {
            heard = cx.wait_here(&mut watch, until) => !heard,
            turned = turns.changed() => turned.is_err(),
        };
        if is_over {
            return view(&cx, found(&cx, p.webhook_id).await?).await;
        }
    }
}

pub(crate) async fn update(
    cx: Ctx,
    permit: Permit<op::UpdateWebhook>,
    p: UpdateWebhookParams,
) -> Result<WebhookView, Refusal> {
    let url = p.url.as_deref().map(|url| cx.state.webhooks.target(url)).transpose()?;
    sees(&cx, p.filter.as_ref().and_then(|filter| filter.thread_id)).await?;
    let command = Command::UpdateWebhook(UpdateWebhook {
        webhook_id: p.webhook_id,
        url: url.map(|target| target.url.to_string()),
        filter: p.filter,
        is_paused: p.state.map(|state| state == WebhookState::Paused),
    });
    cx.engine().execute(&permit, &cx.request, command).await?;
    view(&cx, found(&cx, p.webhook_id).await?).await
}

pub(crate) async fn rotate(
    cx: Ctx,
    permit: Permit<op::RotateWebhookSecret>,
    p: RotateWebhookSecretParams,
) -> Result<WebhookSecretView, Refusal> {
    let command = RotateWebhookSecret { webhook_id: p.webhook_id, overlap_ms: p.overlap_ms };
    let command = Command::RotateWebhookSecret(command);
    let outcome = cx.engine().execute(&permit, &cx.request, command).await?;
    with_secret(&cx, &outcome).await
}

pub(crate) async fn delete(
    cx: Ctx,
    permit: Permit<op::DeleteWebhook>,
    p: DeleteWebhookParams,
) -> Result<DeleteWebhookResponse, Refusal> {
    let command = Command::DeleteWebhook { webhook_id: p.webhook_id };
    cx.engine().execute(&permit, &cx.request, command).await?;
    Ok(DeleteWebhookResponse { webhook_id: p.webhook_id })
}

pub(crate) async fn test(
    cx: Ctx,
    _permit: Permit<op::TestWebhook>,
    p: TestWebhookParams,
) -> Result<TestWebhookResponse, Refusal> {
    let tried = cx.state.webhooks.test(cx.workspace(), p.webhook_id).await?;
    let duration_ms = u64::try_from(tried.duration.as_millis()).unwrap_or(u64::MAX);
    let is_delivered = tried.is_delivered();
    let (status, error) = match tried.answer {
        Ok(answer) => (Some(answer.status), None),
        Err(why) => (None, Some(why)),
    };
    Ok(TestWebhookResponse { is_delivered, status, error, duration_ms })
}

/// A thread that is asked for must be one that the caller may know of.
async fn sees(cx: &Ctx, thread: Option<ThreadId>) -> Result<(), Refusal> {
    match thread {
        Some(thread) => cx.visible(thread).await.map(|_| ()),
        None => Ok(()),
    }
}

/// Where a new webhook begins; none is behind its own event.
async fn from(cx: &Ctx, after: Option<&str>) -> Result<Option<Mark>, Refusal> {
    let Some(after) = after.filter(|after| *after != "now") else { return Ok(None) };
    let (size, last) = cx.engine().last_place(cx.workspace()).await?;
    let Next { index, skip } = Next::after(place(Some(after), size, last)?);
    Ok(Some(Mark { index, skip }))
}

async fn found(cx: &Ctx, id: WebhookId) -> Result<Webhook, Refusal> {
    let webhooks = cx.store().webhooks(cx.workspace()).await.map_err(failed)?;
    let none = || Refusal::new(Reason::WebhookNotFound, format!("there is no webhook `{id}`"));
    webhooks.into_iter().find(|webhook| webhook.webhook_id == id).ok_or_else(none)
}

/// The webhook with the secret that this very request made. A retry of it is told the same, unless there is another by now.
async fn with_secret(cx: &Ctx, outcome: &Outcome) -> Result<WebhookSecretView, Refusal> {
    let Reply::Webhook(id) = &outcome.reply else {
        return Err(Refusal::new(Reason::Defect, "a webhook's change names no webhook"));
    };
    let webhook = found(cx, *id).await?;
    let is_newest = outcome.index == Some(webhook.seeds.entry);
    let secret =
        is_newest.then(|| cx.engine().webhook_secret(cx.workspace(), *id, &webhook.seeds.current).reveal());
    Ok(WebhookSecretView { webhook: view(cx, webhook).await?, secret })
}

async fn view(cx: &Ctx, webhook: Webhook) -> Result<WebhookView, Refusal> {
    let (ws, id, now) = (cx.workspace(), webhook.webhook_id, cx.engine().now());
    let next = cx.state.webhooks.looked(ws, &webhook);
    let size = cx.store().ledger_head(ws).await.map_err(failed)?.size;
    let waiting = cx.state.webhooks.waiting(ws, &webhook).await?;
    let previous = webhook.seeds.previous.map(|(_, until)| until).filter(|until| now < *until);
    let may_manage = cx.actor.role.may(Permission::WebhookManage);
    let url = if may_manage { webhook.url } else { Webhooks::origin(&webhook.url) };
    Ok(WebhookView {
        webhook_id: id,
        url,
        filter: webhook.filter,
        state: webhook.state,
        reason: webhook.reason,
        created_by: webhook.by,
        role: webhook.role,
        created_at: webhook.created_at,
        next_index: next.index,
        behind: size.saturating_sub(next.index),
        waiting,
        previous_secret_until: previous,
    })
}
