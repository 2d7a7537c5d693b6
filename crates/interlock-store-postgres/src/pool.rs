//! Connections: taken for one call, given back clean or not at all, and every call ends in time.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use interlock_store::StoreError;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::error;

/// How long one call may take: a database that hangs counts as away.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(10);
/// How long to wait for a free connection, and for a new one.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A parameter of a statement.
pub(crate) type Value<'a> = &'a (dyn ToSql + Sync);

/// A connection for one call. Unless the call says that it is clean again, it is closed: what a half-done transaction
/// left behind shall meet nobody else.
pub(crate) struct Line(Option<Object>);

impl Line {
    /// Take a connection.
    pub(crate) async fn take(pool: &Pool) -> Result<Self, StoreError> {
        Ok(Self(Some(pool.get().await.map_err(|e| error::pool(&e))?)))
    }

    /// Give it back.
    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }

    fn client(&self) -> Result<&ClientWrapper, StoreError> {
        self.0.as_deref().ok_or_else(|| StoreError::Unavailable("the connection was given back".into()))
    }

    /// Prepared once per connection.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        self.client()?.prepare_cached(sql).await.map_err(|e| error::store(&e))
    }

    /// All rows of a statement.
    pub(crate) async fn all(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        self.run(&statement, values).await
    }

    /// One row, or none.
    pub(crate) async fn one(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }

    /// Run a prepared statement.
    pub(crate) async fn run(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        self.client()?.query(statement, values).await.map_err(|e| error::store(&e))
    }

    /// Run a statement that is a transaction of its own and gives one row. A failure says whether it may have been done all
    /// the same.
    pub(crate) async fn alone(&self, sql: &str, values: &[Value<'_>]) -> Result<Row, Failed> {
        let statement = in_time(self.prepare(sql)).await.map_err(Failed::Refused)?;
        let client = self.client().map_err(Failed::Refused)?;
        match tokio::time::timeout(CALL_MAX, client.query_one(&statement, values)).await {
            Ok(Ok(row)) => Ok(row),
            Ok(Err(failed)) if error::is_refusal(&failed) => Err(Failed::Refused(error::store(&failed))),
            Ok(Err(failed)) => Err(Failed::Open(error::store(&failed))),
            Err(_) => Err(Failed::Open(late())),
        }
    }

    /// Show the rows of a statement one by one, as they come.
    pub(crate) async fn each(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut show: impl FnMut(&Row) -> Result<(), StoreError> + Send,
    ) -> Result<(), StoreError> {
        let statement = self.prepare(sql).await?;
        let rows = self.client()?.query_raw(&statement, values.iter().copied()).await;
        let mut rows = std::pin::pin!(rows.map_err(|e| error::store(&e))?);
        while let Some(row) = rows.try_next().await.map_err(|e| error::store(&e))? {
            show(&row)?;
        }
        Ok(())
    }

    /// Run text as it is.
    pub(crate) async fn plain(&self, sql: &str) -> Result<(), StoreError> {
        self.client()?.batch_execute(sql).await.map_err(|e| error::store(&e))
    }

    /// Send several statements at once and wait for all answers: one round trip. `join_all` polls so few in order, which
    /// is the order on the wire.
    pub(crate) async fn together(
        &self,
        asks: &[(Statement, Vec<Value<'_>>)],
    ) -> Vec<Result<Vec<Row>, StoreError>> {
        join_all(asks.iter().map(|(statement, values)| self.run(statement, values))).await
    }
}

/// Why a statement on its own has no answer.
pub(crate) enum Failed {
    /// It was not done.
    Refused(StoreError),
    /// Nobody knows whether it was done.
    Open(StoreError),
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// End a call in time.
pub(crate) async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(CALL_MAX, call).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> StoreError {
    StoreError::Unavailable(format!("the database did not answer within {} s", CALL_MAX.as_secs()))
}
