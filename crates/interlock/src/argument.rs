//! What single words of the command line must look like.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use interlock_api::v1::message::Data;
use interlock_api::v1::thread::ParticipantParams;
use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{LaunchVariable, Runtime, Sandbox};
use interlock_core::job::JobState;
use interlock_core::limits::{IDEMPOTENCY_KEY_CHARS_MAX, PAGE_ROWS_MAX, WAIT_MS_MAX};
use interlock_core::thread::{Status, ThreadKind, ThreadRole};
use interlock_core::time::Timestamp;
use interlock_core::wake::{WakeResult, WakeState};

/// A parser for one of a closed set of words, which help lists.
fn one_of<T: Copy + Clone + Send + Sync + 'static>(
    all: &'static [T],
    text: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.iter().map(|value| text(*value))).try_map(move |word| {
        all.iter().copied().find(|value| text(*value) == word).ok_or("not one of the possible values")
    })
}

/// A thread's status.
pub(crate) fn status() -> impl TypedValueParser<Value = Status> {
    one_of(Status::ALL, Status::as_str)
}

/// What a thread is for.
pub(crate) fn thread_kind() -> impl TypedValueParser<Value = ThreadKind> {
    one_of(ThreadKind::ALL, ThreadKind::as_str)
}

/// A part in a thread.
pub(crate) fn thread_role() -> impl TypedValueParser<Value = ThreadRole> {
    one_of(ThreadRole::ALL, ThreadRole::as_str)
}

/// An access role.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    one_of(Role::ALL, Role::as_str)
}

/// How an agent is run.
pub(crate) fn runtime() -> impl TypedValueParser<Value = Runtime> {
    one_of(Runtime::ALL, Runtime::as_str)
}

/// What a coding agent's program may do.
pub(crate) fn sandbox() -> impl TypedValueParser<Value = Sandbox> {
    one_of(Sandbox::ALL, Sandbox::as_str)
}

/// Where a wake stands.
pub(crate) fn wake_state() -> impl TypedValueParser<Value = WakeState> {
    one_of(WakeState::ALL, WakeState::as_str)
}

/// How a wake ended.
pub(crate) fn wake_result() -> impl TypedValueParser<Value = WakeResult> {
    one_of(WakeResult::ALL, WakeResult::as_str)
}

/// Where a job stands.
pub(crate) fn job_state() -> impl TypedValueParser<Value = JobState> {
    one_of(JobState::ALL, JobState::as_str)
}

/// Rows of a page.
pub(crate) fn limit() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(PAGE_ROWS_MAX))
}

/// Milliseconds to wait.
pub(crate) fn wait_ms() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(0..=i64::from(WAIT_MS_MAX))
}

/// An idempotency key: it travels in a header.
pub(crate) fn key(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= IDEMPOTENCY_KEY_CHARS_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("a key is 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters"))
    }
}

/// `NAME` or `NAME:coordinator`.
pub(crate) fn participant(text: &str) -> Result<ParticipantParams, String> {
    let (name, role) = text.split_once(':').unwrap_or((text, "participant"));
    let agent = AgentName::parse(name).map_err(|error| error.to_string())?;
    let role = ThreadRole::parse(role)
        .ok_or_else(|| format!("`{role}` is no part in a thread: participant or coordinator"))?;
    Ok(ParticipantParams { agent, role })
}

/// `NAME` (taken from the supervisor's environment) or `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<LaunchVariable, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let mut chars = name.chars();
    let fits = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        Ok(LaunchVariable { name: name.to_owned(), value })
    } else {
        Err(format!("`{name}` is no name of a variable: letters, digits and `_`, no digit first"))
    }
}

/// A JSON object.
pub(crate) fn data(text: &str) -> Result<Data, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// A moment: a time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Then.
    At(Timestamp),
    /// So many milliseconds ago.
    Ago(u64),
}

impl Moment {
    /// The time, as of now.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ms) => now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX).saturating_neg()),
        }
    }
}

/// A time such as `2026-01-02T03:04:05Z`, or a duration: so long ago.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let at = text.parse().map(Moment::At);
    at.or_else(|_| duration_ms(text).map(Moment::Ago)).map_err(|_| {
        format!("`{text}` is neither a time such as 2026-01-02T03:04:05Z nor a duration such as 90m")
    })
}

/// A duration such as `90s`, `15m`, `12h` or `7d`, as milliseconds.
pub(crate) fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration such as 90s, 15m, 12h or 7d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit_ms: u64 = match text.get(digits.len()..).ok_or_else(wrong)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(wrong)
}

/// A duration with its unit, or a number of milliseconds.
pub(crate) fn duration_or_ms(text: &str) -> Result<u64, String> {
    duration_ms(text).or_else(|wrong| text.parse().ok().filter(|ms| *ms > 0).ok_or(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_may_be_milliseconds_where_they_always_were() {
        assert_eq!(duration_or_ms("60000"), Ok(60_000));
        assert_eq!(duration_or_ms("1m"), Ok(60_000));
        for wrong in ["", "0", "-5", "1.5", "soon"] {
            assert!(duration_or_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration_ms("15m"), Ok(900_000));
        assert_eq!(duration_ms("250ms"), Ok(250));
        for wrong in
            ["", "5", "m", "-1s", "0s", "1.5h", "5 m", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_times_or_so_long_ago() {
        let now: Timestamp = "2026-01-02T03:04:05.000Z".parse().unwrap();
        let at = |text: &str| moment(text).map(|moment| moment.at(now).to_string());
        assert_eq!(at("2026-01-02T03:00:00Z"), Ok("2026-01-02T03:00:00.000Z".into()));
        assert_eq!(at("1h"), Ok("2026-01-02T02:04:05.000Z".into()));
        for wrong in ["", "yesterday", "2026-01-02", "-1h"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn participants_may_carry_a_part() {
        assert_eq!(participant("anna").map(|p| p.role), Ok(ThreadRole::Participant));
        assert_eq!(participant("anna:coordinator").map(|p| p.role), Ok(ThreadRole::Coordinator));
        assert!(participant("anna:boss").is_err());
        assert!(participant(":coordinator").is_err());
    }

    #[test]
    fn variables_are_named_or_set() {
        assert_eq!(variable("A"), Ok(LaunchVariable { name: "A".into(), value: None }));
        assert_eq!(variable("A=b=c"), Ok(LaunchVariable { name: "A".into(), value: Some("b=c".into()) }));
        for wrong in ["", "=x", "1A", "A B=c", "É"] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_fit_into_a_header() {
        assert!(key("k-1").is_ok());
        for wrong in ["", "a b", "a\n", "ä", &"k".repeat(201)] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
