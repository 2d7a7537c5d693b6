//! The store as a source of exports: read in a blocking thread, bundle by bundle.

use std::io::Write;
use std::sync::Arc;

use interlock_core::id::WorkspaceId;
use interlock_core::{Reason, Refusal};
use interlock_ledger::{Checkpoint, LogSource, TileAt};
use interlock_store::{Store, StoreError};

use crate::engine::Engine;

/// Why an export could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFailure(pub String);

impl std::fmt::Display for ExportFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ExportFailure {}

impl From<StoreError> for ExportFailure {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// A signed checkpoint with what it says and the key that verifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed note.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The key that verifies it, in the signed-note format.
    pub vkey: String,
}

impl Engine {
    /// The newest signed checkpoint of a workspace.
    ///
    /// # Errors
    /// `LEDGER_EMPTY` while nothing has been changed, `STATE_CORRUPT` when the note does not hold.
    pub async fn signed(&self, workspace_id: WorkspaceId) -> Result<Signed, Refusal> {
        let failed = |error: StoreError| Self::refusal(&error);
        let head = self.store.ledger_head(workspace_id).await.map_err(failed)?;
        let note = head.checkpoint.ok_or_else(|| {
            Refusal::new(Reason::LedgerEmpty, "the ledger is empty: nothing has been changed yet")
        })?;
        let workspace = self.store.workspace(workspace_id).await.map_err(failed)?;
        let vkey = self.vkey(&workspace.map(|workspace| workspace.origin).unwrap_or_default())?;
        let checkpoint = interlock_ledger::open_checkpoint(&note, &vkey).map_err(|error| {
            Refusal::new(Reason::StateCorrupt, format!("the checkpoint does not hold: {error}"))
        })?;
        Ok(Signed { note, checkpoint, vkey })
    }

    /// Write the ledger up to a checkpoint as an archive. Blocks: for a thread of its own, never the runtime's.
    ///
    /// # Errors
    /// What reading or writing fails with.
    pub fn export(
        &self,
        runtime: tokio::runtime::Handle,
        workspace_id: WorkspaceId,
        signed: &Signed,
        out: impl Write,
    ) -> Result<(), ExportFailure> {
        let mut source = StoreSource {
            store: Arc::clone(&self.store),
            runtime,
            workspace_id,
            checkpoint: signed.note.clone(),
        };
        interlock_ledger::write_export(&mut source, &signed.vkey, out)
            .map(|_| ())
            .map_err(|error| ExportFailure(error.to_string()))
    }
}

/// A workspace's ledger as it stood when the export began.
struct StoreSource {
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Handle,
    workspace_id: WorkspaceId,
    checkpoint: String,
}

impl LogSource for StoreSource {
    type Error = ExportFailure;

    fn checkpoint(&mut self) -> Result<String, ExportFailure> {
        Ok(self.checkpoint.clone())
    }

    fn tile(&mut self, at: TileAt) -> Result<Vec<u8>, ExportFailure> {
        let found = self.runtime.block_on(self.store.tile(self.workspace_id, at))?;
        found.ok_or_else(|| ExportFailure(format!("tile {} is missing", at.path())))
    }

    fn entries(&mut self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, ExportFailure> {
        let limit = u32::try_from(count).map_err(|_| ExportFailure("too many entries at once".into()))?;
        let rows = self.runtime.block_on(self.store.entries(self.workspace_id, first, limit))?;
        Ok(rows.into_iter().map(|row| row.envelope).collect())
    }
}
