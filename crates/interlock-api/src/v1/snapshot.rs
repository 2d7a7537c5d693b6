//! Snapshots on the wire: what a workspace has done by a moment that somebody named. The server alone says what is in one.

use interlock_core::actor::AgentName;
use interlock_core::id::SnapshotId;
use interlock_core::snapshot::{Content, Stage};
use interlock_core::text::Digest;
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A snapshot as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotView {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// What the moment is called; several may be of one stage.
    pub stage: Stage,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Who took it.
    pub by: AgentName,
    /// The ledger entry that holds the same content and digest (`snapshot.taken/1`).
    pub index: u64,
    /// What whoever took it says of it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was counted.
    pub content: Content,
    /// SHA-256 of the content's canonical JSON (RFC 8785), 64 hex digits.
    #[schemars(with = "String")]
    pub content_digest: Digest,
}

/// Parameters of `take_snapshot`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TakeSnapshotParams {
    /// What the moment is called, such as a stage of a delivery: 1 to 64 of a-z 0-9 `_` `-` `.`
    pub stage: Stage,
    /// What is to be said of it, in words, at most 2,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Parameters of `list_snapshots`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListSnapshotsParams {
    /// Only of this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What a former page gave as `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first snapshot, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `list_snapshots`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListSnapshotsResponse {
    /// Newest first.
    pub snapshots: Vec<SnapshotView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Parameters of `get_snapshot`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetSnapshotParams {
    /// The snapshot.
    pub snapshot_id: SnapshotId,
    /// How long to wait for it, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Parameters of `compare_snapshots`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CompareSnapshotsParams {
    /// One of the two.
    pub snapshot_id: SnapshotId,
    /// The other one. It does not matter which of them was taken first.
    pub with: SnapshotId,
    /// How long to wait for both, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `compare_snapshots`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CompareSnapshotsResponse {
    /// The one that was taken first.
    pub earlier: SnapshotMark,
    /// The other one.
    pub later: SnapshotMark,
    /// How long lies between them.
    pub elapsed_ms: u64,
    /// How long jobs took that were done in between, on average; absent = none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_complete_ms: Option<u64>,
    /// Every number of both.
    pub figures: Vec<FigureView>,
}

/// One of two snapshots.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotMark {
    /// Its id.
    pub snapshot_id: SnapshotId,
    /// What the moment is called.
    pub stage: Stage,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// One number of two snapshots.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FigureView {
    /// Where it stands in the content, such as `jobs.completed`. `threads.opened` and `wakes.requested` are sums, and
    /// `ledger.entries` is `ledger_size`.
    pub figure: String,
    /// Whether it counts what happened and only grows. Others are as they are at a moment.
    pub is_total: bool,
    /// In the earlier one.
    pub from: i64,
    /// In the later one.
    pub to: i64,
    /// By so much it grew; below 0 where it became less.
    pub grew: i64,
    /// The same in a minute, of a total; absent where no time lies between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<f64>,
}
