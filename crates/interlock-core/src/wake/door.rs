//! Doors: the ways into a runtime, and what each of them can prove. Which one an attempt goes through is decided here,
//! and a change to a lesser one is always written down.

use super::{Evidence, Wake};
use crate::actor::closed_set;
use crate::agent::Runtime;
use crate::event::Event;
use crate::reason::Reason;
use crate::time::Timestamp;

closed_set! {
    /// The way into a runtime. The order is the one in which they are tried.
    Door {
        /// A server of the runtime that runs already and has the session, can load it, or begins one.
        Live = "live",
        /// A process of its own goes on in the session.
        Resume = "resume",
        /// A process of its own begins a fresh session.
        Spawn = "spawn",
    }
}

closed_set! {
    /// What keeps an attempt whose outcome nobody saw from having its work done twice.
    Repeat {
        /// The runtime takes what it was told before under the same id for done.
        Refused = "refused",
        /// What it was told can be looked up under our id.
        Checkable = "checkable",
        /// Nothing: only the certainty that the former process is dead.
        Unprotected = "unprotected",
    }
}

/// What a door into a runtime can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Into which runtime.
    pub runtime: Runtime,
    /// Through which door.
    pub door: Door,
    /// What it can prove acceptance with.
    pub evidence: &'static [Evidence],
    /// Whether it finds out that somebody else is in the session.
    pub sees_human: bool,
    /// What becomes of a second telling.
    pub repeat: Repeat,
    /// Whether what it starts dies with its supervisor.
    pub dies_with_supervisor: bool,
}

const OF_EVENTS: &[Evidence] = &[Evidence::Event, Evidence::Call, Evidence::Exit];

const fn own_process(runtime: Runtime, door: Door, sees_human: bool, repeat: Repeat) -> Capability {
    Capability { runtime, door, evidence: OF_EVENTS, sees_human, repeat, dies_with_supervisor: true }
}

/// Every door there is, in the order in which they are tried (docs/runtimes.md).
pub const CAPABILITIES: &[Capability] = &[
    Capability {
        runtime: Runtime::Codex,
        door: Door::Live,
        evidence: &[Evidence::Event, Evidence::Call],
        sees_human: true,
        repeat: Repeat::Checkable,
        dies_with_supervisor: false,
    },
    own_process(Runtime::Codex, Door::Resume, true, Repeat::Unprotected),
    own_process(Runtime::Codex, Door::Spawn, false, Repeat::Unprotected),
    own_process(Runtime::Claude, Door::Resume, true, Repeat::Refused),
    own_process(Runtime::Claude, Door::Spawn, false, Repeat::Refused),
    Capability {
        runtime: Runtime::Command,
        door: Door::Spawn,
        evidence: &[Evidence::Output, Evidence::Call, Evidence::Exit],
        sees_human: false,
        repeat: Repeat::Unprotected,
        dies_with_supervisor: true,
    },
];

impl Capability {
    /// Of this door into this runtime; nothing where there is no such door.
    pub fn of(runtime: Runtime, door: Door) -> Option<&'static Self> {
        CAPABILITIES.iter().find(|one| one.runtime == runtime && one.door == door)
    }

    /// Every door into this runtime, in the order in which they are tried.
    pub fn all_of(runtime: Runtime) -> impl Iterator<Item = &'static Self> {
        CAPABILITIES.iter().filter(move |one| one.runtime == runtime)
    }
}

impl Door {
    /// The doors that every supervisor knows: what is tried by one that says nothing of doors.
    pub const OF_EVERY_SUPERVISOR: [Self; 2] = [Self::Resume, Self::Spawn];

    /// Whether an attempt through it may go on when its supervisor is dead, so that its outcome is in doubt then.
    pub const fn outlives_supervisor(self) -> bool {
        matches!(self, Self::Live)
    }
}

/// That a wake went on through a lesser door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct DoorChange {
    /// The door that was to be used.
    pub from: Door,
    /// The one that is used in its place.
    pub to: Door,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
}

impl Wake {
    /// Whether it has gone on from this door to a lesser one: it does not come back to it.
    pub(crate) fn has_left(&self, door: Door) -> bool {
        self.door_changes.iter().any(|change| change.from == door)
    }
}

/// That a wake goes on through a lesser door, as an event.
pub(super) fn changed(wake: &Wake, from: Door, to: Door, reason: Reason) -> Event {
    let (wake_id, thread_id, agent) = (wake.wake_id, wake.thread_id, wake.agent.clone());
    Event::WakeDoorChanged { wake_id, thread_id, agent, from, to, reason }
}

/// The best door that is left for this wake of an agent with this runtime, in this session or none, by a supervisor that
/// knows these doors.
pub(crate) fn next(runtime: Runtime, wake: &Wake, has_session: bool, known: &[Door]) -> Door {
    let is_left = |door: Door| Capability::of(runtime, door).is_some() && known.contains(&door);
    // What is begun in the place of another session is a process of its own.
    if is_left(Door::Live) && !wake.has_left(Door::Live) && !wake.is_fallback {
        Door::Live
    } else if is_left(Door::Resume) && has_session {
        Door::Resume
    } else {
        Door::Spawn
    }
}
