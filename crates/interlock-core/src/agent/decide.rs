//! Rules of registering agents.

use super::{Runtime, launch};
use crate::actor::Role;
use crate::command::{Envelope, RegisterAgent};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::AgentId;
use crate::reason::{Reason, Refusal};
use crate::text::Salt;
use crate::time::Now;

/// An agent is made known under a name that nobody had before.
pub(crate) fn register(
    facts: &Facts,
    env: &Envelope,
    command: &RegisterAgent,
    now: &Now,
) -> Result<Decision, Stop> {
    let name = &command.name;
    if facts.agent(name)?.is_some() {
        return Err(Refusal::new(Reason::AgentExists, format!("an agent `{name}` exists already"))
            .hint("choose another name; names are never reused")
            .into());
    }
    if command.role == Role::Supervisor {
        return Err(
            Refusal::new(Reason::ParameterInvalid, "an agent cannot have the role `supervisor`").into()
        );
    }
    if command.runtime == Runtime::Unmanaged && command.on.is_some() {
        let detail = "an unmanaged agent runs on no supervisor";
        return Err(Refusal::new(Reason::ParameterInvalid, detail).into());
    }
    let text = launch::text(command.runtime, &command.launch)?;
    let launch_salt = Salt::derive(&env.entropy, 0);
    Ok(Decision::of(vec![Event::AgentRegistered {
        agent_id: AgentId::derive(now.wall, &env.entropy, 0),
        name: name.clone(),
        role: command.role,
        runtime: command.runtime,
        on: command.on.clone(),
        launch_digest: crate::text::digest(&launch_salt, &[text.as_bytes()]),
        launch: command.launch.clone(),
        launch_salt,
    }]))
}
