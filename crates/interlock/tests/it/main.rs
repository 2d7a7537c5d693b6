//! The built binary, as people and programs use it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod bench;
mod commands;
mod doctor;
mod fuzz;
mod instance;
mod ledger;
mod no_server;
mod readme;
mod stub;
mod tail;
mod usage;
mod world;
