//! Rules of stopping all agents, and of letting them go on.
//!
//! A halt is a row like any other: it holds on every server of the workspace, on those that start later too, and ends by
//! a person's word alone. The shell stops what runs; these rules see to it that nothing more is handed out or started.

use super::{Wake, WakeState};
use crate::actor::AgentName;
use crate::command::Envelope;
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts, Reply};
use crate::reason::Reason;
use crate::time::Timestamp;

/// That all agents are stopped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Halt {
    /// Since when.
    pub at: Timestamp,
    /// Who stopped them.
    pub by: AgentName,
}

/// A person stops all agents; twice is no change.
pub(crate) fn halt(facts: &Facts, env: &Envelope) -> Result<Decision, Stop> {
    if facts.halt()?.is_some() {
        return Ok(Decision { reply: Reply::Halted(running(facts)?), ..Decision::unchanged() });
    }
    let running = stopped(facts)?;
    Ok(Decision::of(vec![Event::WorkspaceHalted { by: env.actor.name.clone(), running }]))
}

/// A person lets agents go on; no change while they are not stopped, or are for another halt than the one that is meant.
pub(crate) fn resume(facts: &Facts, env: &Envelope, since: Option<Timestamp>) -> Result<Decision, Stop> {
    match facts.halt()? {
        Some(halt) if since.is_none_or(|since| since == halt.at) => {
            Ok(Decision::of(vec![Event::WorkspaceResumed { by: env.actor.name.clone() }]))
        }
        _ => Ok(Decision::unchanged()),
    }
}

/// Wakes whose processes run, and those whose end is known already: agents are told to stop before the halt is recorded, so
/// that some reports of their ends come first.
fn stopped(facts: &Facts) -> Result<u32, Stop> {
    let is_told = |wake: &Wake| wake.state == WakeState::Pending && wake.reason == Some(Reason::Halted);
    let told = facts.live_wakes()?.filter(|wake| is_told(wake)).count();
    Ok(running(facts)?.saturating_add(u32::try_from(told).unwrap_or(u32::MAX)))
}

/// Wakes whose processes run, as far as is known.
pub(super) fn running(facts: &Facts) -> Result<u32, Stop> {
    let running = facts.live_wakes()?.filter(|wake| wake.state == WakeState::Running).count();
    Ok(u32::try_from(running).unwrap_or(u32::MAX))
}
