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
    let plain = serde_json::to_vec(value).ok();
    let bytes = match plain.as_deref().and_then(crate::sort::sorted) {
        Some(bytes) => bytes,
        None => general(value)?,
    };
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(LedgerError::EntryTooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// The form of anything that has one.
fn general<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, LedgerError> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::*;

    /// Both ways give the same bytes or the same refusal; says whether the quick one was taken.
    fn agree(value: &Value) -> bool {
        let general = general(value);
        assert_eq!(canonical(value).ok(), general.ok(), "{value}");
        crate::sort::sorted(&serde_json::to_vec(value).unwrap()).is_some()
    }

    #[test]
    fn the_quick_way_is_taken_for_what_entries_are_made_of() {
        for value in [
            json!({}),
            json!([[], {}, [1, [2]]]),
            json!({"b": 1, "a": {"d": [true, false, {"z": 1, "y": -2}], "c": "x"}, "aa": "", "a-": 0}),
            json!({"text": "quote \" backslash \\ newline \n control \u{1} delete \u{7f} \u{20ac} \u{1f600}"}),
            json!({"n": 999_999_999_999_999_u64}),
        ] {
            assert!(agree(&value), "{value}");
        }
    }

    /// Any JSON, with keys and texts that need care and without.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-99_i64..99).prop_map(Value::from),
            "[a-z\"\\\\\n\u{1}\u{20ac}\u{1f600}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-c_\"\\\\-]{0,3}", inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_ways_agree_on_anything(value in json()) {
            agree(&value);
        }
    }

    #[test]
    fn what_could_differ_is_left_to_the_general_way() {
        for value in [
            json!({"n": null}),
            json!({"n": 1.5}),
            json!({"n": -0.0}),
            json!({"n": 1_000_000_000_000_000_u64}),
            json!({"n": u64::MAX}),
            json!({"\u{20ac}": 1, "\u{1f600}": 2, "\u{fb33}": 3}),
            json!({"a\"": 1, "a!": 2}),
        ] {
            assert!(!agree(&value), "{value}");
        }
        assert!(canonical(&f64::NAN).is_err());
    }
}
