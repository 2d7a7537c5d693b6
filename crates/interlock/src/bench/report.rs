//! What a bench found, in the shape of `bench/1`, and the rules of its verdicts.

use interlock_api::Problem;
use interlock_core::Reason;
use serde::Serialize;

use super::machine::Machine;
use super::stats::{self, Spread};
use crate::exit::INTERRUPTED;

/// The load above which figures say more about the neighbours than about us.
const LOAD_MAX: f64 = 2.5;
/// How far the anchor may vary before a comparison with it means nothing.
const ANCHOR_VARIATION_MAX: f64 = 2.0;

/// Everything a bench says.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    bench: &'static str,
    pub(crate) problem: Option<Problem>,
    build: String,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    /// Which store is measured, and why its figures are in doubt.
    #[serde(skip)]
    pub(crate) store: &'static str,
    #[serde(skip)]
    pub(crate) store_doubt: Option<String>,
}

/// One goal and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    store: &'static str,
    pub(crate) clients: u32,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) anchor: Option<f64>,
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Goal,
    pub(crate) met: Option<bool>,
    pub(crate) why: String,
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Goal {
    pub(crate) of: &'static str,
    pub(crate) op: &'static str,
    pub(crate) limit: f64,
}

impl Goal {
    /// A ratio to the anchor that must be reached.
    pub(crate) const fn ratio(limit: f64) -> Self {
        Self { of: "ratio", op: ">=", limit }
    }

    /// A ratio to the anchor that must not be exceeded.
    pub(crate) const fn ratio_at_most(limit: f64) -> Self {
        Self { of: "ratio", op: "<=", limit }
    }

    /// A value that must be reached.
    pub(crate) const fn at_least(limit: f64) -> Self {
        Self { of: "value", op: ">=", limit }
    }

    /// A value that must stay below.
    pub(crate) const fn below(limit: f64) -> Self {
        Self { of: "value", op: "<", limit }
    }

    /// A value that must not be exceeded.
    pub(crate) const fn at_most(limit: f64) -> Self {
        Self { of: "value", op: "<=", limit }
    }

    /// A 95th percentile that must not be exceeded.
    pub(crate) const fn p95_at_most(limit: f64) -> Self {
        Self { of: "p95", op: "<=", limit }
    }

    /// A 95th percentile that must stay below.
    pub(crate) const fn p95_below(limit: f64) -> Self {
        Self { of: "p95", op: "<", limit }
    }

    /// A median that must stay below.
    pub(crate) const fn p50_below(limit: f64) -> Self {
        Self { of: "p50", op: "<", limit }
    }

    fn is_met(self, figure: f64) -> bool {
        match self.op {
            "<" => figure < self.limit,
            "<=" => figure <= self.limit,
            _ => figure >= self.limit,
        }
    }
}

/// A figure of its own, with everything that is said of it.
#[derive(Debug)]
pub(crate) struct Figure {
    case: &'static str,
    clients: u32,
    unit: &'static str,
    value: f64,
    spread: Spread,
    anchor: Option<f64>,
    goal: Goal,
    /// Whether it depends on how fast the machine is, so that it is not judged on one that is in doubt.
    is_of_speed: bool,
    why: String,
}

impl Figure {
    /// One that depends on the machine.
    pub(crate) const fn of(
        case: &'static str,
        clients: u32,
        unit: &'static str,
        value: f64,
        spread: Spread,
        goal: Goal,
        why: String,
    ) -> Self {
        Self { case, clients, unit, value, spread, anchor: None, goal, is_of_speed: true, why }
    }

    /// A share that must hold on every machine.
    pub(crate) fn sure(case: &'static str, clients: u32, value: f64, goal: Goal, why: String) -> Self {
        Self { is_of_speed: false, ..Self::of(case, clients, "ratio", value, Spread::default(), goal, why) }
    }

    /// The same, compared with another value.
    pub(crate) fn beside(self, anchor: f64) -> Self {
        Self { anchor: Some(anchor), ..self }
    }

    /// The same with how long each of what it is a share of took, in milliseconds.
    pub(crate) fn spread(self, spread: Spread) -> Self {
        Self { spread, ..self }
    }

    fn ratio(&self) -> Option<f64> {
        self.anchor.map(|anchor| self.value / anchor)
    }

    /// Whether it reaches its goal.
    pub(crate) fn is_met(&self) -> bool {
        self.goal.is_met(match self.goal.of {
            "ratio" => self.ratio().unwrap_or(f64::NAN),
            "p95" => self.spread.p95,
            _ => self.value,
        })
    }
}

