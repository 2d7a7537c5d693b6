//! The agents' work on real repositories, with real compilers: one binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod orphan;
mod place;
mod repair;
mod sample;
