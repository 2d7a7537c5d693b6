//! Database files in folders that go away with them.

use std::path::PathBuf;
use std::sync::Arc;

use interlock_store::{Store, StoreError};
use interlock_store_sqlite::{Options, SqliteStore};
use interlock_testkit::Database;
use tempfile::TempDir;

/// A folder with a database file in it.
pub(crate) struct Made {
    folder: TempDir,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("interlock.db")
    }

    pub(crate) fn try_open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&Options::at(self.path()))
    }
}

#[async_trait::async_trait]
impl Database for Made {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.try_open().unwrap())
    }
}

/// Wait for a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
