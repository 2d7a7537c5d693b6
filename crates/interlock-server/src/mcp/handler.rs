//! The protocol's requests, answered from tools and resources.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use interlock_api::Problem;
use interlock_core::id::ThreadId;
use interlock_core::limits::{PAGE_ROWS_MAX, SUBSCRIPTIONS_MAX};
use interlock_core::{Code, Reason, Refusal};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, Implementation, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceContents,
    ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::Value;

use super::expiry::expired;
use super::instructions::INSTRUCTIONS;
use super::overlay::authenticated;
use super::subscriptions::{Subscriptions, changed, may_see};
use super::tools::{Asking, Tools};
use super::{prompts, resources};
use crate::context::State;
use crate::guard::RequestId;

type Context = RequestContext<RoleServer>;

/// One session, or one request of a revision without sessions.
pub(super) struct Handler {
    state: Arc<State>,
    tools: Arc<Tools>,
    subscriptions: Subscriptions,
}

impl Handler {
    /// Over these tools.
    pub(super) fn new(state: Arc<State>, tools: Arc<Tools>) -> Self {
        Self { state, tools, subscriptions: Subscriptions::default() }
    }

    /// Who asks, and as which request.
    fn asking(context: &Context) -> Result<Asking, ErrorData> {
        let parts = context.extensions.get::<Parts>();
        let actor = authenticated(context).cloned();
        let request_id = parts.and_then(|parts| parts.extensions.get::<RequestId>()).map(|id| id.0.clone());
        let header =
            parts.and_then(|parts| parts.headers.get("traceparent")?.to_str().ok()).map(str::to_owned);
        let trace = context.meta.0.0.get("traceparent").and_then(|text| text.as_str()).map(str::to_owned);
        let actor =
            actor.ok_or_else(|| ErrorData::internal_error("the request was not authenticated", None))?;
        Ok(Asking { actor, request_id: request_id.unwrap_or_default(), trace: trace.or(header) })
    }

    async fn read(&self, asking: &Asking, tool: &str, parameters: JsonObject) -> Result<Value, ErrorData> {
        let answer = self.tools.read(&self.state, asking.clone(), tool, parameters).await;
        answer.map_err(|refusal| protocol_error(&refusal, &asking.request_id))
    }

    /// A thread and its summary.
    async fn contents(&self, uri: &str, asking: &Asking) -> Result<ResourceContents, ErrorData> {
        let (thread, whole) = self.visible(uri, asking).await?;
        let summary = self.read(asking, "summarize_thread", resources::parameters(thread)).await?;
        Ok(resources::contents(uri, &whole, &summary))
    }

    /// The thread of a resource, read as its tool reads it: what that denies is noted there.
    async fn visible(&self, uri: &str, asking: &Asking) -> Result<(ThreadId, Value), ErrorData> {
        let missing = || {
            let detail = format!("there is no resource `{uri}` for you");
            let refusal = Refusal::new(Reason::ThreadNotFound, detail);
            let refusal = refusal.hint("list the resources to see what there is");
            let mut error = protocol_error(&refusal, &asking.request_id);
            // The protocol's own place for what was not found.
            if let Some(data) = error.data.as_mut().and_then(Value::as_object_mut) {
                data.insert("uri".to_owned(), uri.into());
            }
            error
        };
        let thread = resources::thread_of(uri).ok_or_else(missing)?;
        let parameters = resources::parameters(thread);
        match self.tools.read(&self.state, asking.clone(), "get_thread", parameters).await {
            Ok(whole) => Ok((thread, whole)),
            Err(refusal) if matches!(refusal.code(), Code::NotFound | Code::Forbidden) => Err(missing()),
            Err(refusal) => Err(protocol_error(&refusal, &asking.request_id)),
        }
    }
}

