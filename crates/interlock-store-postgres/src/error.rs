//! From PostgreSQL's errors to the store's.

use interlock_store::StoreError;
use tokio_postgres::error::{Severity, SqlState};

/// What a failed statement means.
pub(crate) fn store(error: &tokio_postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        // A row that does not have the shape we wrote, or a connection that is gone.
        let is_gone = error.is_closed()
            || std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        let words = words(error);
        return if is_gone || !words.contains("column") {
            StoreError::Unavailable(words)
        } else {
            StoreError::Corrupt(words)
        };
    };
    let words = format!("{} ({})", db.message(), db.code().code());
    match db.code().code().get(..2) {
        // Data exceptions, constraints, limits of the program: the same again fails the same.
        Some("22" | "23" | "54") => StoreError::Rejected(words),
        // The server's own word for broken pages and indexes. Its word for everything that has no other, a file that may
        // not grow any more for one, says nothing of what is stored.
        Some("XX") if *db.code() != SqlState::INTERNAL_ERROR => StoreError::Corrupt(words),
        Some("42") if *db.code() != SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Corrupt(words),
        _ => StoreError::Unavailable(words),
    }
}

/// Whether it is the server's word that the statement was not done. Whoever is about to end the session says it as well, and
/// maybe after the statement.
pub(crate) fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| db.parsed_severity() == Some(Severity::Error))
}

/// An error with its cause, which the driver keeps apart.
fn words(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// No connection to be had.
pub(crate) fn pool(error: &deadpool_postgres::PoolError) -> StoreError {
    match error {
        deadpool_postgres::PoolError::Backend(error) => match store(error) {
            StoreError::Unavailable(why) => StoreError::Unavailable(why),
            other => StoreError::Unavailable(other.to_string()),
        },
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// A stored value that is not what was written.
pub(crate) fn corrupt(table: &str, what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("table {table}: {what}"))
}

/// Read a document as it was written.
pub(crate) fn document<T: serde::de::DeserializeOwned>(table: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(table, error))
}

/// Write a document.
pub(crate) fn text<T: serde::Serialize>(table: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(table, error))
}
