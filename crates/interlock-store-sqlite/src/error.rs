//! From SQLite's errors to the store's.

use interlock_store::StoreError;
use rusqlite::ErrorCode;

/// What a failed statement means.
pub(crate) fn store(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign(error.to_string()),
        // `None` is not SQLite's word but a row that does not have the shape we wrote.
        Some(ErrorCode::DatabaseCorrupt) | None => StoreError::Corrupt(error.to_string()),
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ParameterOutOfRange,
        ) => StoreError::Rejected(error.to_string()),
        Some(_) => StoreError::Unavailable(error.to_string()),
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