/// One run of ours and of the anchor, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) anchor: f64,
    pub(crate) ours: f64,
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn begin(bench: &'static str, machine: Machine) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let build = format!("{} {profile}", env!("CARGO_PKG_VERSION"));
        Self {
            schema: "bench/1",
            bench,
            problem: None,
            build,
            machine,
            rows: Vec::new(),
            store: "sqlite",
            store_doubt: None,
        }
    }

    /// A rate beside its anchor's; `spread` is of our answers' durations in milliseconds.
    pub(crate) fn rate(
        &mut self,
        case: &'static str,
        clients: u32,
        pairs: &[Pair],
        spread: Spread,
        limit: f64,
    ) {
        let of = |figure: fn(&Pair) -> f64| stats::median(pairs.iter().map(figure).collect());
        let ratio = of(|pair| pair.ours / pair.anchor);
        let goal = Goal::ratio(limit);
        let doubt = self.doubt().or_else(|| variation(pairs));
        self.rows.push(Row {
            case,
            store: self.store,
            clients,
            unit: "per_s",
            value: of(|pair| pair.ours).round(),
            p50: spread.p50,
            p95: spread.p95,
            p99: spread.p99,
            anchor: Some(of(|pair| pair.anchor).round()),
            ratio: Some(stats::rounded(ratio)),
            goal,
            met: doubt.is_none().then(|| goal.is_met(ratio)),
            why: doubt.unwrap_or_else(|| range(pairs)),
        });
    }

    /// How many times as long as the anchor something takes, both in milliseconds.
    pub(crate) fn times(&mut self, case: &'static str, pairs: &[Pair], spread: Spread, limit: f64) {
        let of = |figure: fn(&Pair) -> f64| stats::median(pairs.iter().map(figure).collect());
        let ratio = of(|pair| pair.ours / pair.anchor);
        let goal = Goal::ratio_at_most(limit);
        let doubt = self.doubt().or_else(|| variation(pairs));
        self.rows.push(Row {
            case,
            store: self.store,
            clients: 1,
            unit: "ms",
            value: stats::rounded(of(|pair| pair.ours)),
            p50: spread.p50,
            p95: spread.p95,
            p99: spread.p99,
            anchor: Some(stats::rounded(of(|pair| pair.anchor))),
            ratio: Some(stats::rounded(ratio)),
            goal,
            met: doubt.is_none().then(|| goal.is_met(ratio)),
            why: doubt.unwrap_or_else(|| range(pairs)),
        });
    }

    /// So many per second with so many clients, for which there is no anchor.
    pub(crate) fn per_second(
        &mut self,
        case: &'static str,
        clients: u32,
        values: Vec<f64>,
        spread: Spread,
        limit: f64,
    ) {
        self.figure(case, "per_s", values, Goal::at_least(limit));
        if let Some(row) = self.rows.last_mut() {
            (row.clients, row.value) = (clients, row.value.round());
            (row.p50, row.p95, row.p99) = (spread.p50, spread.p95, spread.p99);
        }
    }

    /// One more figure.
    pub(crate) fn add(&mut self, figure: Figure) {
        let doubt = self.doubt().filter(|_| figure.is_of_speed);
        self.rows.push(Row {
            case: figure.case,
            store: self.store,
            clients: figure.clients,
            unit: figure.unit,
            value: stats::rounded(figure.value),
            p50: figure.spread.p50,
            p95: figure.spread.p95,
            p99: figure.spread.p99,
            anchor: figure.anchor.map(stats::rounded),
            ratio: figure.ratio().filter(|ratio| ratio.is_finite()).map(stats::rounded),
            goal: figure.goal,
            met: doubt.is_none().then(|| figure.is_met()),
            why: match doubt {
                Some(doubt) => format!("{doubt}; {}", figure.why),
                None => figure.why,
            },
        });
    }

    /// A value of its own, measured a few times.
    pub(crate) fn value(&mut self, case: &'static str, unit: &'static str, values: Vec<f64>, limit: f64) {
        self.figure(case, unit, values, Goal::below(limit));
    }

    /// Durations in milliseconds of which the 95th percentile counts.
    pub(crate) fn durations(&mut self, case: &'static str, took_ms: Vec<f64>, limit: f64) {
        self.figure(case, "ms", took_ms, Goal::p95_below(limit));
    }

    /// The same of which the median counts.
    pub(crate) fn middles(&mut self, case: &'static str, took_ms: Vec<f64>, limit: f64) {
        self.figure(case, "ms", took_ms, Goal::p50_below(limit));
    }

    /// What ours takes beyond the anchor, both in milliseconds.
    pub(crate) fn overhead(&mut self, case: &'static str, pairs: &[Pair], limit: f64) {
        self.figure(
            case,
            "ms",
            pairs.iter().map(|pair| pair.ours - pair.anchor).collect(),
            Goal::below(limit),
        );
        if let Some(row) = self.rows.last_mut() {
            row.anchor = Some(stats::rounded(stats::median(pairs.iter().map(|pair| pair.anchor).collect())));
        }
    }

    fn figure(&mut self, case: &'static str, unit: &'static str, values: Vec<f64>, goal: Goal) {
        let doubt = self.doubt();
        let value = stats::median(values.clone());
        let spread = Spread::of(values);
        let judged = match goal.of {
            "p95" => spread.p95,
            "p50" => spread.p50,
            _ => value,
        };
        self.rows.push(Row {
            case,
            store: self.store,
            clients: 0,
            unit,
            value: stats::rounded(value),
            p50: spread.p50,
            p95: spread.p95,
            p99: spread.p99,
            anchor: None,
            ratio: None,
            goal,
            met: doubt.is_none().then(|| goal.is_met(judged)),
            why: doubt.unwrap_or_default(),
        });
    }

    /// Why no figure of this run can be judged.
    fn doubt(&self) -> Option<String> {
        let load = self.machine.load_before;
        if cfg!(debug_assertions) {
            Some("a debug build says nothing about speed or size".into())
        } else if load > LOAD_MAX {
            Some(format!("the load was {load:.2} before the start, above {LOAD_MAX}"))
        } else if self.machine.is_volatile() {
            Some("the folder is in memory, where a sync costs nothing; name one on a disk with --dir".into())
        } else {
            self.store_doubt.clone()
        }
    }

    /// The exit code: the problem's own; with `strict` also 1 for a goal missed, 4 for one that was not judged.
    pub(crate) fn exit_code(&self, strict: bool) -> u8 {
        let is = |verdict: Option<bool>| self.rows.iter().any(|row| row.met == verdict);
        match &self.problem {
            Some(problem) if problem.known_reason() == Some(Reason::Interrupted) => INTERRUPTED,
            Some(problem) => problem.code.exit_code(),
            None if strict && is(Some(false)) => 1,
            None if strict && is(None) => 4,
            None => 0,
        }
    }
}

