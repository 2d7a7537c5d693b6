//! Agents: who they are and how they are started.

mod decide;
mod evolve;
mod label;
mod launch;
mod model;

pub(crate) use decide::register;
pub(crate) use evolve::evolve;
pub use label::{Label, LabelError};
pub use launch::check_launch;
pub use model::{Agent, Launch, LaunchVariable, Runtime, Sandbox};
