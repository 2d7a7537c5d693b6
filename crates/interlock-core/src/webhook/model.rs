//! What a webhook is.

use crate::actor::{AgentName, Role, closed_set};
use crate::id::{JobId, ThreadId, WebhookId};
use crate::reason::Reason;
use crate::text::{Digest, Salt};
use crate::time::Timestamp;

/// The kind of the jobs that deliver events.
pub const JOB_KIND: &str = "webhook";

closed_set! {
    /// Whether a webhook is told of events now.
    WebhookState {
        /// It is.
        Active = "active",
        /// It is not, and nothing is lost: it goes on where it was.
        Paused = "paused",
    }
}

/// Where to go on in the ledger.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Mark {
    /// The entry.
    pub index: u64,
    /// Events of it that are passed over.
    pub skip: u32,
}

impl Mark {
    /// What stands behind this event.
    pub const fn after(index: u64, n: u32) -> Self {
        Self { index, skip: n.saturating_add(1) }
    }
}

/// Which events a webhook is told of; everything that its maker may see when nothing is said.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct WebhookFilter {
    /// Only of this thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// Only what this agent did, or what was done to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Only types that begin like one of these, such as `wake.` or `thread.message_posted/1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = crate::limits::WEBHOOK_TYPES_MAX))]
    pub types: Vec<String>,
}

/// What a webhook's secrets are derived from, together with a key that is not in the database. By itself it tells
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seeds {
    /// Of the secret that counts.
    pub current: Digest,
    /// The ledger entry that made it.
    pub entry: u64,
    /// Of the one before, and until when it counts beside the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<(Digest, Timestamp)>,
}

impl Seeds {
    /// Those that count at this time, the newest first.
    pub fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Digest> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until).map(|(seed, _)| seed);
        std::iter::once(&self.current).chain(previous)
    }
}

/// How far a webhook has been told.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Everything before this was made a job, or was not for it.
    pub next: Mark,
    /// The deliveries that were not over when this was written, oldest first.
    pub waiting: Vec<JobId>,
}

/// An event that a webhook is to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The ledger entry.
    pub index: u64,
    /// The event's number in it.
    pub n: u32,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.n)
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Who made it: it is told of what that caller may see.
    pub by: AgentName,
    /// The access role of that caller.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it asks for.
    pub filter: WebhookFilter,
    /// Whether it is told of events now.
    pub state: WebhookState,
    /// Why it is not, when that was no person's wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The salted digest of its address.
    pub url_digest: Digest,
    /// Where events go: free text, beside the log, since addresses may hold what opens a door.
    #[serde(skip)]
    pub url: String,
    /// The address's salt.
    #[serde(skip)]
    pub url_salt: Salt,
    /// What its secrets are derived from.
    #[serde(skip)]
    pub seeds: Seeds,
    /// How far it has been told; operational.
    #[serde(skip)]
    pub progress: Progress,
}
