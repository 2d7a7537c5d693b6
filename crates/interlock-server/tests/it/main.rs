//! The whole surface over a real file: the table in tests of every row, bad input, and what clients live through.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod access;
mod ask;
mod coverage;
mod delivery;
mod denials;
mod doors;
mod events;
mod faults;
mod foreground;
mod fuzz;
mod health;
mod idempotency;
mod input;
mod jobs;
mod known_defects;
mod ledger;
mod mcp;
mod mcp_prompts;
mod mcp_sessions;
mod members;
mod orders;
mod payloads;
mod people;
mod rate;
mod receiver;
mod rpc;
mod searching;
mod sessions;
mod snapshots;
mod socket;
mod summaries;
mod threads;
mod urgent;
mod waiting;
mod wakes;
mod webhooks;
mod world;
