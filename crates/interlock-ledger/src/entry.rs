//! The bytes of an entry.

use crate::LedgerError;

/// Longest entry in bytes: a C2SP tlog-tiles entry bundle prefixes each entry with a 16-bit length.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The largest integer that every smaller one is distinguishable from in a double (2^53 - 1, RFC 7493 2.2).
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// The RFC 8785 form of `value`: the exact bytes that are hashed, stored and exported as an entry.
///
/// # Errors
/// [`LedgerError::NotCanonicalizable`] when there is no such form, [`LedgerError::NumberInexact`] for a number that
/// the form would round, [`LedgerError::EntryTooLarge`] beyond [`ENTRY_BYTES_MAX`].
pub fn canonical<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, LedgerError> {
    let bytes = serde_json_canonicalizer::to_vec(value)
        .map_err(|error| LedgerError::NotCanonicalizable(error.to_string()))?;
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(LedgerError::EntryTooLarge { bytes: bytes.len() });
    }
    match first_inexact_number(&bytes) {
        Some(number) => Err(LedgerError::NumberInexact(number)),
        None => Ok(bytes),
    }
}

/// Finds a number outside the exact range in canonical JSON. RFC 8785 prints every number as a double, so an integer
/// that was rounded on the way can still be seen, by its size, in the output.
fn first_inexact_number(json: &[u8]) -> Option<String> {
    let mut bytes = json.iter().copied().peekable();
    let mut number = String::new();
    let mut in_text = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_text => drop(bytes.next()),
            b'"' => in_text = !in_text,
            b'-' | b'0'..=b'9' if !in_text => {
                number.clear();
                number.push(char::from(byte));
                while let Some(next) = bytes.next_if(|next| b"0123456789.eE+-".contains(next)) {
                    number.push(char::from(next));
                }
                if !number.parse::<f64>().is_ok_and(|value| value.abs() <= EXACT_MAX) {
                    return Some(number);
                }
            }
            _ => {}
        }
    }
    None
}
