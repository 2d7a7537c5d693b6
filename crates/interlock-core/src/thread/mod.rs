//! Threads: participants, messages, cursors, status, findings.

mod ack;
mod create;
mod escalation;
mod event_data;
mod evolve;
mod members;
mod model;
mod operate;
mod post;
mod status;
mod system;
mod withdraw;

pub(crate) use ack::ack;
pub(crate) use create::create;
pub(crate) use escalation::{assign_owner, hand_on, remind_owner, tell_of_stranded};
pub(crate) use evolve::evolve;
pub(crate) use members::{add, remove};
pub use model::{
    Acked, Answer, Escalation, Finding, FindingState, Guard, Member, Message, MessageHead, MessageKind,
    MessageState, MessageText, Owed, Priority, SeenAt, Status, Thread, ThreadKind, ThreadRole, Withdrawal,
    event_type,
};
pub(crate) use operate::operate;
pub use post::{check_event_type, is_for};
pub(crate) use post::{is_addressed, post, post_as_lead, post_keys};
use status::person_required;
pub(crate) use status::{StatusChange, change_status, may_lead, not_coordinator, status_events};
pub(crate) use system::{Said, said};

pub(crate) use withdraw::{cancel, supersede};

use crate::command::Envelope;
use crate::decide::Stop;
use crate::facts::Facts;
use crate::id::ThreadId;
use crate::reason::{Reason, Refusal};

/// The thread, when this actor may know that it exists.
pub(crate) fn visible<'a>(facts: &'a Facts, env: &Envelope, id: ThreadId) -> Result<&'a Thread, Stop> {
    match facts.thread(id)? {
        Some(thread) if thread.members.contains_key(&env.actor.name) || env.actor.role.sees_all_threads() => {
            Ok(thread)
        }
        Some(_) => Err(hidden(id).into()),
        None => Err(not_found(id).into()),
    }
}

/// The refusal for a thread that is not for this actor: reads like the one for a thread that is not there.
pub fn hidden(id: ThreadId) -> Refusal {
    not_found(id).hiding(id)
}

/// The refusal for a thread that is not there.
pub fn not_found(id: ThreadId) -> Refusal {
    Refusal::new(Reason::ThreadNotFound, format!("there is no thread `{id}` for you"))
        .hint("list your threads to see their ids")
}

/// A text within its limit, or the refusal that names both. Without NUL, which not every database takes.
pub(crate) fn within(what: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.contains('\0') {
        return Err(Refusal::new(Reason::ParameterInvalid, format!("{what} holds a NUL character"))
            .hint("leave it out; in `data` it may stand as \\u0000"));
    }
    if text.len() <= bytes_max {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::LimitExceeded,
        format!("{what} has {} bytes, at most {bytes_max} are allowed", text.len()),
    ))
}