fn variation(pairs: &[Pair]) -> Option<String> {
    let (least, most) = stats::bounds(pairs.iter().map(|pair| pair.anchor));
    (most > least * ANCHOR_VARIATION_MAX)
        .then(|| format!("the anchor went from {least:.3} to {most:.3}, more than twofold"))
}

fn range(pairs: &[Pair]) -> String {
    let (least, most) = stats::bounds(pairs.iter().map(|pair| pair.ours / pair.anchor));
    format!("{} pairs, ratios {least:.3} to {most:.3}", pairs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(anchors: [f64; 2]) -> Vec<Pair> {
        anchors.map(|anchor| Pair { anchor, ours: 100.0 }).to_vec()
    }

    #[test]
    fn an_anchor_that_jumps_gives_no_verdict() {
        assert_eq!(variation(&pairs([100.0, 199.0])), None);
        assert!(variation(&pairs([100.0, 201.0])).is_some_and(|why| why.contains("twofold")));
    }

    #[test]
    fn goals_hold_at_their_limit_as_they_say() {
        assert!(Goal::ratio(0.3).is_met(0.3));
        assert!(!Goal::below(40.0).is_met(40.0));
    }

    #[test]
    fn strict_tells_missed_from_not_judged() {
        let mut report = Report::begin("messaging", Machine::default());
        report.rate("post", 1, &pairs([100.0, 100.0]), Spread::default(), 0.4);
        let code_of = |report: &mut Report, met| {
            report.rows.iter_mut().for_each(|row| row.met = met);
            [report.exit_code(false), report.exit_code(true)]
        };
        assert_eq!(code_of(&mut report, Some(true)), [0, 0]);
        assert_eq!(code_of(&mut report, Some(false)), [0, 1]);
        assert_eq!(code_of(&mut report, None), [0, 4]);
    }
}
