//! How webhooks are told, as data with its defaults.

use std::path::PathBuf;

use interlock_core::job::RetryPolicy;
use interlock_core::limits::{WEBHOOK_ATTEMPTS_MAX, WEBHOOK_TIMEOUT_MS_MAX};

/// What an instance says of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookOptions {
    /// Networks that may be reached although they are not public, such as `10.0.0.0/8`; `127.0.0.0/8` also allows
    /// `http://127.0.0.1:PORT/`.
    pub allow_networks: Vec<String>,
    /// Certificates in PEM that may vouch for a receiver besides those that this machine believes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a receiver may take to answer.
    pub timeout_ms: u64,
    /// The pause after the first failure; doubles with each further one.
    pub retry_base_ms: i64,
    /// The longest pause.
    pub retry_cap_ms: i64,
    /// Attempts in all; after so many the delivery is dead.
    pub attempts_max: u32,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            allow_networks: Vec::new(),
            ca_file: None,
            timeout_ms: 15_000,
            retry_base_ms: 5_000,
            retry_cap_ms: 30 * 60_000,
            attempts_max: 16,
        }
    }
}

impl WebhookOptions {
    /// Why these make no sense, or nothing.
    pub fn fault(&self) -> Option<String> {
        if !(1..=WEBHOOK_TIMEOUT_MS_MAX).contains(&self.timeout_ms) {
            return Some(format!(
                "`timeout_ms` is {}, allowed are 1 to {WEBHOOK_TIMEOUT_MS_MAX}",
                self.timeout_ms
            ));
        }
        for (name, value) in [("retry_base_ms", self.retry_base_ms), ("retry_cap_ms", self.retry_cap_ms)] {
            if !(1..=86_400_000).contains(&value) {
                return Some(format!("`{name}` is {value}, allowed are 1 to 86400000 (one day)"));
            }
        }
        if !(1..=WEBHOOK_ATTEMPTS_MAX).contains(&self.attempts_max) {
            let (has, max) = (self.attempts_max, WEBHOOK_ATTEMPTS_MAX);
            return Some(format!("`attempts_max` is {has}, allowed are 1 to {max}"));
        }
        None
    }

    /// How often and when a delivery is tried again.
    pub(crate) const fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            base_ms: self.retry_base_ms,
            cap_ms: self.retry_cap_ms,
            attempts_max: self.attempts_max,
        }
    }
}
