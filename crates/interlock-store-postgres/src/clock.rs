//! The database's clock, by which everything is due and over, beside this machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use interlock_core::Timestamp;

/// What the database is asked for.
pub(crate) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// How far the database's clock is ahead of this machine's, by what it said last. Shared by all who ask it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// The database has just said what time it is; it was asked when this machine's time was `asked`.
    pub(crate) fn hear(&self, asked: Timestamp, said: Timestamp) {
        self.bound(asked, said, here());
    }

    pub(crate) fn ahead_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// It said so at some instant between asking and hearing: what agrees with that stays as it is, so that slow answers
    /// move nothing.
    fn bound(&self, asked: Timestamp, said: Timestamp, heard: Timestamp) {
        let (least, most) = (said.as_millis() - heard.as_millis(), said.as_millis() - asked.as_millis());
        // This machine's clock may have been put back meanwhile.
        let most = most.max(least);
        self.0.store(self.ahead_ms().clamp(least, most), Ordering::Relaxed);
    }
}

/// This machine's time.
pub(crate) fn here() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_moves_the_clock_no_further_than_it_must() {
        let clock = Clock::default();
        let at = Timestamp::from_millis;
        for (asked, said, heard, ahead) in [
            // A minute ahead, and as much as is certain.
            (1_000, 61_010, 1_020, 59_990),
            // A slow answer, which agrees.
            (2_000, 62_400, 2_900, 59_990),
            // A quick one knows better.
            (3_000, 63_001, 3_002, 59_999),
            // The database's clock was put back.
            (4_000, 4_001, 4_002, 1),
            // This machine's was.
            (9_000, 1_001, 1_000, 1),
        ] {
            clock.bound(at(asked), at(said), at(heard));
            assert_eq!(clock.ahead_ms(), ahead, "{asked} {said} {heard}");
        }
    }
}
