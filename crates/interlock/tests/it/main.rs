//! The built binary, as people and programs use it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod bad_input;
mod bench;
mod burst;
mod by_hand;
mod caller;
mod commands;
mod desk;
mod disk;
mod doctor;
mod fuzz;
mod hostile;
mod instance;
mod interrupt;
mod job;
mod kill;
mod ledger;
mod mcp;
mod no_server;
mod outcome;
mod pilot_repository;
mod pilot_sample;
mod postgres;
mod processes;
mod readme;
mod real_others;
mod real_pilot;
mod real_sessions;
mod real_wakes;
mod repository;
mod site;
mod stub;
mod tail;
mod torture;
mod usage;
mod wait;
mod world;
