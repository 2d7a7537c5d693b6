//! Whole days of a team in moments: agents with characters, people who interfere, supervisors that crash, sleep and lose
//! their line, turns that outlive them, clocks that are put forward and back, and storms of messages, on the virtual clock. A
//! seed gives one run; a run that fails names its seed, and with `INTERLOCK_SIMULATION_SEED` that day is told step by step.
//!
//! What must hold in each run: nobody runs twice at once, nobody is woken for nothing or not at all, no person is disturbed,
//! what a person ended ends, guards hold over all threads together, and when everybody has become calm each thread is
//! quiescent, ended, or blocked with somebody who has to act and knows (see `check`). It is measured from what the test
//! itself saw (`journal`). `World::run` checks the rows' invariants after each command besides.

mod agenda;
mod agents;
mod cast;
mod check;
mod day;
pub(crate) mod dice;
mod door;
mod journal;
mod people;
mod program;
mod run;
mod seen;
mod supervisor;

use run::Simulation;
use seen::Seen;

/// Runs of each test here; they share the work so that a machine's cores do.
const RUNS: u64 = 500;

/// Run the seeds `from` and following, or only the one that `INTERLOCK_SIMULATION_SEED` names.
fn days(from: u64) {
    let only = std::env::var("INTERLOCK_SIMULATION_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(from..from + RUNS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let day = || if only.is_some() { Simulation::told(seed) } else { Simulation::new(seed) };
        let ran = std::panic::catch_unwind(|| day().run());
        assert!(
            ran.is_ok(),
            "the day went wrong: see above, and with INTERLOCK_SIMULATION_SEED={seed} its steps"
        );
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
    let mut seen = Seen::default();
    for seed in 0..150 {
        let mut day = Simulation::new(seed);
        day.run();
        seen.note(&day);
    }
    seen.is_complete();
}
