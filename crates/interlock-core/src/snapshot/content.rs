//! What is in a snapshot. Its shape is frozen with its schema: whoever has the content can compute its digest for ever.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::Stage;
use crate::job::{JOB_MS_BOUNDS, JobState, JobTotals};
use crate::text::Digest;
use crate::thread::Status;
use crate::time::Timestamp;
use crate::wake::{WakeResult, WakeState};

/// The schema that is written.
const SCHEMA: &str = "snapshot/1";

/// What a store counts in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Entries of the ledger.
    pub ledger_size: u64,
    /// What became of jobs.
    pub totals: JobTotals,
    /// Jobs that are there, by state; completed ones, which are kept for a while only, need not be counted.
    pub jobs: BTreeMap<JobState, u64>,
    /// When the first of the jobs that wait was due, or will be.
    pub first_due_at: Option<Timestamp>,
    /// Messages of all threads, those that were taken back too.
    pub messages: u64,
    /// Threads by status.
    pub threads: BTreeMap<String, u64>,
    /// Wakes by state, those that are over by result.
    pub wakes: BTreeMap<String, u64>,
}

/// What a workspace has done by a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// `snapshot/1`.
    pub schema: String,
    /// What the moment is called.
    pub stage: Stage,
    /// When it was taken, by the clock of the store.
    pub taken_at: Timestamp,
    /// It counts what the first so many entries of the ledger made, and nothing of later ones.
    pub ledger_size: u64,
    /// The server's own work.
    pub jobs: Jobs,
    /// Messages posted in all threads since the workspace began, those that were taken back too.
    pub messages: u64,
    /// Threads by status.
    pub threads: BTreeMap<String, u64>,
    /// Wakes by state, and those that are over by result.
    pub wakes: BTreeMap<String, u64>,
}

/// Jobs in a snapshot. `accepted` is the sum of `completed`, `dead`, `waiting`, `running` and `lost`; `claimed` that of
/// `completed`, `retried`, `put_off`, `died` and `running`; `dead` is `died` less `requeued`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// Since when totals are counted; absent = from the beginning of the workspace. Of what was there and not done by then
    /// everything counts as accepted, what was held as claimed, and what was dead as claimed and died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_since: Option<Timestamp>,
    /// Total: jobs asked for.
    pub accepted: u64,
    /// Total: jobs done.
    pub completed: u64,
    /// Jobs that are dead now.
    pub dead: u64,
    /// Jobs that wait now, for their time or for a worker.
    pub waiting: u64,
    /// Jobs that a worker holds now.
    pub running: u64,
    /// Jobs that were accepted and of which nothing is known: never anything but 0, unless somebody changed the database.
    pub lost: i64,
    /// Total: claims by workers.
    pub claimed: u64,
    /// Total: failed attempts that another follows.
    pub retried: u64,
    /// Total: claims given back untried, because it was not the job's time yet.
    pub put_off: u64,
    /// Total: jobs that failed too often; one that was requeued may do so again.
    pub died: u64,
    /// Total: dead jobs that a person let try again.
    pub requeued: u64,
    /// For how long the oldest job that waits has been due; 0 = none is.
    pub oldest_due_ms: u64,
    /// How long jobs took.
    pub time_to_complete: TimeToComplete,
}

/// How long jobs took from being asked for to being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeToComplete {
    /// Jobs done.
    pub count: u64,
    /// Of all together.
    pub sum_ms: u64,
    /// How many took how long, the quickest first.
    pub buckets: Vec<Bucket>,
}

/// Jobs that took about as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// At most so long, and longer than the bucket before; absent = longer than all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_ms: Option<u64>,
    /// So many.
    pub count: u64,
}

impl Content {
    /// What was counted, as of now.
    pub(super) fn of(census: &Census, stage: Stage, now: Timestamp) -> Self {
        let named = |counts: &BTreeMap<String, u64>, name: &str| {
            (name.to_owned(), counts.get(name).copied().unwrap_or_default())
        };
        // What there is none of is counted too, so that two snapshots have the same lines.
        let open = WakeState::ALL.iter().filter(|state| **state != WakeState::Finished);
        let wakes =
            open.map(|state| state.as_str()).chain(WakeResult::ALL.iter().map(|result| result.as_str()));
        Self {
            schema: SCHEMA.into(),
            stage,
            taken_at: now,
            ledger_size: census.ledger_size,
            jobs: Jobs::of(census, now),
            messages: census.messages,
            threads: Status::ALL.iter().map(|status| named(&census.threads, status.as_str())).collect(),
            wakes: wakes.map(|name| named(&census.wakes, name)).collect(),
        }
    }

    /// The canonical JSON (RFC 8785): names sorted, no spaces. Names and texts are plain ASCII, and numbers whole and
    /// small enough, so that sorting is all that it needs.
    ///
    /// # Errors
    /// Never, but for what JSON cannot say.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_value(self).map(|value| value.to_string())
    }

    /// SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// As [`Content::canonical`].
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::from_bytes(sha2::Sha256::digest(self.canonical()?.as_bytes()).into()))
    }
}

impl Jobs {
    fn of(census: &Census, now: Timestamp) -> Self {
        let Census { totals, jobs, first_due_at, .. } = census;
        let [waiting, running, dead] = [JobState::Queued, JobState::Running, JobState::Dead]
            .map(|state| jobs.get(&state).copied().unwrap_or_default());
        let known = [totals.completed, dead, waiting, running].into_iter().fold(0, u64::saturating_add);
        let due_ms = first_due_at.map_or(0, |due| now.ms_since(due));
        Self {
            counted_since: totals.counted_since,
            accepted: totals.accepted,
            completed: totals.completed,
            dead,
            waiting,
            running,
            lost: whole(totals.accepted).saturating_sub(whole(known)),
            claimed: totals.claimed,
            retried: totals.retried,
            put_off: totals.put_off,
            died: totals.died,
            requeued: totals.requeued,
            oldest_due_ms: u64::try_from(due_ms).unwrap_or_default(),
            time_to_complete: TimeToComplete::of(totals),
        }
    }
}

impl TimeToComplete {
    fn of(totals: &JobTotals) -> Self {
        let bounds = JOB_MS_BOUNDS.iter().copied().map(Some).chain([None]);
        let buckets = bounds.zip(totals.within).map(|(up_to_ms, count)| Bucket { up_to_ms, count }).collect();
        Self { count: totals.completed, sum_ms: totals.taken_ms, buckets }
    }
}

/// A count as a number that may be subtracted from.
pub(super) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
