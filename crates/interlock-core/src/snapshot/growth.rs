//! What changed between two snapshots.

use super::Content;
use super::content::whole;
use crate::wake::WakeState;

/// One number of two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Where it stands in the content, such as `jobs.completed`; sums that stand in none are named alike.
    pub figure: String,
    /// Whether it counts what happened and only grows, so that a rate says something; others are as they are at a moment.
    pub is_total: bool,
    /// In the earlier one.
    pub from: i64,
    /// In the later one.
    pub to: i64,
}

impl Growth {
    /// By so much it grew; below 0 where it became less.
    pub const fn grew(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// The same in a minute, with three digits behind the point, of a total; nothing where no time lies between.
    #[expect(clippy::cast_precision_loss, reason = "counts and times far below what a double holds")]
    pub fn per_minute(&self, elapsed_ms: u64) -> Option<f64> {
        let rate = |elapsed_ms: u64| self.grew() as f64 * 60_000.0 / elapsed_ms as f64;
        (self.is_total && elapsed_ms > 0).then(|| (rate(elapsed_ms) * 1_000.0).round() / 1_000.0)
    }
}

/// Every number of both, in the same order for all snapshots.
pub fn grown(earlier: &Content, later: &Content) -> Vec<Growth> {
    let before = figures(earlier);
    let after = figures(later);
    let former =
        |name: &str| before.iter().find(|(figure, ..)| figure == name).map_or(0, |(.., value)| *value);
    let mut all: Vec<Growth> = after
        .iter()
        .map(|(figure, is_total, to)| Growth {
            figure: figure.clone(),
            is_total: *is_total,
            from: former(figure),
            to: *to,
        })
        .collect();
    // A name that only the earlier one has: there is nothing of it any more.
    let gone = before.iter().filter(|(figure, ..)| after.iter().all(|(other, ..)| other != figure));
    all.extend(gone.map(|(figure, is_total, from)| Growth {
        figure: figure.clone(),
        is_total: *is_total,
        from: *from,
        to: 0,
    }));
    all
}

fn figures(content: &Content) -> Vec<(String, bool, i64)> {
    let jobs = &content.jobs;
    let totals = [
        ("ledger.entries", content.ledger_size),
        ("messages", content.messages),
        ("jobs.accepted", jobs.accepted),
        ("jobs.claimed", jobs.claimed),
        ("jobs.completed", jobs.completed),
        ("jobs.retried", jobs.retried),
        ("jobs.put_off", jobs.put_off),
        ("jobs.died", jobs.died),
        ("jobs.requeued", jobs.requeued),
        ("wakes.requested", content.wakes.values().copied().fold(0, u64::saturating_add)),
        ("threads.opened", content.threads.values().copied().fold(0, u64::saturating_add)),
    ];
    let standing = [
        ("jobs.waiting", whole(jobs.waiting)),
        ("jobs.running", whole(jobs.running)),
        ("jobs.dead", whole(jobs.dead)),
        ("jobs.lost", jobs.lost),
        ("jobs.oldest_due_ms", whole(jobs.oldest_due_ms)),
    ];
    let is_over = |name: &str| WakeState::parse(name).is_none();
    let mut all: Vec<_> =
        totals.into_iter().map(|(figure, count)| (figure.into(), true, whole(count))).collect();
    all.extend(standing.map(|(figure, value)| (figure.into(), false, value)));
    all.extend(content.wakes.iter().map(|(name, n)| (format!("wakes.{name}"), is_over(name), whole(*n))));
    all.extend(content.threads.iter().map(|(name, n)| (format!("threads.{name}"), false, whole(*n))));
    all
}
