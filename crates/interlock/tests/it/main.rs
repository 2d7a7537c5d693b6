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
mod codex_client;
mod commands;
mod denials;
mod desk;
mod disk;
mod doctor;
mod doctor_runtimes;
mod events;
mod fleet;
mod fuzz;
mod hooks;
mod hostile;
mod install;
mod instance;
mod interrupt;
mod job;
mod jobs;
mod kill;
mod known_defects;
mod ledger;
mod live_rig;
mod mcp;
mod no_server;
mod outcome;
mod people;
mod pilot_chaos;
mod pilot_repository;
mod pilot_sample;
mod policy;
mod postgres;
mod postgres_clock;
mod postgres_faults;
mod postgres_migrate;
mod postgres_nodes;
mod postgres_subscribers;
mod postgres_trouble;
mod processes;
mod readme;
mod real_hooks;
mod real_known;
mod real_live;
mod real_matrix;
mod real_others;
mod real_own;
mod real_pilot;
mod real_quota;
mod real_readme;
mod real_sandbox;
mod real_sessions;
mod real_terminal;
mod real_two;
mod real_wakes;
mod repository;
mod scripted;
mod site;
mod snapshots;
mod stub;
mod tail;
mod terminal;
mod torture;
mod usage;
mod wait;
mod webhooks;
mod world;
