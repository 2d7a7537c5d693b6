//! Sessions of agents as they were observed: who sits at which keyboard, and when that was last heard of.
//!
//! Rows of this module are operational: many, of little worth tomorrow, and outside the ledger. What they lead to is
//! inside: a wake that waits for a person, or was handed over to the person's own session.

mod decide;
mod model;

pub(crate) use decide::{heartbeat, keys, more_keys, observe, told_keys};
pub use model::{Activity, Observed, Place, Session, SessionKey};
