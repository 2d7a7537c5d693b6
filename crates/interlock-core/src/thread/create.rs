//! Rules of opening a thread.

use std::collections::BTreeMap;

use super::members::joined;
use super::{ThreadRole, within};
use crate::command::{CreateThread, Envelope};
use crate::decide::Stop;
use crate::event::Event;
use crate::facts::{Decision, Facts};
use crate::id::ThreadId;
use crate::limits::{PARTICIPANTS_MAX, TITLE_BYTES_MAX};
use crate::reason::{Reason, Refusal};
use crate::text::Salt;
use crate::time::Now;

/// A thread is opened with its first participants; the opener takes part, as coordinator unless said otherwise.
pub(crate) fn create(
    facts: &Facts,
    env: &Envelope,
    command: &CreateThread,
    now: &Now,
) -> Result<Decision, Stop> {
    within("the title", &command.title, TITLE_BYTES_MAX)?;
    if command.title.trim().is_empty() {
        return Err(Refusal::new(Reason::ParameterInvalid, "a thread needs a title").into());
    }
    let mut roles: BTreeMap<_, _> = command.participants.iter().cloned().collect();
    if roles.len() != command.participants.len() {
        return Err(Refusal::new(Reason::ParameterInvalid, "a participant is named twice").into());
    }
    roles.entry(env.actor.name.clone()).or_insert(ThreadRole::Coordinator);
    if roles.len() > PARTICIPANTS_MAX {
        return Err(Refusal::new(
            Reason::LimitExceeded,
            format!(
                "the thread would have {} participants, at most {PARTICIPANTS_MAX} are allowed",
                roles.len()
            ),
        )
        .into());
    }
    let mut participants = Vec::with_capacity(roles.len());
    for (agent, role) in roles {
        let known = facts.agent(&agent)?;
        if known.is_none() && agent != env.actor.name {
            return Err(Refusal::new(Reason::AgentNotFound, format!("there is no agent `{agent}`"))
                .hint("register it first: interlock agent add NAME")
                .into());
        }
        participants.push(joined(agent, role, facts)?);
    }
    let title_salt = Salt::derive(&env.entropy, 0);
    Ok(Decision::of(vec![Event::ThreadCreated {
        thread_id: ThreadId::derive(now.wall, &env.entropy, 0),
        thread_kind: command.kind,
        created_by: env.actor.name.clone(),
        participants,
        title_digest: crate::text::digest(&title_salt, &[command.title.as_bytes()]),
        title: command.title.clone(),
        title_salt,
    }]))
}
