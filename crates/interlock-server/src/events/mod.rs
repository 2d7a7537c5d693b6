//! What happens in the workspace, for subscribers: who sees what of the ledger, and how it goes over the wire.

mod cloud;
mod feed;
mod seats;
mod sight;

pub(crate) use feed::follow;
pub(crate) use seats::Seats;
