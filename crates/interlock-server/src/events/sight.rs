//! Which events a subscriber is given: those it asked for, of those it may see.

use std::collections::BTreeMap;

use interlock_api::v1::event::FollowEventsParams;
use interlock_core::actor::{Actor, AgentName, Permission};
use interlock_core::id::{ThreadId, WorkspaceId};
use interlock_core::webhook::{Webhook, WebhookFilter, check_type_prefix};
use interlock_core::{Event, Refusal};
use interlock_engine::read::Store;
use interlock_engine::{Happened, Reading};

use crate::context::failed;
use crate::view;

/// What was asked for; everything when nothing is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) thread: Option<ThreadId>,
    agent: Option<AgentName>,
    /// How the type may begin; any when there is none.
    kinds: Vec<String>,
}

impl Filter {
    /// The filter of a request.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` for what no type begins with.
    pub(crate) fn of(p: &FollowEventsParams) -> Result<Self, Refusal> {
        p.kind.iter().try_for_each(|kind| check_type_prefix(kind))?;
        let kinds = p.kind.iter().cloned().collect();
        Ok(Self { thread: p.thread_id, agent: p.agent.clone(), kinds })
    }

    /// The filter of a webhook, which was checked when it was set.
    pub(crate) fn of_webhook(filter: &WebhookFilter) -> Self {
        let WebhookFilter { thread_id, agent, types } = filter.clone();
        Self { thread: thread_id, agent, kinds: types }
    }

    /// Whether it was asked for.
    pub(crate) fn wants(&self, happened: &Happened) -> bool {
        let Happened { actor, event, value, .. } = happened;
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        self.thread.is_none_or(|thread| event.thread_id() == Some(thread))
            && self.agent.as_ref().is_none_or(|agent| actor == agent || view::actor(event) == Some(agent))
            && (self.kinds.is_empty() || self.kinds.iter().any(|prefix| kind.starts_with(prefix)))
    }
}

/// What one reader may see while it looks at one stretch of the ledger. Threads are looked up once each: who joined or
/// was removed since is seen at the next stretch.
pub(crate) struct Sight<'a> {
    store: &'a dyn Store,
    actor: &'a Actor,
    /// What is shared with others who look at the same stretch.
    reading: Option<&'a Reading>,
    threads: BTreeMap<ThreadId, bool>,
}

impl<'a> Sight<'a> {
    pub(crate) const fn of(actor: &'a Actor, store: &'a dyn Store) -> Self {
        Self { store, actor, reading: None, threads: BTreeMap::new() }
    }

    /// The same, with what others have looked up for this stretch already.
    pub(crate) fn shared(self, reading: &'a Reading) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// Whether the reader may see this event.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub(crate) async fn sees(&mut self, event: &Event) -> Result<bool, Refusal> {
        match event.thread_id() {
            Some(thread) => self.sees_thread(thread).await,
            None => Ok(self.actor.role.may(permission(event))),
        }
    }

    /// Whether the reader may see this thread.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub(crate) async fn sees_thread(&mut self, thread: ThreadId) -> Result<bool, Refusal> {
        if self.actor.role.sees_all_threads() {
            return Ok(true);
        }
        if let Some(reading) = self.reading {
            return reading.has_member(self.store, thread, &self.actor.name).await;
        }
        if let Some(known) = self.threads.get(&thread) {
            return Ok(*known);
        }
        let found = self.store.thread(self.actor.workspace_id, thread).await.map_err(failed)?;
        let is_member = found.is_some_and(|thread| thread.members.contains_key(&self.actor.name));
        self.threads.insert(thread, is_member);
        Ok(is_member)
    }
}

/// Who reads for a webhook: whoever made it, with the role of that time.
pub(crate) fn reader(workspace_id: WorkspaceId, webhook: &Webhook) -> Actor {
    let name = webhook.by.clone();
    Actor { name, role: webhook.role, workspace_id, session_id: None, wake_id: None, fence: None }
}

/// What it takes to see an event of no thread: what it takes to read the same elsewhere.
const fn permission(event: &Event) -> Permission {
    match event {
        Event::AgentRegistered { .. } => Permission::AgentRead,
        Event::WebhookCreated { .. }
        | Event::WebhookUpdated { .. }
        | Event::WebhookPaused { .. }
        | Event::WebhookResumed { .. }
        | Event::WebhookSecretRotated { .. }
        | Event::WebhookDeleted { .. } => Permission::WebhookRead,
        Event::JobDied { .. } | Event::JobRequeued { .. } => Permission::JobRead,
        Event::ServersHalted { .. }
        | Event::WorkspaceHalted { .. }
        | Event::WorkspaceResumed { .. }
        | Event::SnapshotTaken { .. } => Permission::WorkspaceRead,
        _ => Permission::LedgerRead,
    }
}
