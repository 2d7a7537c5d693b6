//! Whole days of a team in moments: agents with characters, people, supervisors that crash and lose their line, and
//! storms of messages, on the virtual clock. A seed gives one run; a run that fails names its seed.
//!
//! What must hold in each run: nobody runs twice at once, nobody is woken for nothing or not at all, guards hold, and
//! when everybody has become calm each thread is quiescent, ended, or blocked with somebody who has to act
//! (see `check`). `World::run` checks the rows' invariants after each command besides.

mod agenda;
mod cast;
mod check;
pub(crate) mod dice;
mod people;
mod run;
mod supervisor;

use run::Simulation;

/// Runs of each test here; they share the work so that a machine's cores do.
const RUNS: u64 = 500;

/// Run the seeds `from` and following, or only the one that `INTERLOCK_SIMULATION_SEED` names.
fn days(from: u64) {
    let only = std::env::var("INTERLOCK_SIMULATION_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(from..from + RUNS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| Simulation::new(seed).run());
        assert!(ran.is_ok(), "the run with seed {seed} went wrong: see above");
    }
}

#[test]
fn any_day_ends_quiescent_or_blocked_with_an_owner() {
    days(0);
}

#[test]
fn any_other_day_ends_so_too() {
    days(1_000_000);
}

#[test]
fn and_days_of_the_third_series() {
    days(2_000_000);
}

#[test]
fn and_days_of_the_fourth_series() {
    days(3_000_000);
}

/// Otherwise a run that fails could not be looked at again.
#[test]
fn a_seed_gives_the_same_day_again() {
    for seed in 7..12 {
        let (mut one, mut two) = (Simulation::new(seed), Simulation::new(seed));
        one.run();
        two.run();
        assert_eq!(one.world.entries, two.world.entries);
        assert_eq!(one.world.rows, two.world.rows);
    }
}

/// Days on which nothing happens prove nothing: all that a day is about comes to pass in a few of them.
#[test]
fn in_these_days_everything_happens() {
    let mut kinds = std::collections::BTreeSet::new();
    let mut results = std::collections::BTreeSet::new();
    let mut reasons = std::collections::BTreeSet::new();
    let mut put_off = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let mut day = Simulation::new(seed);
        day.run();
        for event in day.world.entries.iter().flatten() {
            kinds.insert(crate::world::kind(event));
            match event {
                interlock_core::Event::WakeFinished { result, .. } => drop(results.insert(*result)),
                interlock_core::Event::StatusChanged { reason, .. } => drop(reasons.insert(*reason)),
                interlock_core::Event::WakeDeferred { reason, .. } => drop(put_off.insert(*reason)),
                _ => {}
            }
        }
    }
    for kind in check::HAPPENS {
        assert!(kinds.contains(*kind), "{kind} never happens: {kinds:?}");
    }
    for result in check::ENDS {
        assert!(results.contains(result), "no wake ends as {result}: {results:?}");
    }
    for reason in check::BLOCKS {
        assert!(reasons.contains(reason), "no thread is blocked by {reason}: {reasons:?}");
    }
    for reason in check::PUTS_OFF {
        assert!(put_off.contains(reason), "no wake is put off for {reason}: {put_off:?}");
    }
}
