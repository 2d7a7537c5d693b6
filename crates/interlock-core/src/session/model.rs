//! What is known of one session of an agent.

use std::collections::BTreeMap;

use crate::actor::{AgentName, closed_set};
use crate::agent::Runtime;
use crate::id::{SessionId, ThreadId};
use crate::policy::Policy;
use crate::time::Timestamp;

closed_set! {
    /// What a session was last seen doing.
    Activity {
        /// Nothing.
        Idle = "idle",
        /// A turn runs.
        Busy = "busy",
        /// A turn waits for a person's approval.
        WaitingApproval = "waiting_approval",
    }
}

closed_set! {
    /// Whose a session is.
    Place {
        /// A person has it open.
        Terminal = "terminal",
        /// A supervisor runs it.
        Ours = "ours",
    }
}

closed_set! {
    /// What can be observed of a session.
    Observed {
        /// A person sent a prompt: its turn begins.
        HumanPrompt = "human_prompt",
        /// A turn began.
        TurnStarted = "turn_started",
        /// The turn is over.
        TurnEnded = "turn_ended",
        /// The turn waits for a person's approval.
        WaitingApproval = "waiting_approval",
        /// The session was opened.
        Opened = "opened",
        /// The session was closed.
        Closed = "closed",
    }
}

/// Names a session of an agent; one that nobody named a session of has none.
pub type SessionKey = (AgentName, Option<SessionId>);

/// What is known of one session of an agent: an operational row, outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Session {
    /// Whose.
    pub agent: AgentName,
    /// The runtime's own name of it; absent = what the agent says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The runtime, as far as it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Whose it is.
    pub place: Place,
    /// Whether somebody has it open, as far as that was told.
    pub is_open: bool,
    /// What it was last seen doing.
    pub activity: Activity,
    /// Since when.
    pub activity_at: Timestamp,
    /// Whether the turn that runs is a wake's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_our_turn: bool,
    /// Its last sign of life.
    pub seen_at: Timestamp,
    /// When a person last sent a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_at: Option<Timestamp>,
    /// What the agent last said of itself: at work, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// Up to which message of each thread the session was told that something waits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<ThreadId, u64>,
    /// The same, of what a turn that would have ended was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told_at_end: BTreeMap<ThreadId, u64>,
}

impl Session {
    /// One that was never heard of before.
    pub(crate) fn new((agent, session_id): SessionKey, place: Place, now: Timestamp) -> Self {
        Self {
            agent,
            session_id,
            runtime: None,
            place,
            is_open: false,
            activity: Activity::Idle,
            activity_at: now,
            is_our_turn: false,
            seen_at: now,
            human_at: None,
            is_active: None,
            told: BTreeMap::new(),
            told_at_end: BTreeMap::new(),
        }
    }

    /// Its name among those of all agents.
    pub fn key(&self) -> SessionKey {
        (self.agent.clone(), self.session_id)
    }

    /// Whether a person has it open.
    pub fn is_terminal(&self) -> bool {
        self.is_open && self.place == Place::Terminal
    }

    /// Whether a turn that is no wake's runs in it, which was told of the messages of this thread up to this one.
    pub(crate) fn is_busy_with(&self, thread: ThreadId, seq: u64) -> bool {
        let is_busy = self.activity != Activity::Idle && !self.is_our_turn;
        is_busy && self.told.get(&thread).is_some_and(|told| *told >= seq)
    }

    /// Whether nobody may enter it now because of the person who has it open: the last prompt is too young, or a turn
    /// that is not ours runs or waits for approval. A turn whose end nobody told is over after a while.
    pub fn is_held(&self, policy: &Policy, now: Timestamp) -> bool {
        let is_younger = |at: Timestamp, ms: i64| now.ms_since(at) < ms;
        let has_typed = self.human_at.is_some_and(|at| is_younger(at, policy.human_quiet_ms));
        let has_turn = self.activity != Activity::Idle && !self.is_our_turn;
        self.is_terminal()
            && (has_typed || (has_turn && is_younger(self.activity_at, policy.human_turn_ms_max)))
    }
}
