//! A supervisor and what it runs, as the program behaves: what it holds, what it could not tell yet, its lives.

use std::collections::{BTreeMap, VecDeque};

use interlock_core::Timestamp;
use interlock_core::actor::AgentName;
use interlock_core::command::Report;
use interlock_core::id::{SessionId, ThreadId, WakeId};
use interlock_core::wake::{Door, Lack, Outcome};

use super::cast::Step;
use crate::world::Claim;

/// Agents that one supervisor runs at once here.
pub(super) const SLOTS: usize = 3;

/// A wake that a supervisor holds.
pub(super) struct Hold {
    pub(super) claim: Claim,
    /// Until when, by its own clock, which counts the time of a sleeping machine too.
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
    /// Whether a renewal is on the agenda.
    pub(super) renews: bool,
    /// Until when it does not reach the server.
    pub(super) cut_off_until: Option<Timestamp>,
    /// Until when it stands still, and whether its processes do too.
    pub(super) frozen_until: Option<(Timestamp, bool)>,
    /// The doors that it knows.
    pub(super) doors: Vec<Door>,
    /// What it lacks for whom, and whether it has found that out.
    pub(super) lacks: BTreeMap<&'static str, (Lack, bool)>,
    /// Whether it tells which claims it knows of.
    pub(super) tells_holds: bool,
    pub(super) held: BTreeMap<WakeId, Hold>,
}

impl Supervisor {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            life: 1,
            is_up: true,
            renews: false,
            cut_off_until: None,
            frozen_until: None,
            doors: Door::ALL.to_vec(),
            lacks: BTreeMap::new(),
            tells_holds: true,
            held: BTreeMap::new(),
        }
    }

    pub(super) fn incarnation(&self) -> String {
        format!("life-{}", self.life)
    }

    /// Whether nothing that it says arrives.
    pub(super) fn is_cut_off(&self, now: Timestamp) -> bool {
        self.cut_off_until.is_some_and(|until| until > now) || self.is_frozen(now)
    }

    pub(super) fn is_frozen(&self, now: Timestamp) -> bool {
        self.frozen_until.is_some_and(|(until, _)| until > now)
    }
}

/// A process of an agent, or a turn in a runtime's server.
pub(super) struct Process {
    pub(super) agent: AgentName,
    pub(super) thread: ThreadId,
    pub(super) wake: WakeId,
    /// The fence of the claim that it was begun on, or is followed on.
    pub(super) fence: u64,
    pub(super) door: Door,
    pub(super) session: SessionId,
    /// The supervisor that started it, and whose machine it is on.
    pub(super) machine: usize,
    /// The one that hears how it ends.
    pub(super) follower: Option<usize>,
    /// When it was begun.
    pub(super) begun_at: Timestamp,
    /// When the lease is over that it is followed on: a shim ends it then, whoever lives, as it ends a process.
    pub(super) deadline: Timestamp,
    /// Since when somebody last hears of it.
    pub(super) followed_since: Timestamp,
    pub(super) is_alive: bool,
    pub(super) has_accepted: bool,
    pub(super) steps: VecDeque<Step>,
    /// How a live turn ended, as its server remembers.
    pub(super) end: Option<Outcome>,
}

impl Process {
    /// Whether it outlives its supervisor, until the lease is over.
    pub(super) const fn is_live(&self) -> bool {
        self.door.outlives_supervisor()
    }
}
