//! Times and durations as people say them.

use interlock_core::time::Timestamp;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `just now`, `5m ago`, `3d ago`, then the date.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.ms_since(at) {
        ms if ms < 2 * SECOND_MS => "just now".into(),
        ms if ms < MINUTE_MS => format!("{}s ago", ms / SECOND_MS),
        ms if ms < HOUR_MS => format!("{}m ago", ms / MINUTE_MS),
        ms if ms < DAY_MS => format!("{}h ago", ms / HOUR_MS),
        ms if ms < 30 * DAY_MS => format!("{}d ago", ms / DAY_MS),
        _ => at.to_string().chars().take(10).collect(),
    }
}

/// `12ms`, `3.4s`, `2m 05s`, `1h 04m`.
pub(crate) fn duration(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < SECOND_MS => format!("{ms}ms"),
        ms if ms < MINUTE_MS => format!("{}.{}s", ms / SECOND_MS, ms % SECOND_MS / 100),
        ms if ms < HOUR_MS => format!("{}m {:02}s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS),
        ms => format!("{}h {:02}m", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
    }
}

/// `now`, `in 4s`, `in 5m`, `in 3h`; what is past is now.
pub(crate) fn ahead(at: Timestamp, now: Timestamp) -> String {
    match at.ms_since(now) {
        0 => "now".into(),
        ms if ms < MINUTE_MS => format!("in {}s", (ms + SECOND_MS - 1) / SECOND_MS),
        ms if ms < HOUR_MS => format!("in {}m", ms / MINUTE_MS),
        ms if ms < DAY_MS => format!("in {}h", ms / HOUR_MS),
        ms => format!("in {}d", ms / DAY_MS),
    }
}

/// The time of day in UTC, for live lines: `14:03:22.123`.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_string().chars().skip(11).take(12).collect()
}
