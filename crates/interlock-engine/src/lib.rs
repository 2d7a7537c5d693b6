//! The shell around the rules: authenticate, authorize, batch, load, decide, commit, notify.
//!
//! Every mutation of every surface goes through [`Engine::execute`], and nothing else calls the store's
//! write verb. Deliberately absent: HTTP, SQL, rules.

mod auth;
mod batch;
mod committer;
mod denials;
mod engine;
mod entropy;
mod envelope;
mod escalations;
mod export;
mod feed;
mod halt;
mod issuer;
mod jobs;
mod neighbours;
mod notify;
mod reading;
mod search;
mod supervisors;
mod tally;
mod wake_tally;
mod wakes;
mod webhooks;

/// What reads of the store are asked and answered with.
pub mod read {
    pub use interlock_store::{
        AgentWakes, Counts, DenialFilter, EntryRow, Found, InboxRow, JobCounts, JobFilter, Page, Search,
        SnapshotFilter, Store, StoreError, StoredMessage, ThreadFilter, TimelineRow, Trips, WakeFilter,
        WriteAhead,
    };
}

pub use auth::{Permit, authorize};
pub use committer::Outcome;
pub use engine::{Caller, Engine, EngineConfig, Request};
pub use entropy::{random_bytes, random_session, random_token};
pub use export::{ExportFailure, Signed};
pub use feed::{Happened, Next, Place, Stretch};
pub use issuer::{Claims, Issuer};
pub use jobs::{JobRunner, RunnerOptions, Work};
pub use neighbours::Neighbourhood;
pub use notify::{Note, Watch};
pub use reading::Reading;
pub use supervisors::Heard;
pub use wakes::{ClaimWait, Claimed};
pub use webhooks::WebhookSecret;
