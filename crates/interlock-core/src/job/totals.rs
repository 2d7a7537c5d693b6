//! What became of a workspace's jobs since they are counted: totals that stay when the jobs themselves are forgotten.

use super::{Job, JobState};
use crate::time::Timestamp;

/// Upper bounds, in milliseconds, of how long jobs took from being asked for to being done.
pub const JOB_MS_BOUNDS: [u64; 12] =
    [5, 20, 100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 1_800_000, 14_400_000, 86_400_000];

/// One thing that became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStep {
    /// It was asked for.
    Accepted,
    /// A worker took it.
    Claimed,
    /// An attempt failed, and another follows.
    Retried,
    /// Its worker gave it back untried: it is not its time yet.
    PutOff,
    /// It was done, so many milliseconds after it was asked for.
    Completed(u64),
    /// It failed too often.
    Died,
    /// A person let it try again.
    Requeued,
}

/// What a change of a job's row means.
pub fn steps(before: Option<&Job>, after: &Job) -> impl Iterator<Item = JobStep> {
    use JobState::{Completed, Dead, Queued, Running};
    let (fence, attempts) = before.map_or((0, 0), |job| (job.fence, job.attempts));
    let (first, second) = match (before.map(|job| job.state), after.state) {
        (None, _) => (Some(JobStep::Accepted), None),
        (Some(Running), Queued) if after.attempts < attempts => (Some(JobStep::PutOff), None),
        (Some(Running), Queued) => (Some(JobStep::Retried), None),
        // Its worker went silent, and the next one took it at once.
        (Some(Running), Running) if after.fence > fence => (Some(JobStep::Retried), Some(JobStep::Claimed)),
        (Some(Queued), Running) => (Some(JobStep::Claimed), None),
        (Some(Dead), Queued) => (Some(JobStep::Requeued), None),
        (Some(state), Completed) if state != Completed => (Some(JobStep::Completed(taken_ms(after))), None),
        (Some(state), Dead) if state != Dead => (Some(JobStep::Died), None),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

fn taken_ms(job: &Job) -> u64 {
    let took = job.finished_at.map_or(0, |at| at.ms_since(job.enqueued_at));
    u64::try_from(took).unwrap_or(0)
}

/// What became of jobs, counted. Each total only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct JobTotals {
    /// Since when it is counted; absent = from the beginning. Of what was there and not done by then everything counts as
    /// accepted, what was held as claimed, and what was dead as claimed and died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_since: Option<Timestamp>,
    /// Jobs asked for.
    pub accepted: u64,
    /// Claims by workers.
    pub claimed: u64,
    /// Failed attempts that another follows.
    pub retried: u64,
    /// Claims given back untried, because it was not the job's time yet.
    pub put_off: u64,
    /// Jobs done.
    pub completed: u64,
    /// Jobs that failed too often; one that was requeued may do so again.
    pub died: u64,
    /// Dead jobs that a person let try again.
    pub requeued: u64,
    /// Milliseconds from asking to the end, of all jobs done together.
    pub taken_ms: u64,
    /// How many of these are within each of [`JOB_MS_BOUNDS`] and beyond the bound before; and those beyond the last.
    pub within: [u64; JOB_MS_BOUNDS.len() + 1],
}

impl JobTotals {
    /// One more.
    pub fn add(&mut self, step: JobStep) {
        let total = match step {
            JobStep::Accepted => &mut self.accepted,
            JobStep::Claimed => &mut self.claimed,
            JobStep::Retried => &mut self.retried,
            JobStep::PutOff => &mut self.put_off,
            JobStep::Died => &mut self.died,
            JobStep::Requeued => &mut self.requeued,
            JobStep::Completed(ms) => {
                let place = JOB_MS_BOUNDS.partition_point(|bound| *bound < ms);
                if let Some(within) = self.within.get_mut(place) {
                    *within = within.saturating_add(1);
                }
                self.taken_ms = self.taken_ms.saturating_add(ms);
                &mut self.completed
            }
        };
        *total = total.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_exactly_a_bound_is_within_it() {
        let mut totals = JobTotals::default();
        for ms in [0, 5, 6, 86_400_000, 86_400_001] {
            totals.add(JobStep::Completed(ms));
        }
        assert_eq!(totals.within, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((totals.completed, totals.taken_ms), (5, 172_800_012));
    }
}
