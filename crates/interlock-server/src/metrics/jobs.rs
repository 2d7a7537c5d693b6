//! The metrics of jobs: how many stand where, for how long the oldest has been due, and what became of them here.

use interlock_core::Timestamp;
use interlock_core::job::{JOB_MS_BOUNDS, JobState, JobTotals};
use interlock_engine::read::JobCounts;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// As of now.
pub(super) fn registry(tally: JobTotals, counts: Option<&JobCounts>, now: Timestamp) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    if let Some(counts) = counts {
        depth(&mut registry, counts, now);
    }
    for (name, help, count) in [
        ("jobs_accepted", "Jobs asked for through this server", tally.accepted),
        ("jobs_claimed", "Claims of jobs by workers of this server", tally.claimed),
        ("jobs_retried", "Failed attempts of jobs that another attempt follows", tally.retried),
        ("jobs_put_off", "Claims of jobs given back untried: it was not their time yet", tally.put_off),
        ("jobs_completed", "Jobs done", tally.completed),
        ("jobs_dead", "Jobs that failed too often", tally.died),
        ("jobs_requeued", "Dead jobs that a person let try again", tally.requeued),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    registry.register("job_duration_seconds", "From asking for a job to its being done", Durations(tally));
    registry
}

fn depth(registry: &mut Registry, counts: &JobCounts, now: Timestamp) {
    let jobs = Family::<State, Gauge>::default();
    for state in [JobState::Queued, JobState::Running, JobState::Dead] {
        let count = counts.states.get(&state).copied().unwrap_or(0);
        let gauge = jobs.get_or_create(&State { state: state.as_str() });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("jobs", "Jobs that wait, are worked on, or are dead", jobs);
    let due_ms = counts.first_due_at.map_or(0, |at| now.ms_since(at));
    registry.register(
        "job_oldest_due_seconds",
        "For how long the oldest job that waits has been due",
        ConstGauge::new(seconds(u64::try_from(due_ms).unwrap_or(0))),
    );
}

/// Counted by the engine, in milliseconds.
#[derive(Debug)]
struct Durations(JobTotals);

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = JOB_MS_BOUNDS.iter().map(|ms| seconds(*ms)).chain(std::iter::once(f64::INFINITY));
        let buckets: Vec<(f64, u64)> = bounds.zip(self.0.within.iter().copied()).collect();
        let count = self.0.within.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(self.0.taken_ms), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds within the next 285,000 years")]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
