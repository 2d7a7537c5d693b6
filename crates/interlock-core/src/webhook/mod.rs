//! Webhooks: who is told of events over HTTP, and how far each has been told.
//!
//! That a webhook is there, what it asks for and whether it is paused is history. How far it has been told is
//! operational: it moves in the transaction that makes the delivery a job, so that none is missed and none made twice.

mod advance;
mod decide;
mod evolve;
mod model;

pub(crate) use advance::{advance, advance_keys};
pub use decide::check_type_prefix;
pub(crate) use decide::{create, delete, pause, resume_keys, rotate, update};
pub(crate) use evolve::evolve;
pub use model::{JOB_KIND, Mark, Progress, Seeds, Told, Webhook, WebhookFilter, WebhookState};
