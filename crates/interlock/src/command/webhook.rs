//! `interlock webhook add|list|show|update|pause|resume|rotate|test|delete`.

use clap::{Args, Subcommand};
use interlock_api::operations::{
    CreateWebhook, DeleteWebhook, GetWebhook, ListWebhooks, RotateWebhookSecret, TestWebhook, UpdateWebhook,
};
use interlock_api::v1::webhook::{
    CreateWebhookParams, DeleteWebhookParams, GetWebhookParams, ListWebhooksParams,
    RotateWebhookSecretParams, TestWebhookParams, UpdateWebhookParams,
};
use interlock_core::actor::AgentName;
use interlock_core::id::{ThreadId, WebhookId};
use interlock_core::limits::{WEBHOOK_OVERLAP_MS_MAX, WEBHOOK_TYPES_MAX};
use interlock_core::webhook::{WebhookFilter, WebhookState};

use super::{KeyParams, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{render, usage};

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Tell a receiver of events; shows the secret that verifies signatures, this once.
    Add(AddParams),
    /// List all webhooks.
    List,
    /// Show one webhook, with how far it has been told.
    Show(ShowParams),
    /// Change where or of what a webhook is told.
    Update(UpdateParams),
    /// Hold everything back; nothing is lost.
    Pause(ChangeParams),
    /// Go on where it was paused.
    Resume(ChangeParams),
    /// Make another secret and show it, this once; the one before counts beside it for a while.
    Rotate(RotateParams),
    /// Send its receiver an event that says nothing, and show what it answers.
    Test(TestParams),
    /// Tell it no more, and forget it.
    Delete(ChangeParams),
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct FilterParams {
    /// Only events of this thread.
    #[arg(long, value_name = "THREAD")]
    thread: Option<ThreadId>,
    /// Only what this agent did, or what was done to it.
    #[arg(long, value_name = "NAME")]
    agent: Option<AgentName>,
    /// Only types that begin like this, such as `wake.`; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

impl FilterParams {
    fn filter(self) -> WebhookFilter {
        WebhookFilter { thread_id: self.thread, agent: self.agent, types: self.types }
    }
}

/// What `webhook add` takes.
#[derive(Debug, Args)]
pub(crate) struct AddParams {
    /// Where events go: https://HOST/PATH.
    url: String,
    #[command(flatten)]
    filter: FilterParams,
    /// Events after this position, or `start`; with what is yet to come unless said otherwise.
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `webhook show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The webhook.
    #[arg(value_name = "WEBHOOK")]
    webhook_id: WebhookId,
    /// Wait so long until it has been told of everything.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = crate::argument::wait_ms())]
    wait_ms: u32,
}

/// What `webhook update` takes.
#[derive(Debug, Args)]
pub(crate) struct UpdateParams {
    /// The webhook.
    #[arg(value_name = "WEBHOOK")]
    webhook_id: WebhookId,
    /// Where events go from now on.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    filter: FilterParams,
    /// Everything that its maker may see, whatever it asked for before.
    #[arg(long, conflicts_with_all = ["thread", "agent", "types"])]
    all: bool,
    #[command(flatten)]
    key: KeyParams,
}

/// What verbs without words of their own take.
#[derive(Debug, Args)]
pub(crate) struct ChangeParams {
    /// The webhook.
    #[arg(value_name = "WEBHOOK")]
    webhook_id: WebhookId,
    #[command(flatten)]
    key: KeyParams,
}

/// What `webhook rotate` takes.
#[derive(Debug, Args)]
pub(crate) struct RotateParams {
    /// The webhook.
    #[arg(value_name = "WEBHOOK")]
    webhook_id: WebhookId,
    /// How long the secret before counts beside the new one; a day unless said otherwise.
    #[arg(long, value_name = "MS", default_value = "86400000", value_parser = clap::value_parser!(u64).range(0..=WEBHOOK_OVERLAP_MS_MAX))]
    overlap_ms: u64,
    #[command(flatten)]
    key: KeyParams,
}

/// What `webhook test` takes.
#[derive(Debug, Args)]
pub(crate) struct TestParams {
    /// The webhook.
    #[arg(value_name = "WEBHOOK")]
    webhook_id: WebhookId,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::Add(params) => add(cx, params).await,
        Verb::List => list(cx).await,
        Verb::Show(params) => show(cx, &params).await,
        Verb::Update(params) => update(cx, params).await,
        Verb::Pause(params) => turn(cx, params, WebhookState::Paused).await,
        Verb::Resume(params) => turn(cx, params, WebhookState::Active).await,
        Verb::Rotate(params) => rotate(cx, params).await,
        Verb::Test(params) => test(cx, &params).await,
        Verb::Delete(params) => delete(cx, params).await,
    }
}

async fn add(cx: &Context, params: AddParams) -> End {
    let request =
        CreateWebhookParams { url: params.url, filter: params.filter.filter(), after: params.after };
    let answer = cx.connect()?.change::<CreateWebhook>(&request, params.key.as_deref()).await?;
    Ok(Answer::new(&answer, render::webhook::made(&answer))?)
}

async fn list(cx: &Context) -> End {
    let answer = cx.connect()?.read::<ListWebhooks>(&ListWebhooksParams::default()).await?;
    Ok(Answer::new(&answer, render::webhook::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    let request = GetWebhookParams { webhook_id: params.webhook_id, wait_ms: params.wait_ms };
    let webhook = cx.connect()?.read::<GetWebhook>(&request).await?;
    Ok(Answer::new(&webhook, render::webhook::show(view(cx), &webhook))?)
}

async fn update(cx: &Context, params: UpdateParams) -> End {
    let filter = params.filter.filter();
    let filter = (params.all || filter != WebhookFilter::default()).then_some(filter);
    if params.url.is_none() && filter.is_none() {
        let detail = "nothing is to be changed";
        let hint = format!("give --url, --all, or --thread, --agent and up to {WEBHOOK_TYPES_MAX} --type");
        return Err(usage::invalid(detail).hint(hint).into());
    }
    let request = UpdateWebhookParams { webhook_id: params.webhook_id, url: params.url, filter, state: None };
    let webhook = cx.connect()?.change::<UpdateWebhook>(&request, params.key.as_deref()).await?;
    Ok(Answer::new(&webhook, render::webhook::show(view(cx), &webhook))?)
}

async fn turn(cx: &Context, params: ChangeParams, state: WebhookState) -> End {
    let ChangeParams { webhook_id, key } = params;
    let request = UpdateWebhookParams { webhook_id, url: None, filter: None, state: Some(state) };
    let webhook = cx.connect()?.change::<UpdateWebhook>(&request, key.as_deref()).await?;
    Ok(Answer::new(&webhook, format!("{webhook_id} is {}\n", webhook.state))?)
}

async fn rotate(cx: &Context, params: RotateParams) -> End {
    let request = RotateWebhookSecretParams { webhook_id: params.webhook_id, overlap_ms: params.overlap_ms };
    let answer = cx.connect()?.change::<RotateWebhookSecret>(&request, params.key.as_deref()).await?;
    Ok(Answer::new(&answer, render::webhook::made(&answer))?)
}

async fn test(cx: &Context, params: &TestParams) -> End {
    let request = TestWebhookParams { webhook_id: params.webhook_id };
    let answer = cx.connect()?.change::<TestWebhook>(&request, None).await?;
    Ok(Answer::new(&answer, render::webhook::tested(&answer))?)
}

async fn delete(cx: &Context, params: ChangeParams) -> End {
    let request = DeleteWebhookParams { webhook_id: params.webhook_id };
    let answer = cx.connect()?.change::<DeleteWebhook>(&request, params.key.as_deref()).await?;
    Ok(Answer::new(&answer, format!("{} is deleted\n", answer.webhook_id))?)
}
