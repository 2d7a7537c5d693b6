//! Tokens on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `renew_token`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct RenewTokenParams {}

/// Answer of `renew_token`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct RenewTokenResponse {
    /// A token with the same name, role and workspace.
    pub token: String,
    /// How long it holds, from now on.
    pub ttl_ms: u64,
}

impl std::fmt::Debug for RenewTokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenewTokenResponse").field("ttl_ms", &self.ttl_ms).finish_non_exhaustive()
    }
}
