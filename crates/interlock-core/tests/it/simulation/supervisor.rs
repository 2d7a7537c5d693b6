//! A supervisor and its processes, as the program behaves: what it holds, what it could not tell yet, its lives.

use std::collections::{BTreeMap, VecDeque};

use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::command::Report;
use interlock_core::id::{ThreadId, WakeId};

use super::cast::Step;
use crate::world::Claim;

/// Agents that one supervisor runs at once here.
pub(super) const SLOTS: usize = 3;

/// A wake that a supervisor holds.
pub(super) struct Hold {
    pub(super) claim: Claim,
    /// Until when, by its own clock.
    pub(super) until: Timestamp,
    pub(super) process: Option<usize>,
    /// What the server was not told yet, in order.
    pub(super) untold: VecDeque<Report>,
    /// Its process is over: it is forgotten when everything is told.
    pub(super) is_over: bool,
}

pub(super) struct Supervisor {
    pub(super) name: &'static str,
    /// Each start of it is another life.
    pub(super) life: u32,
    pub(super) is_up: bool,
    /// Until when it does not reach the server.
    pub(super) cut_off_until: Option<Timestamp>,
    pub(super) held: BTreeMap<WakeId, Hold>,
}

impl Supervisor {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, life: 1, is_up: true, cut_off_until: None, held: BTreeMap::new() }
    }

    pub(super) fn incarnation(&self) -> String {
        format!("life-{}", self.life)
    }

    pub(super) fn is_cut_off(&self, now: Timestamp) -> bool {
        self.cut_off_until.is_some_and(|until| until > now)
    }
}

/// A process of an agent.
pub(super) struct Process {
    pub(super) agent: AgentName,
    pub(super) thread: ThreadId,
    pub(super) wake: WakeId,
    pub(super) supervisor: usize,
    pub(super) is_alive: bool,
    pub(super) has_accepted: bool,
    pub(super) steps: VecDeque<Step>,
}
