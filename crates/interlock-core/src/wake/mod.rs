//! Wakes: who must be woken, when, and what came of it.

mod asks;
mod claim;
mod door;
mod doubt;
mod ended;
mod entry;
mod evolve;
mod explain;
mod halt;
mod history;
mod human;
mod intervene;
mod model;
mod placement;
mod reaction;
mod report;
mod session;
mod stranded;
mod supervisors;
mod takeover;
mod trigger;
mod urgent;

pub use asks::{Asks, AsksKey, Forgotten};
pub(crate) use claim::{claim, claim_keys, renew, renew_keys};
pub use door::{CAPABILITIES, Capability, Door, DoorChange, Repeat};
pub(crate) use evolve::evolve;
pub use explain::{Because, Subject, Why, explain};
pub use halt::Halt;
pub(crate) use halt::{halt, resume};
pub(crate) use human::on_hook;
pub(crate) use intervene::{cancel, given, retry};
pub use model::{
    Ask, Attempt, Chain, Evidence, Intervention, Ladder, Lane, LastMessage, Lease, Outcome, TurnFault, Usage,
    Wake, WakeResult, WakeState,
};
pub use placement::{Claimant, Lack};
pub(crate) use reaction::{
    on_ack, on_escalation, on_post, on_removal, on_thread_active, on_thread_end, on_wait_again,
    on_withdrawal, withdrawal_keys,
};
pub(crate) use report::{expect_held, note_call, report};
pub(crate) use stranded::note_stranded;
pub(crate) use supervisors::note_supervisor;
pub use supervisors::{Supervisor, is_anybody_there};
pub(crate) use trigger::trigger;
pub use urgent::Urgent;
pub(crate) use urgent::is_for_a_turn;

/// How often a wake may lose its supervisor, or be given back by it, before it counts as failed: whatever kills
/// supervisors, or keeps agents from starting, must not for ever. A person's halt does not count.
pub const RELEASES_MAX: u32 = 100;

impl WakeResult {
    /// Whether the wake was a turn: a process ran for it.
    pub const fn is_turn(self) -> bool {
        matches!(self, Self::Triggered | Self::FallbackResumed | Self::FallbackSpawned | Self::Failed)
    }
}
