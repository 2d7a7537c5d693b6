//! What comes to pass in these days: a day on which nothing happens proves nothing.

use std::collections::BTreeSet;

use interlock_core::guard::DEFERRALS;
use interlock_core::session::Observed;
use interlock_core::wake::{Door, Evidence, WakeResult};
use interlock_core::{Event, Reason};

use super::run::Simulation;

/// Kinds of events that days are about.
const HAPPENS: &[&str] = &[
    "thread.owner_assigned",
    "thread.owner_reminded",
    "thread.message_posted",
    "session.bound",
    "session.released",
    "thread.created",
    "thread.message_withdrawn",
    "thread.participant_added",
    "thread.participant_removed",
    "thread.status_changed",
    "wake.accepted",
    "wake.acted",
    "wake.attempt_failed",
    "wake.cancel_requested",
    "wake.declined",
    "wake.deferred",
    "wake.dispatched",
    "wake.door_changed",
    "wake.finished",
    "wake.joined",
    "wake.overridden",
    "wake.released",
    "wake.requested",
    "wake.retry_requested",
    "wake.said",
    "wake.seen",
    "wake.used",
    "workspace.halted",
    "workspace.resumed",
];
/// Why threads are blocked.
const BLOCKS: &[Reason] = &[
    Reason::NoProgress,
    Reason::IdenticalFindings,
    Reason::RepeatedMessages,
    Reason::CausalLoop,
    Reason::BudgetSpent,
    Reason::WakeFailed,
    Reason::WakeInDoubt,
    Reason::Paused,
    Reason::ByRequest,
];

/// What came to pass.
#[derive(Default)]
pub(super) struct Seen {
    kinds: BTreeSet<String>,
    results: BTreeSet<WakeResult>,
    reasons: BTreeSet<Reason>,
    put_off: BTreeSet<Reason>,
    doors: BTreeSet<Door>,
    is_doubted: bool,
    /// What hooks told of whose answer was lost.
    unheard: BTreeSet<Observed>,
    evidences: BTreeSet<Evidence>,
    deadlines: usize,
    /// A day on which supervisors of servers whose clocks differ both began something.
    is_of_two_clocks: bool,
}

impl Seen {
    /// What came to pass on this day.
    pub(super) fn note(&mut self, day: &Simulation) {
        self.unheard.extend(&day.journal.unheard);
        self.deadlines += day.journal.deadlines;
        let mut began = BTreeSet::new();
        for event in day.world.entries.iter().flatten() {
            if let Event::WakeDispatched { supervisor, .. } = event {
                began.insert(supervisor);
            }
            self.kinds.insert(crate::world::kind(event));
            match event {
                Event::WakeFinished { result, .. } => drop(self.results.insert(*result)),
                Event::StatusChanged { reason, .. } => drop(self.reasons.insert(*reason)),
                Event::WakeDeferred { reason, .. } => drop(self.put_off.insert(*reason)),
                Event::WakeDispatched { door: Some(door), .. } => drop(self.doors.insert(*door)),
                Event::WakeReleased { is_in_doubt, .. } => self.is_doubted |= *is_in_doubt,
                Event::WakeAccepted { evidence, .. } => drop(self.evidences.insert(*evidence)),
                _ => {}
            }
        }
        self.is_of_two_clocks |= began.len() > 1 && day.errs_ms.iter().any(|ms| *ms != 0);
    }

    /// Everything that there is did.
    pub(super) fn is_complete(&self) {
        let kinds: Vec<_> = HAPPENS.iter().filter(|kind| !self.kinds.contains(**kind)).collect();
        assert!(kinds.is_empty(), "{kinds:?} never happen, only {:?}", self.kinds);
        let results: Vec<_> = WakeResult::ALL.iter().filter(|one| !self.results.contains(one)).collect();
        assert!(results.is_empty(), "no wake ends as {results:?}");
        let reasons: Vec<_> = BLOCKS.iter().filter(|one| !self.reasons.contains(one)).collect();
        assert!(reasons.is_empty(), "no thread is blocked by {reasons:?}");
        let put_off: Vec<_> = DEFERRALS.iter().filter(|one| !self.put_off.contains(one)).collect();
        assert!(put_off.is_empty(), "no wake is put off for {put_off:?}");
        let doors: Vec<_> = Door::ALL.iter().filter(|one| !self.doors.contains(one)).collect();
        assert!(doors.is_empty(), "nobody goes through {doors:?}");
        assert!(self.is_doubted, "no attempt is in doubt");
        let evidences: Vec<_> = Evidence::ALL.iter().filter(|one| !self.evidences.contains(one)).collect();
        assert!(evidences.is_empty(), "nothing is accepted by {evidences:?}");
        for observed in [Observed::HumanPrompt, Observed::TurnEnded] {
            assert!(self.unheard.contains(&observed), "no answer to a hook of {observed} is lost");
        }
        assert!(self.deadlines > 0, "no turn ends with its lease");
        assert!(self.is_of_two_clocks, "there are no two servers with clocks that differ");
    }
}
