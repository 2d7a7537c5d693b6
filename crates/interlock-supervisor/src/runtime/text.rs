//! Texts of events as people read them in a log.

use serde_json::Value;

use crate::shim::redact::Redactor;

/// Characters shown of one text.
const TEXT_CHARS_MAX: usize = 2_000;

/// A member that is a text; empty when it is none.
pub(crate) fn member<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A member that counts something; 0 when it is none.
pub(crate) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// So much of a text as a log shows, without the secrets in it: whatever is cut off, no part of one is left.
pub(crate) fn cut(hide: &Redactor, text: &str) -> String {
    let text = hide.hide(text);
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => {
            format!("{}… [{} bytes left out]", text.get(..end).unwrap_or_default(), text.len() - end)
        }
        None => text,
    }
}

/// The same of a value, whose texts are looked through before they are written as JSON.
pub(crate) fn cut_value(hide: &Redactor, value: &Value) -> String {
    cut(hide, &hidden(hide, value).to_string())
}

fn hidden(hide: &Redactor, value: &Value) -> Value {
    match value {
        Value::String(text) => hide.hide(text).into(),
        Value::Array(values) => values.iter().map(|value| hidden(hide, value)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (hide.hide(name), hidden(hide, value))).collect()
        }
        other => other.clone(),
    }
}

/// Whether a text speaks of one of these, in whatever case.
pub(crate) fn speaks_of(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// What an error of a model's service comes to, by its status where one is told, else by its words.
pub(crate) fn model_fault(status: u64, text: &str) -> interlock_core::wake::TurnFault {
    use interlock_core::wake::TurnFault;
    let told = |statuses: &[&str]| numbers(text).any(|number| statuses.contains(&number));
    let unauthorized = ["unauthorized", "api key", "please run /login", "missing environment variable"];
    match status {
        401 | 403 => TurnFault::ModelUnauthorized,
        429 => TurnFault::ModelRateLimited,
        0 if told(&["401", "403"]) || speaks_of(text, &unauthorized) => TurnFault::ModelUnauthorized,
        0 if told(&["429"]) || speaks_of(text, &["rate limit", "usage limit", "quota"]) => {
            TurnFault::ModelRateLimited
        }
        _ => TurnFault::ModelUnavailable,
    }
}

/// After which time a model's service says that it takes requests again: `try again in 1m30s`, `in 2 days 3 hours`.
/// Nothing when it says no duration; a time of day is none, because its zone is not told.
pub(crate) fn reset_in_ms(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let (_, told) = text.split_once("again in ")?;
    let mut rest = told.trim_start();
    let mut sum: Option<f64> = None;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let Ok(number) = number.parse::<f64>() else { break };
        let behind = behind.trim_start();
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let Some(ms) = unit_ms(unit) else { break };
        sum = Some(sum.unwrap_or_default() + number * ms);
        rest = behind.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    sum.filter(|ms| ms.is_finite()).map(whole)
}

/// Milliseconds in one of these.
fn unit_ms(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        "w" | "week" | "weeks" => 604_800_000.0,
        _ => return None,
    })
}

/// What begins counts whole: nobody asks again too soon.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of numbers without a sign, and a float too large becomes the largest integer"
)]
fn whole(ms: f64) -> u64 {
    ms.ceil() as u64
}

/// The numbers that stand alone, or behind a name (`status=401`, `"status":401`): not a port, nor a part of an address
/// or of a longer number.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || "()[]{}<>,;=\"'".contains(c));
    let words = words.map(|word| word.trim_matches([':', '.']));
    words.filter_map(|word| {
        let number = word.rsplit_once(':').map_or(word, |(name, number)| {
            let is_named = ["status", "code"].iter().any(|word| name.to_ascii_lowercase().ends_with(word));
            if is_named { number } else { "" }
        });
        (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(number)
    })
}
