//! What became of jobs through this engine since it began: counters for metrics, added to after each commit.

use std::sync::atomic::{AtomicU64, Ordering};

use interlock_core::job::{Job, JobState};

/// Upper bounds, in milliseconds, of how long jobs took from being asked for to being done.
pub const JOB_MS_BOUNDS: [u64; 12] =
    [5, 20, 100, 500, 1_000, 5_000, 15_000, 60_000, 300_000, 1_800_000, 14_400_000, 86_400_000];

/// One thing that became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobStep {
    /// It was asked for.
    Accepted,
    /// A worker took it.
    Claimed,
    /// An attempt failed, and another follows.
    Retried,
    /// It was done, so many milliseconds after it was asked for.
    Completed(u64),
    /// It failed too often.
    Dead,
    /// A person let it try again.
    Requeued,
}

/// What a change of a job's row means.
pub(crate) fn steps(before: Option<&Job>, after: &Job) -> impl Iterator<Item = JobStep> {
    use JobState::{Completed, Dead, Queued, Running};
    let fence = before.map_or(0, |job| job.fence);
    let (first, second) = match (before.map(|job| job.state), after.state) {
        (None, _) => (Some(JobStep::Accepted), None),
        (Some(Running), Queued) => (Some(JobStep::Retried), None),
        // Its worker went silent, and the next one took it at once.
        (Some(Running), Running) if after.fence > fence => (Some(JobStep::Retried), Some(JobStep::Claimed)),
        (Some(Queued), Running) => (Some(JobStep::Claimed), None),
        (Some(Dead), Queued) => (Some(JobStep::Requeued), None),
        (Some(state), Completed) if state != Completed => (Some(JobStep::Completed(taken_ms(after))), None),
        (Some(state), Dead) if state != Dead => (Some(JobStep::Dead), None),
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

fn taken_ms(job: &Job) -> u64 {
    let took = job.finished_at.map_or(0, |at| at.ms_since(job.enqueued_at));
    u64::try_from(took).unwrap_or(0)
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: AtomicU64,
    claimed: AtomicU64,
    retried: AtomicU64,
    completed: AtomicU64,
    dead: AtomicU64,
    requeued: AtomicU64,
    taken_ms: AtomicU64,
    /// How many took at most so long, and longer than the bound before; the last holds those beyond every bound.
    within: [AtomicU64; JOB_MS_BOUNDS.len() + 1],
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobTally {
    /// Jobs asked for.
    pub accepted: u64,
    /// Claims by workers.
    pub claimed: u64,
    /// Failed attempts that another follows.
    pub retried: u64,
    /// Jobs done.
    pub completed: u64,
    /// Jobs that failed too often.
    pub dead: u64,
    /// Dead jobs that a person let try again.
    pub requeued: u64,
    /// Milliseconds from asking to the end, of all jobs done together.
    pub taken_ms: u64,
    /// How many of these are within each of [`JOB_MS_BOUNDS`] and beyond the bound before; and those beyond the last.
    pub within: Vec<u64>,
}

impl Tally {
    pub(crate) fn add(&self, step: JobStep) {
        let counter = match step {
            JobStep::Accepted => &self.accepted,
            JobStep::Claimed => &self.claimed,
            JobStep::Retried => &self.retried,
            JobStep::Dead => &self.dead,
            JobStep::Requeued => &self.requeued,
            JobStep::Completed(ms) => {
                let place = JOB_MS_BOUNDS.partition_point(|bound| *bound < ms);
                if let Some(within) = self.within.get(place) {
                    within.fetch_add(1, Ordering::Relaxed);
                }
                self.taken_ms.fetch_add(ms, Ordering::Relaxed);
                &self.completed
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> JobTally {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JobTally {
            accepted: of(&self.accepted),
            claimed: of(&self.claimed),
            retried: of(&self.retried),
            completed: of(&self.completed),
            dead: of(&self.dead),
            requeued: of(&self.requeued),
            taken_ms: of(&self.taken_ms),
            within: self.within.iter().map(of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_exactly_a_bound_is_within_it() {
        let tally = Tally::default();
        for ms in [0, 5, 6, 86_400_000, 86_400_001] {
            tally.add(JobStep::Completed(ms));
        }
        let JobTally { within, completed, taken_ms, .. } = tally.now();
        assert_eq!(within, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((completed, taken_ms), (5, 172_800_012));
    }
}
