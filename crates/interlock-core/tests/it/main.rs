//! The rules on a virtual clock: tables, properties and the events' shapes, in the domain's words (see `world`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod doors;
mod doubting;
mod escalating;
mod explaining;
mod golden;
mod guarding;
mod human;
mod idempotency;
mod intervening;
mod invariants;
mod jobs;
mod jobs_model;
mod known_defects;
mod last_words;
mod looping;
mod members;
mod opening;
mod orders;
mod placing;
mod posting;
mod random;
mod rows;
mod sessions;
mod simulation;
mod snapshots;
mod spending;
mod status;
mod supervising;
mod throttling;
mod unattended;
mod urgent;
mod values;
mod waking;
mod world;

use interlock_core::{Reason, Refusal};

/// The reason of a refusal.
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Reason {
    result.expect_err("this must be refused").reason
}
