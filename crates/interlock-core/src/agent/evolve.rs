//! What an agent's row becomes.

use super::Agent;
use crate::event::Event;
use crate::facts::{Facts, Position};

/// Apply an event of this module; others are none of its business.
pub(crate) fn evolve(facts: &mut Facts, event: &Event, position: &Position) {
    if let Event::AgentRegistered { agent_id, name, role, runtime, on, launch_digest, launch, launch_salt } =
        event
    {
        facts.insert_agent(Agent {
            agent_id: *agent_id,
            name: name.clone(),
            role: *role,
            runtime: *runtime,
            on: on.clone(),
            created_at: position.at.at,
            launch_digest: *launch_digest,
            spent: None,
            quota: None,
            launch: launch.clone(),
            launch_salt: *launch_salt,
        });
    }
}
