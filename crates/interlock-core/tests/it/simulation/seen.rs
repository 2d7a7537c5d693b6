//! What comes to pass in these days: a day on which nothing happens proves nothing.

use std::collections::BTreeSet;

use interlock_core::guard::DEFERRALS;
use interlock_core::wake::{Door, WakeResult};
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
}

impl Seen {
    /// What came to pass on this day.
    pub(super) fn note(&mut self, day: &Simulation) {
        for event in day.world.entries.iter().flatten() {
            self.kinds.insert(crate::world::kind(event));
            match event {
                Event::WakeFinished { result, .. } => drop(self.results.insert(*result)),
                Event::StatusChanged { reason, .. } => drop(self.reasons.insert(*reason)),
                Event::WakeDeferred { reason, .. } => drop(self.put_off.insert(*reason)),
                Event::WakeDispatched { door: Some(door), .. } => drop(self.doors.insert(*door)),
                Event::WakeReleased { is_in_doubt, .. } => self.is_doubted |= *is_in_doubt,
                _ => {}
            }
        }
    }

    /// Everything that there is did.
    pub(super) fn is_complete(&self) {
        let kinds: Vec<_> = HAPPENS.iter().filter(|kind| !self.kinds.contains(**kind)).collect();
        assert!(kinds.is_empty(), "{kinds:?} never happen, only {:?}", self.kinds);
        let results: Vec<_> = WakeResult::ALL.iter().filter(|one| !self.results.contains(one)).collect();
        assert!(results.is_empty(), "no wake ends as {results:?}");
        let reasons: Vec<_> = BLOCKS.iter().filter(|one| !self.reasons.contains(one)).collect();
        assert!(reasons.is_empty(), "no thread is blocked by {reasons:?}");
        // That a turn which runs takes in what cannot wait is rare in days like these: `urgent` has it.
        let expected = DEFERRALS.iter().filter(|one| **one != Reason::ToldInTurn);
        let put_off: Vec<_> = expected.filter(|one| !self.put_off.contains(one)).collect();
        assert!(put_off.is_empty(), "no wake is put off for {put_off:?}");
        let doors: Vec<_> = Door::ALL.iter().filter(|one| !self.doors.contains(one)).collect();
        assert!(doors.is_empty(), "nobody goes through {doors:?}");
        assert!(self.is_doubted, "no attempt is in doubt");
    }
}
