//! The policy constants of waking and guarding, as data with their defaults (S002-122).

use crate::job::RetryPolicy;

/// What the rules of `wake` and `guard` are parameterised with. Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How often due wakes are looked for when no trigger arrives (S002-76).
    pub poll_interval_ms: i64,
    /// How long a runtime may take to accept a wake (S002-77).
    pub accept_timeout_ms: i64,
    /// Retries after a wake's first attempt (S002-78).
    pub wake_retries_max: u32,
    /// The pause before the first retry; doubles with each (2 s, 4 s).
    pub retry_backoff_ms: i64,
    /// How long one agent process may run for one wake.
    pub run_ms_max: i64,
    /// How long a supervisor holds a wake without renewing.
    pub lease_ms: i64,
    /// How long after its session was found in use a wake is tried again.
    pub session_recheck_ms: i64,
    /// How long a wake waits for a session in use before it goes on in a fresh one.
    pub session_defer_max_ms: i64,
    /// Finished wakes without progress that block a thread (S002-82).
    pub turns_without_progress_max: u32,
    /// Identical findings that block a thread (S002-83).
    pub identical_findings_max: u32,
    /// Attempts of a job in all; after so many it is dead.
    pub job_attempts_max: u32,
    /// The longest pause after a job's first failed attempt; doubles with each further one.
    pub job_backoff_ms: i64,
    /// The longest pause between two attempts of a job.
    pub job_backoff_ms_max: i64,
    /// How long a worker holds a job without renewing.
    pub job_lease_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            poll_interval_ms: 5_000,
            accept_timeout_ms: 8_000,
            wake_retries_max: 2,
            retry_backoff_ms: 2_000,
            run_ms_max: 15 * 60_000,
            lease_ms: 60_000,
            session_recheck_ms: 5_000,
            session_defer_max_ms: 60_000,
            turns_without_progress_max: 20,
            identical_findings_max: 3,
            job_attempts_max: 10,
            job_backoff_ms: 2_000,
            job_backoff_ms_max: 600_000,
            job_lease_ms: 30_000,
        }
    }
}

impl Policy {
    /// Why this set makes no sense, or nothing. Checked before a server starts with it.
    pub fn fault(&self) -> Option<String> {
        let positive = [
            ("poll_interval_ms", self.poll_interval_ms),
            ("accept_timeout_ms", self.accept_timeout_ms),
            ("retry_backoff_ms", self.retry_backoff_ms),
            ("run_ms_max", self.run_ms_max),
            ("lease_ms", self.lease_ms),
            ("session_recheck_ms", self.session_recheck_ms),
            ("session_defer_max_ms", self.session_defer_max_ms),
            ("job_backoff_ms", self.job_backoff_ms),
            ("job_backoff_ms_max", self.job_backoff_ms_max),
            ("job_lease_ms", self.job_lease_ms),
        ];
        if let Some((name, value)) = positive.iter().find(|(_, value)| *value < 1 || *value > 86_400_000) {
            return Some(format!("`{name}` is {value}, allowed are 1 to 86400000 (one day)"));
        }
        if self.accept_timeout_ms >= self.run_ms_max {
            return Some("`accept_timeout_ms` must be below `run_ms_max`".into());
        }
        if self.poll_interval_ms >= self.lease_ms {
            return Some("`poll_interval_ms` must be below `lease_ms`".into());
        }
        if self.turns_without_progress_max == 0 || self.identical_findings_max == 0 {
            return Some("a guard of 0 would block every thread at once".into());
        }
        if self.job_attempts_max == 0 {
            return Some("`job_attempts_max` is 0, and a job needs an attempt".into());
        }
        if self.job_backoff_ms > self.job_backoff_ms_max {
            return Some("`job_backoff_ms` must not be above `job_backoff_ms_max`".into());
        }
        None
    }

    /// How often and when a job is tried again that says nothing else.
    pub const fn job_retry(&self) -> RetryPolicy {
        RetryPolicy {
            base_ms: self.job_backoff_ms,
            cap_ms: self.job_backoff_ms_max,
            attempts_max: self.job_attempts_max,
        }
    }

    /// The pause before attempt number `attempt` + 1, when attempt number `attempt` (from 1) has failed.
    pub fn backoff_ms(&self, attempt: u32) -> i64 {
        let doublings = attempt.saturating_sub(1).min(16);
        self.retry_backoff_ms.saturating_mul(1_i64 << doublings)
    }
}
