//! What happens in the workspace, for subscribers: who sees what of the ledger, and how it goes over the wire.

mod cloud;
mod feed;
mod seats;
mod sight;

pub(crate) use cloud::one as cloud_event;
pub(crate) use feed::{follow, place};
pub(crate) use seats::Seats;
pub(crate) use sight::{Filter, Sight, reader};
