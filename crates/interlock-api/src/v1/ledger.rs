//! The ledger on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `list_entries`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListEntriesParams {
    /// From this index on.
    #[serde(default)]
    pub from: u64,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first entry, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// Answer of `list_entries`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListEntriesResponse {
    /// Envelopes as they were hashed, in order.
    pub entries: Vec<serde_json::Value>,
    /// Pass it as `from` to go on.
    pub next: u64,
    /// Whether there is more already.
    pub has_more: bool,
}

/// Parameters of `get_checkpoint`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetCheckpointParams {
    /// Wait while the ledger has so many entries; absent = while nothing is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u64::MAX))]
    pub while_size: Option<u64>,
    /// How long to wait for the next checkpoint, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub wait_ms: u32,
}

/// Answer of `get_checkpoint`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetCheckpointResponse {
    /// The signed note: origin, size, root hash, signature.
    pub checkpoint: String,
    /// The log's origin.
    pub origin: String,
    /// Entries covered.
    pub size: u64,
    /// The root hash, base64.
    pub root: String,
    /// The key that verifies the note, in the signed-note format.
    pub vkey: String,
}

/// Parameters of `export_ledger`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExportLedgerParams {}

/// Answer of `export_ledger`: the bytes of a tar archive, not JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExportLedgerResponse {}
