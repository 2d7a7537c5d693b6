//! Connections that can be closed under their threads and opened anew: all at once, when a sync has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use interlock_store::StoreError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

type Open = Box<dyn Fn() -> Result<Connection, StoreError> + Send + Sync>;

/// A thread's place at the database: its connection, and how to open the next one.
pub(crate) struct Seat {
    connection: Mutex<Option<Connection>>,
    open: Open,
}

impl Seat {
    /// Opened at once.
    pub(crate) fn open(
        open: impl Fn() -> Result<Connection, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let connection = Mutex::new(Some(open()?));
        Ok(Self { connection, open: Box::new(open) })
    }

    /// Take it; nobody else has it meanwhile.
    pub(crate) fn take(&self) -> Taken<'_> {
        Taken { connection: self.connection.lock().unwrap_or_else(PoisonError::into_inner), open: &self.open }
    }

    /// Do something with the connection.
    pub(crate) fn with<T>(
        &self,
        run: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.take().connection().and_then(run)
    }
}

/// A seat that is ours for now.
pub(crate) struct Taken<'a> {
    connection: MutexGuard<'a, Option<Connection>>,
    open: &'a Open,
}

impl Taken<'_> {
    /// The connection, opened where it was closed.
    pub(crate) fn connection(&mut self) -> Result<&Connection, StoreError> {
        if self.connection.is_none() {
            *self.connection = Some((self.open)()?);
        }
        self.connection.as_ref().ok_or_else(|| StoreError::Unavailable("the database is closed".into()))
    }

    /// Close it and leave the write-ahead log as it is.
    pub(crate) fn close(&mut self) -> Result<(), StoreError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        kept.map(|_| ()).map_err(|error| crate::error::store(&error))
    }
}
