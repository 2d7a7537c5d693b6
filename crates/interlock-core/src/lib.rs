//! The rules of Interlock: pure functions from facts and a command to events.
//!
//! They stand alone so that every rule can be tested on a virtual clock, whole days in milliseconds,
//! and so that both databases, every surface and the simulator share one meaning.
//! Deliberately absent: clocks, randomness, files, sockets, the environment, threads.
//!
//! The way in: [`keys`] says what to load, [`more_keys`] what else, [`decide`] what happens,
//! [`evolve`] what the rows become. To add a command: a variant in `command.rs`, an arm in `decide.rs`,
//! the rule in its module's `decide.rs`, the event in `event.rs` with its arm in the module's `evolve.rs`.

pub mod actor;
pub mod agent;
pub mod command;
mod decide;
pub mod denial;
pub mod event;
mod evolve;
pub mod facts;
pub mod guard;
pub mod id;
pub mod job;
pub mod limits;
pub mod policy;
pub mod reason;
pub mod search;
pub mod session;
pub mod snapshot;
pub mod text;
pub mod thread;
pub mod time;
pub mod wake;
pub mod webhook;

pub use command::{Command, Envelope};
pub use decide::{Stop, decide, idempotency_digest, keys, more_keys};
pub use event::Event;
pub use evolve::evolve;
pub use facts::{Corrupt, Decision, Effect, Facts, Key, Keys, Position, Reply, RowChange};
pub use reason::{Code, Reason, Refusal};
pub use time::{Hybrid, Now, Timestamp};
