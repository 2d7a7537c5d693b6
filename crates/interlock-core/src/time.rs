//! Instants as values: core is given the time, it never reads a clock.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An instant in UTC with millisecond precision, RFC 3339 on the wire (`2026-01-02T03:04:05.678Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

/// The latest instant that can be printed: the end of the year 9999, less the largest offset of a time zone.
const MILLIS_MAX: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The instant this many milliseconds after 1970-01-01T00:00:00Z, clamped to the printable range.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > MILLIS_MAX {
            Self(MILLIS_MAX)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; never negative.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        let gap = self.0.saturating_sub(earlier.0);
        if gap < 0 { 0 } else { gap }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{instant:.3}")
    }
}

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no RFC 3339 instant up to 9999-12-30T22:00:00Z, such as 2026-01-02T03:04:05.678Z")]
pub struct TimestampError(String);

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self::from_millis(instant.as_millisecond()))
            .map_err(|_| TimestampError(text.chars().take(64).collect()))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A hybrid logical clock reading: orders, and never goes back when the wall clock does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Hybrid {
    /// The physical part: at least the wall clock's largest reading so far.
    pub at: Timestamp,
    /// Tells readings within one millisecond apart.
    pub count: u32,
}

impl Hybrid {
    /// The next reading after this one when the wall clock says `wall`.
    #[must_use]
    pub const fn tick(self, wall: Timestamp) -> Self {
        if wall.as_millis() > self.at.as_millis() {
            Self { at: wall, count: 0 }
        } else {
            Self { at: self.at, count: self.count.saturating_add(1) }
        }
    }
}

/// The time a command is decided at; stamped inside the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Orders entries.
    pub at: Hybrid,
    /// What due-ness and expiry are compared with.
    pub wall: Timestamp,
}
