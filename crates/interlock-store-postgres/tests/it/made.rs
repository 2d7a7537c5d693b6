//! Databases that go away with their test.

use std::sync::Arc;

use interlock_store::{Store, StoreError};
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::Database;
use interlock_testkit::postgres::TestDatabase;

/// An empty database.
pub(crate) struct Made(pub(crate) TestDatabase);

impl Made {
    pub(crate) fn new(test: &str) -> Option<Self> {
        TestDatabase::make(test).map(Self)
    }

    /// The server's socket and the database's name, to stand before it. A server named from outside has none.
    pub(crate) fn socket(&self) -> Option<(String, String)> {
        // The socket's folder is the URL's host.
        let (folder, name) = self.0.url().split_once("@%2F")?.1.split_once('/')?;
        Some((format!("/{}/.s.PGSQL.5432", folder.replace("%2F", "/")), name.to_owned()))
    }

    pub(crate) async fn try_open(&self) -> Result<PostgresStore, StoreError> {
        PostgresStore::open(&Options::at(self.0.url())).await
    }
}

#[async_trait::async_trait]
impl Database for Made {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.try_open().await.unwrap())
    }
}

/// Wait for a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
