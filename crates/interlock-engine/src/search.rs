//! Searching messages, and keeping the index of words up with them: in turns of its own, when nobody posts.

use std::sync::Arc;
use std::time::Duration;

use interlock_core::id::WorkspaceId;
use interlock_core::limits::INDEX_ENTRIES_MAX;
use interlock_core::search::INDEX_VERSION;
use interlock_store::{Found, Search, Store, StoreError, fill_index, search};
use tokio::time::Instant;

use crate::engine::Engine;
use crate::notify::Watch;

/// How long nothing must have been committed before the index is filled.
const QUIET: Duration = Duration::from_secs(5);
/// How long it waits for that.
const QUIET_WAIT_MAX: Duration = Duration::from_mins(1);
/// Between two turns: others want the database too.
const TURN_PAUSE: Duration = Duration::from_millis(50);

impl Engine {
    /// Find messages; all that were committed before it began are looked at. When the index is behind by more than a
    /// turn, the search takes one.
    ///
    /// # Errors
    /// What the store cannot do now.
    pub async fn search(&self, workspace_id: WorkspaceId, ask: &Search) -> Result<Found, StoreError> {
        let mark = self.store.index_mark(workspace_id, INDEX_VERSION).await?;
        if mark.size.saturating_sub(mark.mark) > INDEX_ENTRIES_MAX
            && let Err(error) = fill_index(self.store.as_ref(), workspace_id).await
        {
            // It is slower without, and as right.
            tracing::warn!(%workspace_id, %error, "search.index_not_filled");
        }
        search(self.store.as_ref(), workspace_id, ask).await
    }
}

/// Fill the index of a workspace when it is quiet, until the engine ends.
pub(crate) async fn keep_index(store: Arc<dyn Store>, workspace_id: WorkspaceId, mut watch: Watch) {
    // What an earlier life of the server left behind.
    let mut is_behind = true;
    while is_behind || watch.changed().await {
        if !quiet(&mut watch).await {
            return;
        }
        is_behind = false;
        match fill_index(store.as_ref(), workspace_id).await {
            Ok(false) => {}
            Ok(true) => is_behind = turns(store.as_ref(), workspace_id, &mut watch).await,
            Err(error) => tracing::warn!(%workspace_id, %error, "search.index_not_filled"),
        }
    }
}

/// Turn after turn, as long as it stays quiet; says whether something is left.
async fn turns(store: &dyn Store, workspace_id: WorkspaceId, watch: &mut Watch) -> bool {
    loop {
        if watch.wait(Instant::now() + TURN_PAUSE, |_| true).await {
            return true;
        }
        match fill_index(store, workspace_id).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                tracing::warn!(%workspace_id, %error, "search.index_not_filled");
                return false;
            }
        }
    }
}

/// Wait until nothing was committed for a while, but not for ever; `false` when the engine has ended.
async fn quiet(watch: &mut Watch) -> bool {
    let until = Instant::now() + QUIET_WAIT_MAX;
    while Instant::now() < until {
        match tokio::time::timeout(QUIET, watch.changed()).await {
            Err(_) => return true,
            Ok(false) => return false,
            Ok(true) => {}
        }
    }
    true
}
