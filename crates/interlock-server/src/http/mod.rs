//! One short handler per operation, by noun.

pub(crate) mod agent;
pub(crate) mod delivery;
pub(crate) mod denial;
pub(crate) mod escalation;
pub(crate) mod explain;
pub(crate) mod job;
pub(crate) mod ledger;
pub(crate) mod message;
pub(crate) mod policy;
pub(crate) mod review;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod summary;
pub(crate) mod thread;
pub(crate) mod timeline;
pub(crate) mod token;
pub(crate) mod wake;
pub(crate) mod webhook;
pub(crate) mod workspace;
