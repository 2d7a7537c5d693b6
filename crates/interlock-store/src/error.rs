//! What can go wrong in storage.

/// Why a store did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be written or read now: disk full, failing sync, gone away. Nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database does not take what was to be written: a value too big, a constraint. Nothing was changed, and
    /// trying again will not help.
    #[error("the store refuses the change: {0}")]
    Rejected(String),
    /// What names the database makes no sense; trying again will not help.
    #[error("the database's address makes no sense: {0}")]
    Address(String),
    /// Stored data is broken or contradicts itself.
    #[error("the store is broken: {0}")]
    Corrupt(String),
    /// The file or database is not one of ours.
    #[error("not an Interlock database: {0}")]
    Foreign(String),
    /// Written by a newer version of Interlock.
    #[error("the database has schema version {found}, this build knows up to {known}")]
    TooNew {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// Another server holds it.
    #[error("held by {holder}")]
    Held {
        /// Who, in words: process id, address, start.
        holder: String,
    },
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NoWorkspace,
}
