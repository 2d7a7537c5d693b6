//! Agents: who they are and how they are started.

mod decide;
mod evolve;
mod model;

pub(crate) use decide::register;
pub(crate) use evolve::evolve;
pub use model::{Agent, Launch, LaunchVariable, Runtime, Sandbox};
