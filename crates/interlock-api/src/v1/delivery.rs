//! How far a message got: computed from what is stored when it is asked for.

use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::{MessageId, ThreadId, WakeId};
use interlock_core::thread::MessageState;
use interlock_core::time::Timestamp;
use interlock_core::wake::Evidence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a message got with one addressee. In the order of the steps, then the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is in the ledger.
    Stored,
    /// The addressee is to be woken.
    WakeRequested,
    /// The addressee's runtime accepted the wake.
    Accepted,
    /// The addressee acknowledged it.
    Seen,
    /// The addressee answered it.
    Acted,
}

/// How it stands with one addressee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is in the ledger; nobody wakes the addressee, who reads when it looks.
    Stored,
    /// The addressee is to be woken.
    WakeRequested,
    /// The addressee's runtime accepted the wake.
    Accepted,
    /// The addressee acknowledged it.
    Seen,
    /// The addressee answered it.
    Acted,
    /// A process was started for it, and nobody can tell yet whether its runtime accepted.
    Unknown,
    /// Its time was over before it was seen.
    Expired,
    /// It was taken back before it was seen.
    Superseded,
    /// All attempts to wake the addressee failed.
    Dead,
}

/// When the addressee acknowledged: `at`, or `no_later_than` where only later acknowledgements are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenView {
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Then or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_later_than: Option<Timestamp>,
    /// The addressee's cursor: the proof.
    pub acked_seq: u64,
}

/// The wake that covers the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryWake {
    /// Its id: the proof.
    pub wake_id: WakeId,
    /// When it was asked for; later messages join an earlier wake.
    pub requested_at: Timestamp,
    /// When a process was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<Timestamp>,
    /// When the runtime accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// By which evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Why its last attempt, or it, failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What the addressee said to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActedView {
    /// When.
    pub at: Timestamp,
    /// The answer: the proof.
    pub message_id: MessageId,
    /// Its `seq`.
    pub seq: u64,
}

/// How far the message got with one addressee; absent steps were not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddresseeView {
    /// Who.
    pub agent: AgentName,
    /// How it stands.
    pub standing: Standing,
    /// The wake that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<DeliveryWake>,
    /// The acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenView>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acted: Option<ActedView>,
}

impl AddresseeView {
    /// Whether the step is reached, or none is any more.
    pub fn is_past(&self, step: Step) -> bool {
        match step {
            _ if matches!(self.standing, Standing::Expired | Standing::Superseded | Standing::Dead) => true,
            Step::Stored => true,
            Step::WakeRequested => self.wake.is_some() || self.is_past(Step::Seen),
            Step::Accepted => {
                self.wake.as_ref().is_some_and(|wake| wake.accepted_at.is_some()) || self.is_past(Step::Seen)
            }
            Step::Seen => self.seen.is_some() || self.acted.is_some(),
            Step::Acted => self.acted.is_some(),
        }
    }
}

/// Parameters of `get_delivery`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetDeliveryParams {
    /// The thread.
    pub thread_id: ThreadId,
    /// The message.
    pub message_id: MessageId,
    /// The step to wait for with all addressees; `seen` unless said otherwise.
    #[serde(default = "seen")]
    pub until: Step,
    /// How long to wait for the step, at most 50,000 ms.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    #[schemars(range(max = interlock_core::limits::WAIT_MS_MAX))]
    pub wait_ms: u32,
}

const fn seen() -> Step {
    Step::Seen
}

/// Answer of `get_delivery`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryView {
    /// The message.
    pub message_id: MessageId,
    /// Its thread.
    pub thread_id: ThreadId,
    /// Its `seq`.
    pub seq: u64,
    /// Whether it counts now.
    pub state: MessageState,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// Its ledger entry: the proof.
    pub ledger_index: u64,
    /// Whom it is for, of those who take part now.
    pub addressees: Vec<AddresseeView>,
}