/// A refusal where the protocol has no place for problem details of its own: in the error's data.
fn protocol_error(refusal: &Refusal, request_id: &str) -> ErrorData {
    let problem = Problem::of(refusal, request_id);
    let is_defect = problem.status >= 500;
    let data = serde_json::to_value(&problem).ok();
    if is_defect {
        ErrorData::internal_error(problem.detail, data)
    } else {
        ErrorData::invalid_params(problem.detail, data)
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .build();
        let server = Implementation::new("interlock", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let asking = Self::asking(&context)?;
        let tools = self.tools.shown_to(&asking.actor);
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let asking = Self::asking(&context)?;
        let Some(row) = self.tools.get(&request.name) else {
            let refusal =
                Refusal::new(Reason::ParameterInvalid, format!("there is no tool `{}`", request.name))
                    .hint("list the tools to see what there is");
            return Err(protocol_error(&refusal, &asking.request_id));
        };
        let call = row.call(&self.state, asking, request.arguments.unwrap_or_default());
        tokio::select! {
            answer = call => Ok(answer.into()),
            // Whoever waited has gone; a change that was asked for is made all the same.
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was cancelled", None)),
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let asking = Self::asking(&context)?;
        let cursor = page.and_then(|page| page.cursor);
        let parameters = cursor.map(|cursor| ("cursor".to_owned(), cursor.into())).into_iter().collect();
        let answer = self.read(&asking, "list_threads", parameters).await?;
        let (found, next_cursor) = resources::listed(&answer);
        let mut result = ListResourcesResult::with_all_items(found).with_ttl_ms(0);
        result.next_cursor = next_cursor;
        Ok(result.with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let all = ListResourceTemplatesResult::with_all_items(vec![resources::template()]);
        Ok(all.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let asking = Self::asking(&context)?;
        let result =
            ReadResourceResult::new(vec![self.contents(&request.uri, &asking).await?]).with_ttl_ms(0);
        Ok(result.with_cache_scope(CacheScope::Private).into())
    }

    async fn list_prompts(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let all = ListPromptsResult::with_all_items(prompts::all());
        Ok(all.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let asking = Self::asking(&context)?;
        let refuse = |refusal: &Refusal| protocol_error(refusal, &asking.request_id);
        match request.name.as_str() {
            prompts::INBOX => Ok(prompts::inbox().into()),
            prompts::THREAD => {
                let thread =
                    prompts::named(request.arguments.as_ref()).map_err(|refusal| refuse(&refusal))?;
                let contents = self.contents(&resources::uri_of(thread), &asking).await?;
                Ok(prompts::thread(contents).into())
            }
            other => {
                let refusal = Refusal::new(Reason::ParameterInvalid, format!("there is no prompt `{other}`"));
                Err(refuse(&refusal.hint("list the prompts to see what there is")))
            }
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        // What is completed while somebody types is a courtesy: for what is not known there is nothing to offer.
        if !prompts::completes_threads(&request) {
            return Ok(CompleteResult::default());
        }
        let asking = Self::asking(&context)?;
        let parameters = JsonObject::from_iter([("limit".to_owned(), PAGE_ROWS_MAX.into())]);
        let answer = self.read(&asking, "list_threads", parameters).await?;
        Ok(CompleteResult::new(prompts::completed(&answer, &request.argument.value)))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let asked = requested.resource_subscriptions.iter().flatten();
        let ours = asked.filter(|uri| resources::thread_of(uri).is_some()).take(SUBSCRIPTIONS_MAX);
        Some(SubscriptionFilter::builder().resource_subscriptions(ours.cloned()).build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let asking = Self::asking(context.request_context())?;
        let seat = self.state.seats.take(&asking.actor);
        let _seat = seat.map_err(|refusal| protocol_error(&refusal, &asking.request_id))?;
        let mut watch = self.state.engine.watch();
        let uris = context.accepted().resource_subscriptions.iter().flatten();
        let wanted: BTreeSet<ThreadId> = uris.filter_map(|uri| resources::thread_of(uri)).collect();
        let mut stopping = self.state.stopping.clone();
        let headers = context.request_context().extensions.get::<Parts>().map(|parts| &parts.headers);
        let mut expired = pin!(expired(&self.state, headers.unwrap_or(&HeaderMap::new())));
        loop {
            let note = tokio::select! {
                note = watch.next() => note,
                () = context.cancelled() => return Ok(()),
                () = &mut expired => return Ok(()),
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
            };
            for thread in changed(note.as_ref(), &wanted) {
                if may_see(&self.state, &asking.actor, thread).await
                    && let Err(error) =
                        context.sink().notify_resource_updated(resources::uri_of(thread)).await
                {
                    tracing::debug!(%error, "mcp.subscriber_gone");
                    return Ok(());
                }
            }
        }
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        let asking = Self::asking(&context)?;
        let (thread, _) = self.visible(&request.uri, &asking).await?;
        if self.subscriptions.add(thread, &self.state, &asking.actor, &context.peer) {
            return Ok(());
        }
        let detail = format!("a session has at most {SUBSCRIPTIONS_MAX} subscriptions");
        Err(protocol_error(&Refusal::new(Reason::LimitExceeded, detail), &asking.request_id))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        if let Some(thread) = resources::thread_of(&request.uri) {
            self.subscriptions.remove(thread);
        }
        Ok(())
    }
}
