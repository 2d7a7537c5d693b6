//! Jobs on the wire: where the server's own work stands. What a job was given to work with is not shown.

use interlock_core::actor::AgentName;
use interlock_core::id::JobId;
use interlock_core::job::JobState;
use interlock_core::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A job as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// Its id.
    pub job_id: JobId,
    /// What kind of work.
    pub kind: String,
    /// What it is about, where it says so: of a kind and name one job at most waits or is worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// Attempts since it was asked for, or requeued.
    pub attempts: u32,
    /// So many attempts in all; then it is dead.
    pub attempts_max: u32,
    /// While it waits: not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// The worker that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Until when, without a sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    /// Why its last attempt failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for.
    pub enqueued_at: Timestamp,
    /// When it was done, or dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The W3C `traceparent` of the request that asked for it, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// How often a person let it try again.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub requeues: u32,
    /// Who did so last, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<RequeuedView>,
}

/// That a person let a dead job try again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RequeuedView {
    /// Who.
    pub by: AgentName,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub text: String,
}

/// Parameters of `list_jobs`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListJobsParams {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What a former page gave as `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 200; 0 = 50.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::PAGE_ROWS_MAX))]
    pub limit: u32,
    /// How long to wait for the first job, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Answer of `list_jobs`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListJobsResponse {
    /// Newest first.
    pub jobs: Vec<JobView>,
    /// Pass it as `cursor` for the next page; absent = this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Parameters of `get_job`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetJobParams {
    /// The job.
    pub job_id: JobId,
    /// How long to wait for the job's end, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

/// Parameters of `requeue_job`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RequeueJobParams {
    /// The job.
    pub job_id: JobId,
    /// Why, in words, at most 2,000 bytes.
    pub text: String,
}
