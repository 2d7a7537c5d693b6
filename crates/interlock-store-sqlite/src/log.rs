//! What is known of the write-ahead log, and when its pages are to be copied into the file.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use interlock_store::{StoreError, WriteAhead};
use rusqlite::Connection;

use crate::error::store;

/// Bytes that a page takes in the log.
const PAGE_BYTES: u64 = 4_096 + 24;

/// New pages in the log after which they are copied into the file: 8 MiB. Few enough that syncing them holds up no
/// commit for long; the pages that every batch changes are copied once for all that came meanwhile.
pub(crate) const LOG_COPIED_PAGES: u32 = 2_000;
/// Pages in the log from which it is to begin anew: 32 MiB. Fewer would cost more moments without a commit; a start after
/// a kill reads what is there.
pub(crate) const LOG_PAGES: u32 = 8_000;
/// Pages in the log at which the writer stops until they are copied: 128 MiB. Only copying that fails, or somebody who
/// reads for long, lets it grow so far.
pub(crate) const LOG_PAGES_MAX: u32 = 32_000;

/// The same in bytes: what the log's file may have.
pub const LOG_BYTES_MAX: u64 = LOG_PAGES_MAX as u64 * PAGE_BYTES;

/// When the log is copied, and how long it may become, in pages.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// New pages after which they are copied into the file.
    pub copied: u32,
    /// Pages from which the log is to begin anew.
    pub anew: u32,
    /// Pages at which the writer stops until they are copied.
    pub max: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { copied: LOG_COPIED_PAGES, anew: LOG_PAGES, max: LOG_PAGES_MAX }
    }
}

/// The log as writer and copier see it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) limits: LogLimits,
    /// Pages in it, as the last commit left it.
    pages: AtomicU32,
    /// It is the writer's turn to let it begin anew.
    is_due: AtomicBool,
    /// What was copied is in doubt: until everything is opened anew, nothing may be built on it.
    is_in_doubt: AtomicBool,
    copies: AtomicU64,
    failures: AtomicU64,
}

impl Log {
    pub(crate) fn new(limits: LogLimits) -> Arc<Self> {
        Arc::new(Self { limits, ..Self::default() })
    }

    /// Be told of every commit of this connection. SQLite copies nothing of its own accord then.
    pub(crate) fn watch(self: &Arc<Self>, connection: &mut Connection) -> Result<(), StoreError> {
        let log = Arc::clone(self);
        let note = move |_: &mut rusqlite::hooks::Wal, pages: c_int| {
            log.pages.store(u32::try_from(pages).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(note)).map_err(|error| store(&error))
    }

    pub(crate) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Whether it is so long that nothing may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.pages() >= self.limits.max
    }

    /// Pages that the writer may copy itself, since that takes no longer than a batch or two.
    pub(crate) const fn few(&self) -> u32 {
        self.limits.copied / 8
    }

    pub(crate) fn set_due(&self, is_due: bool) {
        self.is_due.store(is_due, Ordering::Release);
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Acquire)
    }

    pub(crate) fn set_in_doubt(&self, is_in_doubt: bool) {
        self.is_in_doubt.store(is_in_doubt, Ordering::Release);
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Ordering::Acquire)
    }

    /// Whether what is read from the file is what was written.
    pub(crate) fn trusted(&self) -> Result<(), StoreError> {
        if !self.is_in_doubt() {
            return Ok(());
        }
        let why = "what was copied into the file is in doubt until it is opened anew";
        Err(StoreError::Unavailable(why.into()))
    }

    /// Tell what became of copying: counted, and said where it failed.
    pub(crate) fn note(&self, copied: &Result<(), StoreError>) {
        match copied {
            Ok(()) => self.copies.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                tracing::error!(%error, pages = self.pages(), "database.log_not_copied");
                self.failures.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    pub(crate) fn counts(&self) -> WriteAhead {
        WriteAhead {
            bytes: u64::from(self.pages()) * PAGE_BYTES,
            copies: self.copies.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}
