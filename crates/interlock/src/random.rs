//! Randomness of the system.

use interlock_api::Problem;
use interlock_core::Reason;

/// Bytes nobody can guess.
///
/// # Errors
/// The `INTERNAL` problem when the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problem::new(Reason::Defect, &format!("the system gives no random bytes: {error}"), "")
    })?;
    Ok(bytes)
}
