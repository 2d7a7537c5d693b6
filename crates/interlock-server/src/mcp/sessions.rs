//! Sessions of the protocol revisions that have them: how many there are, how long they last, and whose they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use interlock_core::actor::{Actor, AgentName};
use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";
/// Sessions at once.
const MCP_SESSIONS_MAX: usize = 1_000;
/// How long a session lasts without a request; whoever comes later is told to begin a new one.
const MCP_SESSION_SECONDS_MAX: u64 = 3_600;

/// The SDK's own sessions, ended when nothing was heard for long.
pub(super) fn manager() -> LocalSessionManager {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(Duration::from_secs(MCP_SESSION_SECONDS_MAX));
    manager
}

/// The session that these headers name.
pub(super) fn named(headers: &HeaderMap) -> Option<String> {
    headers.get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Who opened which session. A token of somebody else does not open its stream.
#[derive(Debug)]
pub(super) struct Sessions {
    owners: Mutex<BTreeMap<String, Owner>>,
    manager: Arc<LocalSessionManager>,
}

#[derive(Debug)]
struct Owner {
    workspace: u128,
    name: AgentName,
    used_at: Instant,
}

impl Sessions {
    /// None yet, kept by this manager.
    pub(super) fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self { owners: Mutex::default(), manager }
    }

    /// A session was opened by this actor. When there are too many, the one unused for longest is ended: its client
    /// is told to begin a new one, and loses nothing but its subscriptions.
    pub(super) async fn belongs_to(&self, session: String, actor: &Actor) {
        let surplus = self.insert(session, actor);
        if let Some(surplus) = surplus
            && let Err(error) = self.manager.close_session(&surplus.as_str().into()).await
        {
            tracing::warn!(%error, "mcp.session_not_closed");
        }
    }

    fn insert(&self, session: String, actor: &Actor) -> Option<String> {
        let workspace = actor.workspace_id.as_u128();
        let owner = Owner { workspace, name: actor.name.clone(), used_at: Instant::now() };
        let mut all = self.lock();
        let is_full = all.len() >= MCP_SESSIONS_MAX;
        let oldest = all.iter().filter(|_| is_full).min_by_key(|(_, owner)| owner.used_at);
        let oldest = oldest.map(|(session, _)| session.clone());
        if let Some(oldest) = &oldest {
            all.remove(oldest);
        }
        all.insert(session, owner);
        oldest
    }

    /// Whether this actor opened the session. One that nobody is known to have opened is refused by the SDK itself.
    pub(super) fn may_use(&self, session: &str, actor: &Actor) -> bool {
        let mut all = self.lock();
        let Some(owner) = all.get_mut(session) else { return true };
        owner.used_at = Instant::now();
        owner.name == actor.name && owner.workspace == actor.workspace_id.as_u128()
    }

    /// It was ended.
    pub(super) fn forget(&self, session: &str) {
        self.lock().remove(session);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Owner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
