//! Randomness for the pure core, drawn in one place.

use interlock_core::Timestamp;
use interlock_core::id::SessionId;

/// Bytes from the operating system. Panics never: a system without randomness gives an error.
///
/// # Errors
/// What the operating system says.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A fresh session id.
///
/// # Errors
/// What the operating system says.
pub fn random_session(now: Timestamp) -> Result<SessionId, getrandom::Error> {
    Ok(SessionId::derive(now, &random_bytes()?, 0))
}

/// 128 random bits as 32 hex digits, for request ids, token ids and keys.
///
/// # Errors
/// What the operating system says.
pub fn random_token() -> Result<String, getrandom::Error> {
    Ok(format!("{:032x}", u128::from_be_bytes(random_bytes()?)))
}
