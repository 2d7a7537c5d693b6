//! Which events a subscriber is given: those it asked for, of those it may see.

use std::collections::BTreeMap;

use interlock_api::v1::event::FollowEventsParams;
use interlock_core::actor::{Actor, AgentName, Permission};
use interlock_core::id::ThreadId;
use interlock_core::limits::TYPE_PREFIX_CHARS_MAX;
use interlock_core::{Event, Reason, Refusal};
use interlock_engine::read::Store;
use interlock_engine::{Happened, Reading};

use crate::context::failed;
use crate::view;

/// What was asked for; everything when nothing is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) thread: Option<ThreadId>,
    agent: Option<AgentName>,
    kind: Option<String>,
}

impl Filter {
    /// The filter of a request.
    ///
    /// # Errors
    /// `PARAMETER_INVALID` for what no type begins with.
    pub(crate) fn of(p: &FollowEventsParams) -> Result<Self, Refusal> {
        let fits = |text: &String| {
            (1..=TYPE_PREFIX_CHARS_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_./".contains(&b))
        };
        if p.kind.as_ref().is_some_and(|text| !fits(text)) {
            let detail = format!(
                "`type` is the beginning of a type: 1 to {TYPE_PREFIX_CHARS_MAX} of a-z 0-9 `_` `.` `/`"
            );
            return Err(Refusal::new(Reason::ParameterInvalid, detail).hint("such as `wake.` or `thread.`"));
        }
        Ok(Self { thread: p.thread_id, agent: p.agent.clone(), kind: p.kind.clone() })
    }

    /// Whether it was asked for.
    pub(crate) fn wants(&self, happened: &Happened) -> bool {
        let Happened { actor, event, value, .. } = happened;
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        self.thread.is_none_or(|thread| event.thread_id() == Some(thread))
            && self.agent.as_ref().is_none_or(|agent| actor == agent || view::actor(event) == Some(agent))
            && self.kind.as_ref().is_none_or(|prefix| kind.starts_with(prefix))
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

/// What it takes to see an event of no thread: what it takes to read the same elsewhere.
const fn permission(event: &Event) -> Permission {
    match event {
        Event::AgentRegistered { .. } => Permission::AgentRead,
        Event::JobDied { .. } | Event::JobRequeued { .. } => Permission::JobRead,
        Event::ServersHalted { .. } | Event::WorkspaceHalted { .. } | Event::WorkspaceResumed { .. } => {
            Permission::WorkspaceRead
        }
        _ => Permission::LedgerRead,
    }
}
