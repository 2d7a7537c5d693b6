//! Who wants to hear when a thread changes: on the session's stream with the older revisions, on the answer of
//! `subscriptions/listen` with the newer. Both are fed by the engine's notes, and only with what their reader may see.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use interlock_core::actor::Actor;
use interlock_core::id::ThreadId;
use interlock_core::limits::SUBSCRIPTIONS_MAX;
use interlock_engine::{Note, Watch};
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RoleServer};
use tokio::task::AbortHandle;

use super::resources::uri_of;
use crate::context::State;

/// The subscriptions of one session, and the task that serves them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    wanted: Arc<Mutex<Wanted>>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Debug, Default, Clone)]
struct Wanted {
    threads: BTreeSet<ThreadId>,
    /// Whoever asked last: a session belongs to one participant, whose later token may carry another role.
    actor: Option<Actor>,
}

type Shared = Arc<Mutex<Wanted>>;

fn locked(shared: &Shared) -> MutexGuard<'_, Wanted> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriptions {
    /// Add a thread; `false` when there are too many.
    pub(super) fn add(
        &self,
        thread: ThreadId,
        state: &Arc<State>,
        actor: &Actor,
        peer: &Peer<RoleServer>,
    ) -> bool {
        {
            let mut wanted = locked(&self.wanted);
            if wanted.threads.len() >= SUBSCRIPTIONS_MAX && !wanted.threads.contains(&thread) {
                return false;
            }
            wanted.threads.insert(thread);
            wanted.actor = Some(actor.clone());
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            let (wanted, watch) = (Arc::clone(&self.wanted), state.engine.watch());
            let serving = serve(Arc::clone(state), peer.clone(), wanted, watch);
            *task = Some(tokio::spawn(serving).abort_handle());
        }
        true
    }

    /// Take a thread out.
    pub(super) fn remove(&self, thread: ThreadId) {
        locked(&self.wanted).threads.remove(&thread);
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

async fn serve(state: Arc<State>, peer: Peer<RoleServer>, shared: Shared, mut watch: Watch) {
    while !peer.is_transport_closed() {
        let note = watch.next().await;
        let Wanted { threads, actor: Some(actor) } = locked(&shared).clone() else { continue };
        for thread in changed(note.as_ref(), &threads) {
            if !may_see(&state, &actor, thread).await {
                continue;
            }
            let update = ResourceUpdatedNotificationParam::new(uri_of(thread));
            if let Err(error) = peer.notify_resource_updated(update).await {
                tracing::debug!(%error, "mcp.subscriber_gone");
                return;
            }
        }
    }
}

/// Which of the wanted threads a note is about; whoever fell behind looks at all of them.
pub(super) fn changed(note: Option<&Note>, wanted: &BTreeSet<ThreadId>) -> Vec<ThreadId> {
    match note {
        Some(note) => note.threads.iter().filter(|thread| wanted.contains(thread)).copied().collect(),
        None => wanted.iter().copied().collect(),
    }
}

/// Whether this actor takes part in the thread, or sees all of them.
pub(super) async fn may_see(state: &State, actor: &Actor, thread: ThreadId) -> bool {
    match state.engine.store().thread(actor.workspace_id, thread).await {
        Ok(Some(found)) => found.members.contains_key(&actor.name) || actor.role.sees_all_threads(),
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, %thread, "mcp.subscription_not_checked");
            false
        }
    }
}
