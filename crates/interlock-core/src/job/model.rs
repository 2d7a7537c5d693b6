//! What a job is.

use crate::actor::{AgentName, closed_set};
use crate::id::JobId;
use crate::text::fingerprint;
use crate::time::Timestamp;

closed_set! {
    /// Where a job stands.
    JobState {
        /// It waits for its time, or for a worker.
        Queued = "queued",
        /// A worker holds it.
        Running = "running",
        /// It was done.
        Completed = "completed",
        /// It failed too often; a person may let it try again.
        Dead = "dead",
    }
}

impl JobState {
    /// Whether nothing more comes of it by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Dead)
    }
}

/// How often and when a job is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RetryPolicy {
    /// The pause after the first failure; doubles with each further one.
    pub base_ms: i64,
    /// The longest pause.
    pub cap_ms: i64,
    /// Attempts in all; after so many the job is dead.
    pub attempts_max: u32,
}

impl RetryPolicy {
    /// The pause after so many attempts: half of it sure, half of it by chance, so that what failed together does not
    /// come back together.
    pub fn pause_ms(&self, attempts: u32, entropy: &[u8; 32], job_id: JobId) -> i64 {
        let doublings = attempts.saturating_sub(1).min(40);
        let full = self.base_ms.max(0).saturating_mul(1_i64 << doublings).min(self.cap_ms.max(0));
        let half = full / 2;
        let chance = fingerprint("interlock job pause 1", &[entropy, &job_id.to_bytes()]);
        let chance = chance.as_bytes().iter().take(7).fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
        half.saturating_add(chance.checked_rem(full.saturating_sub(half).saturating_add(1)).unwrap_or(0))
    }
}

/// Who holds a job, and until when.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobLease {
    /// The worker.
    pub worker: String,
    /// From then on somebody else may take it.
    pub until: Timestamp,
}

/// A job as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What kind of work, in one word.
    pub kind: String,
    /// What it is about, such as an id: people see it. While a job of this kind and name is not over, no second one is
    /// made.
    pub name: Option<String>,
    /// What the work needs to know: ids by which it looks up the rest. It stays where it is and is shown to nobody, and
    /// secrets have no place in it all the same.
    pub payload: serde_json::Value,
    /// Not before; absent = at once.
    pub run_at: Option<Timestamp>,
    /// How often it is tried.
    pub policy: RetryPolicy,
}

/// A job.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Job {
    /// Its id.
    pub job_id: JobId,
    /// What kind of work.
    pub kind: String,
    /// See [`NewJob::name`].
    pub name: Option<String>,
    /// What the work needs to know.
    pub payload: serde_json::Value,
    /// How often it is tried.
    pub policy: RetryPolicy,
    /// Where it stands.
    pub state: JobState,
    /// Not before this, while it waits.
    pub run_at: Timestamp,
    /// Claims since it was enqueued, or requeued.
    pub attempts: u32,
    /// Grows with every claim; what a holder says with an old one is refused.
    pub fence: u64,
    /// Who holds it.
    pub lease: Option<JobLease>,
    /// Why its last attempt failed, in words.
    pub error: Option<String>,
    /// When it was asked for.
    pub enqueued_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// The W3C `traceparent` of the request that asked for it, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// How often a person let it try again.
    #[serde(default)]
    pub requeues: u32,
    /// Who did so last, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<Requeued>,
}

/// That a person let a dead job try again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Requeued {
    /// Who.
    pub by: AgentName,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub text: String,
    /// What the ledger's digest of the words is salted with.
    pub salt: [u8; 16],
}

impl Job {
    /// When something is to be done about it: run, taken from a worker that went silent, or forgotten. Never forgotten is
    /// what a person had to do with: the reason given then stands in the job.
    pub fn due_at(&self) -> Timestamp {
        match (self.state, &self.lease, self.finished_at) {
            (JobState::Running, Some(lease), _) => lease.until,
            (JobState::Completed, _, _) if self.requeues > 0 => Timestamp::from_millis(i64::MAX),
            (JobState::Completed | JobState::Dead, _, Some(at)) => at,
            _ => self.run_at,
        }
    }
}
